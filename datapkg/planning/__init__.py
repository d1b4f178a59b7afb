"""Token planning: scenarios, the capacity of skill pools, what initiatives want of it, and what that comes to."""

from __future__ import annotations

from datapkg.planning.models import *  # noqa: F403  # the domain's tables
from datapkg.planning.models import __all__ as _models
from datapkg.planning.queries import *  # noqa: F403  # the domain's functions, by their __all__
from datapkg.planning.queries import __all__ as _functions

__all__ = [*_models, *_functions]
