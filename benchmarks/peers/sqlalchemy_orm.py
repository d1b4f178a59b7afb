"""SQLAlchemy's ORM: declarative models, one session an operation, nothing validated."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import JSONB
from uuid_utils.compat import uuid7

from benchmarks.peers.base import Place, Side
from benchmarks.peers.plain_peewee import copy_rows

__all__ = ["SqlalchemyOrm"]


def _utc() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class _Base(orm.DeclarativeBase):
    pass


class _Definition(_Base):
    __tablename__ = "definitions"
    id: orm.Mapped[UUID] = orm.mapped_column(sa.Uuid, primary_key=True, default=uuid7)
    created_at: orm.Mapped[dt.datetime] = orm.mapped_column(sa.DateTime(timezone=True), default=_utc, index=True)
    updated_at: orm.Mapped[dt.datetime] = orm.mapped_column(sa.DateTime(timezone=True), default=_utc)
    parent_id: orm.Mapped[UUID | None] = orm.mapped_column(
        sa.ForeignKey("definitions.id", ondelete="RESTRICT"), index=True
    )
    name: orm.Mapped[str] = orm.mapped_column(sa.String(200), index=True)
    content: orm.Mapped[dict[str, Any]] = orm.mapped_column(sa.JSON().with_variant(JSONB(), "postgresql"))
    created_by: orm.Mapped[UUID | None] = orm.mapped_column(sa.Uuid, index=True)


def _recursive(*, up: bool, short: bool = False) -> sa.Select[Any]:
    start = sa.select(_Definition, sa.literal(0).label("depth")).where(_Definition.id == sa.bindparam("key"))
    found = start.cte("found", recursive=True)
    on = found.c.parent_id == _Definition.id if up else _Definition.parent_id == found.c.id
    found = found.union_all(sa.select(_Definition, found.c.depth + 1).join(found, on))
    order = (found.c.depth,) if up else (found.c.depth, found.c.id)
    entity = orm.aliased(_Definition, found)
    return sa.select(entity).order_by(*order).options(*([orm.defer(entity.content)] if short else []))


_UP, _DOWN, _SHORT = _recursive(up=True), _recursive(up=False), _recursive(up=False, short=True)


class SqlalchemyOrm(Side):
    """SQLAlchemy as its documentation shows it."""

    name = "SQLAlchemy"

    def open(self, place: Place) -> None:
        if place.engine == "sqlite":
            path = os.path.join(place.folder, "sqlalchemy.db")
            self.engine = sa.create_engine(f"sqlite:///{path}")

            @sa.event.listens_for(self.engine, "connect")
            def pragmas(conn: Any, record: object) -> None:
                for pragma in ("foreign_keys = 1", "journal_mode = wal", f"synchronous = {self.synchronous}"):
                    conn.execute(f"PRAGMA {pragma}")

            if not sa.inspect(self.engine).has_table("definitions"):
                _Base.metadata.create_all(self.engine)
                copy_rows(place.source, path, at="replace(replace({c}, 'T', ' '), 'Z', '')")
        else:
            self.engine = sa.create_engine(place.source.replace("postgresql://", "postgresql+psycopg2://", 1))
        self.session = orm.sessionmaker(self.engine, expire_on_commit=False)

    synchronous = "NORMAL"

    def close(self) -> None:
        self.engine.dispose()

    def execute(self, sql: str) -> None:
        with self.engine.connect() as conn:
            conn.exec_driver_sql(sql)  # one pooled connection serves the thread
            conn.commit()

    def create(self, name: str, content: dict[str, Any]) -> Any:
        made = _Definition(name=name, content=content)
        with self.session() as session:
            session.add(made)
            session.commit()
        return made

    def get(self, key: str) -> Any:
        with self.session() as session:
            found = session.get_one(_Definition, UUID(key))
        found.content  # noqa: B018  # read, as by every side
        return found

    def found(self, query: Any, key: str) -> list[Any]:
        """Run a recursive query."""
        with self.session() as session:
            return list(session.scalars(query, {"key": UUID(key)}))

    def ancestors(self, key: str) -> Any:
        found = self.found(_UP, key)[1:]
        for item in found:
            item.content  # noqa: B018
        return found

    def tree(self, key: str) -> Any:
        found = self.nested(self.found(_DOWN, key))
        for item in found:
            item.content  # noqa: B018
        return found[0]

    def structure(self, key: str) -> Any:
        return self.nested(self.found(_SHORT, key))[0]

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
