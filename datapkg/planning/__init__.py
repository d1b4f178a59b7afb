"""Token planning: scenarios, the capacity of skill pools, what initiatives want of it, and what that comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datapkg.kit.deferring import deferred
from datapkg.planning.models import *  # noqa: F403  # the domain's tables
from datapkg.planning.models import __all__ as _models

if TYPE_CHECKING:
    from datapkg.planning.queries import *  # noqa: F403  # the domain's functions, by their __all__
else:
    __getattr__, __dir__ = deferred(__name__, _models)
