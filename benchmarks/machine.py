"""What the figures were measured with."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

__all__ = ["described"]

_PACKAGES = ("datapkg", "peewee", "marshmallow", "orjson", "psycopg2-binary", "psycopg", "SQLAlchemy", "Django")


def described(others: Sequence[str] = ()) -> list[str]:
    """Return lines about the machine and the versions of everything that takes part.

    Args:
        others: names and versions of what is no Python package.
    """
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed" if name != "datapkg" else "datapkg from the checkout")
    return [
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{platform.system()} on {platform.machine()}, {os.cpu_count()} processors",
        ", ".join([*found, *others]),
    ]
