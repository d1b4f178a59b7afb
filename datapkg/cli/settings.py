"""What every command is told: the global options, and where the database's URL comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

if TYPE_CHECKING:
    from datapkg.kit.engines import KitDatabase, Options

__all__ = ["DEFAULT_URL", "Settings", "url_from_surroundings"]

# As in datapkg.kit.urls, which is slow to import where a word is completed; a test compares them.
DEFAULT_URL = "sqlite:///datapkg.db"


@dataclass
class Settings:
    """The global options, as every command sees them.

    Attributes:
        url: the database URL.
        json: whether to print JSON.
        quiet: whether to print nothing but errors.
    """

    url: str
    json: bool = False
    quiet: bool = False

    @contextmanager
    def connected(self, *, migrate: bool = False) -> Iterator[KitDatabase]:
        """Connect for one command, as ``datapkg.connect`` does."""
        from datapkg import connection

        database = connection.connect(self.url, migrate=migrate)
        try:
            yield database
        finally:
            connection.disconnect()

    @contextmanager
    def bound(self, **options: Unpack[Options]) -> Iterator[KitDatabase]:
        """Bind without migrating and without looking at the migrations.

        Args:
            options: as for ``datapkg.connect``; ``must_exist=True`` never creates a SQLite file.
        """
        from datapkg.kit import database as kit

        database = kit.bind(self.url, **options)
        try:
            yield database
        finally:
            kit.unbind()


def url_from_surroundings() -> str:
    """Return the URL in DATABASE_URL, of the environment or of a ``.env`` file, or the one that is meant without."""
    if url := os.environ.get("DATABASE_URL"):
        return url
    try:
        from dotenv import dotenv_values
    except ImportError:
        return DEFAULT_URL
    return dotenv_values(".env").get("DATABASE_URL") or DEFAULT_URL
