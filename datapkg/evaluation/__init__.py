"""Versioned definitions of what is evaluated, and the trees that forking makes of them."""

from __future__ import annotations

from datapkg.evaluation.models import Definition
from datapkg.evaluation.queries import *  # noqa: F403  # the domain's functions, by their __all__
from datapkg.evaluation.queries import __all__ as _functions

__all__ = ["Definition", *_functions]
