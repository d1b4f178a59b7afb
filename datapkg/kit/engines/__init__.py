"""The database classes behind the proxy: SQLite file, shared in-memory SQLite, pooled PostgreSQL.

They add to Peewee's classes what this package promises: typed errors, transactions that belong to the task that
opened them, connections that survive a restart of the server, and safety after a fork.
"""

from __future__ import annotations

from datapkg.kit.engines.base import KitDatabase, Options, log_slow_queries
from datapkg.kit.engines.postgresql import PostgresDatabase, PostgresMixin
from datapkg.kit.engines.sqlite import MemoryDatabase, SqliteDatabase, SqliteFileDatabase

__all__ = [
    "KitDatabase",
    "MemoryDatabase",
    "Options",
    "PostgresDatabase",
    "PostgresMixin",
    "SqliteDatabase",
    "SqliteFileDatabase",
    "log_slow_queries",
]
