"""Scripts whose truth is the commands that made them; versions and elements are derived."""

from __future__ import annotations

from datapkg.scripts.models import *  # noqa: F403  # the domain's tables
from datapkg.scripts.models import __all__ as _models

__all__ = [*_models]
