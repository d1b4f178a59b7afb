"""Scripts whose truth is the commands that made them; versions and elements are derived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datapkg.kit.deferring import deferred
from datapkg.scripts.models import *  # noqa: F403  # the domain's tables
from datapkg.scripts.models import __all__ as _models

if TYPE_CHECKING:
    from datapkg.scripts.queries import *  # noqa: F403  # the domain's functions, by their __all__
else:
    __getattr__, __dir__ = deferred(__name__, _models)
