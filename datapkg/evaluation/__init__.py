"""Versioned definitions of what is evaluated, runs of them, their transcripts, and what those say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datapkg.evaluation.models import *  # noqa: F403  # the domain's tables
from datapkg.evaluation.models import __all__ as _models
from datapkg.kit.deferring import deferred

if TYPE_CHECKING:
    from datapkg.evaluation.queries import *  # noqa: F403  # the domain's functions, by their __all__
else:
    __getattr__, __dir__ = deferred(__name__, _models)
