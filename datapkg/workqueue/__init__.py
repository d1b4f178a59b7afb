"""A queue of features: claimed by one worker at a time, with leases, attempts and dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datapkg.kit.deferring import deferred
from datapkg.workqueue.models import *  # noqa: F403  # the domain's tables
from datapkg.workqueue.models import __all__ as _models

if TYPE_CHECKING:
    from datapkg.workqueue.queries import *  # noqa: F403  # the domain's functions, by their __all__
else:
    __getattr__, __dir__ = deferred(__name__, _models)
