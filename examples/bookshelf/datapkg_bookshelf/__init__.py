"""A shelf of books to lend: what a data domain in a package of its own looks like."""

from __future__ import annotations

from datapkg_bookshelf.models import *  # noqa: F403  # the domain's tables
from datapkg_bookshelf.models import __all__ as _models
from datapkg_bookshelf.queries import *  # noqa: F403  # the domain's functions
from datapkg_bookshelf.queries import __all__ as _functions

__all__ = [*_models, *_functions]
