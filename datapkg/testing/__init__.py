"""What tests need: a pytest plugin, factories for each domain, and a disposable PostgreSQL server.

The plugin loads by itself wherever ``datapkg`` and pytest are installed, so nothing here is imported before it is
used. Nothing else of the package imports this folder.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datapkg.testing import factories
    from datapkg.testing.server import POSTGRES_URL_VARIABLE, EmbeddedPostgres, database_url, shared_server_url

__all__ = ["POSTGRES_URL_VARIABLE", "EmbeddedPostgres", "database_url", "factories", "shared_server_url"]


def __getattr__(name: str) -> Any:
    if name == "factories":
        return importlib.import_module("datapkg.testing.factories")
    if name in __all__:
        return getattr(importlib.import_module("datapkg.testing.server"), name)
    raise AttributeError(f"module 'datapkg.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
