"""A queue of features: claimed by one worker at a time, with leases, attempts and dependencies."""

from __future__ import annotations

from datapkg.workqueue.models import *  # noqa: F403  # the domain's tables
from datapkg.workqueue.models import __all__ as _models
from datapkg.workqueue.queries import *  # noqa: F403  # the domain's functions, by their __all__
from datapkg.workqueue.queries import __all__ as _functions

__all__ = [*_models, *_functions]
