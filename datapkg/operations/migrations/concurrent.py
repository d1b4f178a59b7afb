"""Indexes that PostgreSQL builds while others write."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from datapkg.kit.database import release
from datapkg.kit.dialect.alterations import Sql, run_sql
from datapkg.kit.engines import KitDatabase

__all__ = ["ConcurrentIndex", "build_concurrently"]

_HEAD = re.compile(r'(CREATE (?:UNIQUE )?INDEX )("(?:[^"]|"")+")')


@dataclass(frozen=True)
class ConcurrentIndex(Sql):
    """An index built by CREATE INDEX CONCURRENTLY, which no transaction may hold."""

    def run(self, database: KitDatabase) -> None:
        """Build it the plain way, inside a transaction: in a scratch schema, where there are no others."""
        run_sql(database, self.sql.replace(" CONCURRENTLY", "", 1), self.params)

    def build(self, database: KitDatabase) -> None:
        """Build it on a connection of its own, while the migration's holds the lock; one that is there may stay.

        Args:
            database: whose transaction has touched no table but the package's own books.
        """
        match = _HEAD.search(self.sql.replace(" CONCURRENTLY", "", 1))
        assert match is not None, self.sql
        name = match[2]
        other = database.twin(60)
        try:
            sql = "SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = to_regclass(%s)"
            there = other.fetch(sql, (name,))
            if there and not there[0][0]:  # what a build that failed or was killed leaves behind
                other.execute_sql(f"DROP INDEX CONCURRENTLY {name}")
            if not there or not there[0][0]:
                run_sql(other, self.sql, self.params)
        finally:
            release(other)


def build_concurrently(steps: Iterable[Any]) -> None:
    """Let every CREATE INDEX among collected steps be built concurrently."""
    for step in steps:
        plain = step.alteration
        if isinstance(plain, Sql) and _HEAD.match(plain.sql):
            sql = _HEAD.sub(lambda match: f"{match[1]}CONCURRENTLY {match[2]}", plain.sql, count=1)
            step.alteration = ConcurrentIndex(sql, plain.tag, plain.params)
