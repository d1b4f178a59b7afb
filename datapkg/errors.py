"""Every error of this package, under a name that is easy to remember."""

from __future__ import annotations

from datapkg.kit.errors import *  # noqa: F403  # by its __all__
from datapkg.kit.errors import __all__ as __all__


def __dir__() -> list[str]:
    return sorted(__all__)
