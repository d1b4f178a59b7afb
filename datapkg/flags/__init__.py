"""Feature flags: switches that an operator turns, for everybody or for a percentage.

>>> from datapkg import flags
>>> flags.set_flag("new_page", enabled=True, rollout_percentage=25)  # doctest: +SKIP
>>> flags.is_enabled("new_page", subject="user-7")  # doctest: +SKIP
"""

from __future__ import annotations

from datapkg.flags.models import FeatureFlag
from datapkg.flags.queries import *  # noqa: F403  # the domain's functions, by their __all__
from datapkg.flags.queries import __all__ as _functions

__all__ = ["FeatureFlag", *_functions]
