"""Plain Peewee: its own fields, its own models, nothing validated."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from typing import Any
from urllib.parse import parse_qs, urlsplit

import peewee as pw
from playhouse.postgres_ext import DateTimeTZField
from uuid_utils.compat import uuid7

from benchmarks.peers.base import FULL_ROWS_DOWN, FULL_ROWS_UP, Place, Side

__all__ = ["PlainPeewee", "copy_rows"]


def copy_rows(source: str, target: str, *, at: str) -> None:
    """Copy the rows into another library's file, in the spelling that it keeps keys and times in by default.

    Args:
        source: a file in datapkg's schema.
        target: the library's file, its table made already.
        at: the SQL expression for an instant, with ``{c}`` for the column.
    """
    conn = sqlite3.connect(target, isolation_level=None)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = NORMAL")
    conn.execute("ATTACH ? AS source", (source,))
    created, updated = at.format(c="created_at"), at.format(c="updated_at")
    conn.execute(
        "INSERT INTO main.definitions (id, created_at, updated_at, parent_id, name, content, created_by) SELECT "
        f"replace(id, '-', ''), {created}, {updated}, replace(parent_id, '-', ''), name, content, NULL "
        "FROM source.definitions ORDER BY id"
    )
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()


def _utc() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class PlainPeewee(Side):
    """Peewee as its documentation shows it."""

    name = "Peewee"

    def open(self, place: Place) -> None:
        instant: Any
        if place.engine == "sqlite":
            path = os.path.join(place.folder, "peewee.db")
            pragmas = {"foreign_keys": 1, "journal_mode": "wal", "synchronous": "NORMAL"}
            self.database: Any = pw.SqliteDatabase(path, pragmas=pragmas)
            instant = pw.DateTimeField
        else:
            parts = urlsplit(place.source)
            host = parse_qs(parts.query).get("host", [parts.hostname])[0]
            self.database = pw.PostgresqlDatabase(
                parts.path[1:], host=host, user=parts.username, port=parts.port, password=parts.password
            )
            instant = DateTimeTZField

        class Definition(pw.Model):
            id = pw.UUIDField(primary_key=True, default=uuid7)
            created_at = instant(default=_utc, index=True)
            updated_at = instant(default=_utc)
            parent = pw.ForeignKeyField("self", null=True, on_delete="RESTRICT")
            name = pw.CharField(max_length=200, index=True)
            content = pw.JSONField()
            created_by = pw.UUIDField(null=True, index=True)

            class Meta:
                database = self.database
                table_name = "definitions"

        self.model: Any = Definition
        if place.engine == "sqlite" and not self.database.table_exists("definitions"):
            self.database.create_tables([Definition])
            copy_rows(place.source, path, at="replace(replace({c}, 'T', ' '), 'Z', '+00:00')")
        self.database.connect(reuse_if_open=True)
        p = self.database.param
        columns = ", ".join(field.column_name for field in Definition._meta.sorted_fields)
        self.up = FULL_ROWS_UP.format(p=p, columns=columns)
        self.down = FULL_ROWS_DOWN.format(p=p, columns=columns)

    def close(self) -> None:
        self.database.close()

    def execute(self, sql: str) -> None:
        self.database.execute_sql(sql)

    def create(self, name: str, content: dict[str, Any]) -> Any:
        return self.model.create(name=name, content=content)

    def get(self, key: str) -> Any:
        found = self.model.get_by_id(key)
        found.content  # noqa: B018  # read, as by every side
        return found

    def key(self, key: str) -> Any:
        """Return a key as a raw query has to be given it."""
        return self.model.id.db_value(key)

    def ancestors(self, key: str) -> Any:
        found = list(self.model.raw(self.up, self.key(key)))[1:]
        for item in found:
            item.content  # noqa: B018
        return found

    def tree(self, key: str) -> Any:
        found = self.nested(list(self.model.raw(self.down, self.key(key))))
        for item in found:
            item.content  # noqa: B018
        return found[0]

    def structure(self, key: str) -> Any:
        return self.nested(list(self.model.raw(self.down, self.key(key))))[0]

    def nested(self, found: list[Any]) -> list[Any]:
        """Put every row among its parent's children."""
        nodes: dict[Any, Any] = {}
        for item in found:
            item.children = []
            nodes[item.id] = item
            parent = nodes.get(item.parent_id)
            if parent is not None:
                parent.children.append(item)
        return found

    def row(self, item: Any) -> tuple[str, str, dict[str, Any]]:
        return str(item.id), item.name, item.content

    def node(self, item: Any) -> tuple[str, str, list[Any]]:
        return str(item.id), item.name, item.children
