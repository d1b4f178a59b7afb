"""Scripts whose truth is the commands that made them; versions and elements are derived."""

from __future__ import annotations

from datapkg.scripts.models import *  # noqa: F403  # the domain's tables
from datapkg.scripts.models import __all__ as _models
from datapkg.scripts.queries import *  # noqa: F403  # the domain's functions, by their __all__
from datapkg.scripts.queries import __all__ as _functions

__all__ = [*_models, *_functions]
