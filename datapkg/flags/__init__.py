"""Feature flags: switches that an operator turns, for everybody or for a percentage.

>>> from datapkg import flags
>>> flags.set_flag("new_page", enabled=True, rollout_percentage=25)  # doctest: +SKIP
>>> flags.is_enabled("new_page", subject="user-7")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datapkg.flags.models import *  # noqa: F403  # the domain's tables
from datapkg.flags.models import __all__ as _models
from datapkg.kit.deferring import deferred

if TYPE_CHECKING:
    from datapkg.flags.queries import *  # noqa: F403  # the domain's functions, by their __all__
else:
    __getattr__, __dir__ = deferred(__name__, _models)
