"""Versioned definitions of what is evaluated, runs of them, their transcripts, and what those say."""

from __future__ import annotations

from datapkg.evaluation.models import *  # noqa: F403  # the domain's tables
from datapkg.evaluation.models import __all__ as _models
from datapkg.evaluation.queries import *  # noqa: F403  # the domain's functions, by their __all__
from datapkg.evaluation.queries import __all__ as _functions

__all__ = [*_models, *_functions]
