"""SQLAlchemy's ORM: declarative models, one session an operation, nothing validated."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import JSONB
from uuid_utils.compat import uuid7

from benchmarks.conversations import stored
from benchmarks.features import LEASE, WORKER
from benchmarks.peers.base import Place, Side
from benchmarks.peers.copying import copy_rows

__all__ = ["SqlalchemyOrm"]


def _utc() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


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
    content: orm.Mapped[dict[str, Any]] = orm.mapped_column(_JSON)
    created_by: orm.Mapped[UUID | None] = orm.mapped_column(sa.Uuid, index=True)


class _Scenario(_Base):
    __tablename__ = "scenarios"
    __table_args__ = (sa.UniqueConstraint("definition_id", "name"),)
    id: orm.Mapped[UUID] = orm.mapped_column(sa.Uuid, primary_key=True, default=uuid7)
    created_at: orm.Mapped[dt.datetime] = orm.mapped_column(sa.DateTime(timezone=True), default=_utc)
    updated_at: orm.Mapped[dt.datetime] = orm.mapped_column(sa.DateTime(timezone=True), default=_utc)
    definition_id: orm.Mapped[UUID] = orm.mapped_column(sa.ForeignKey("definitions.id", ondelete="CASCADE"))
    name: orm.Mapped[str] = orm.mapped_column(sa.String(200))
    content: orm.Mapped[dict[str, Any]] = orm.mapped_column(_JSON)


class _Run(_Base):
    __tablename__ = "runs"
    id: orm.Mapped[UUID] = orm.mapped_column(sa.Uuid, primary_key=True, default=uuid7)
    created_at: orm.Mapped[dt.datetime] = orm.mapped_column(sa.DateTime(timezone=True), default=_utc)
    updated_at: orm.Mapped[dt.datetime] = orm.mapped_column(sa.DateTime(timezone=True), default=_utc)
    definition_id: orm.Mapped[UUID] = orm.mapped_column(
        sa.ForeignKey("definitions.id", ondelete="RESTRICT"), index=True
    )
    experiment_id: orm.Mapped[UUID | None] = orm.mapped_column(sa.Uuid, index=True)
    status: orm.Mapped[str] = orm.mapped_column(sa.String(20), index=True)
    config: orm.Mapped[dict[str, Any]] = orm.mapped_column(_JSON)
    progress: orm.Mapped[dict[str, Any]] = orm.mapped_column(_JSON)
    content_sha256: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    definition_schema_version: orm.Mapped[int]
    started_at: orm.Mapped[dt.datetime | None] = orm.mapped_column(sa.DateTime(timezone=True))
    finished_at: orm.Mapped[dt.datetime | None] = orm.mapped_column(sa.DateTime(timezone=True))
    heartbeat_at: orm.Mapped[dt.datetime | None] = orm.mapped_column(sa.DateTime(timezone=True))
    error: orm.Mapped[str | None] = orm.mapped_column(sa.Text)
    definition: orm.Mapped[_Definition] = orm.relationship()


class _Transcript(_Base):
    __tablename__ = "transcripts"
    __table_args__ = (
        sa.UniqueConstraint("run_id", "scenario_id", "model", "sample_index"),
        sa.Index("ix_transcripts_run", "run_id", "id"),
    )
    id: orm.Mapped[UUID] = orm.mapped_column(sa.Uuid, primary_key=True, default=uuid7)
    created_at: orm.Mapped[dt.datetime] = orm.mapped_column(sa.DateTime(timezone=True), default=_utc)
    run_id: orm.Mapped[UUID] = orm.mapped_column(sa.ForeignKey("runs.id", ondelete="CASCADE"))
    scenario_id: orm.Mapped[UUID | None] = orm.mapped_column(
        sa.ForeignKey("scenarios.id", ondelete="SET NULL"), index=True
    )
    model: orm.Mapped[str] = orm.mapped_column(sa.String(200))
    sample_index: orm.Mapped[int]
    content: orm.Mapped[dict[str, Any]] = orm.mapped_column(_JSON)
    metrics: orm.Mapped[dict[str, Any] | None] = orm.mapped_column(_JSON)
    input_tokens: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    output_tokens: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    duration_ms: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)


class _Feature(_Base):
    __tablename__ = "feature_queue"
    __table_args__ = (sa.Index("ix_ready", "status", "unmet_dependencies", "priority_rank", "created_at", "id"),)
    id: orm.Mapped[UUID] = orm.mapped_column(sa.Uuid, primary_key=True, default=uuid7)
    created_at: orm.Mapped[dt.datetime] = orm.mapped_column(sa.DateTime(timezone=True), default=_utc)
    updated_at: orm.Mapped[dt.datetime] = orm.mapped_column(sa.DateTime(timezone=True), default=_utc)
    feature_number: orm.Mapped[int] = orm.mapped_column(unique=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(500))
    category: orm.Mapped[str] = orm.mapped_column(sa.String(100))
    status: orm.Mapped[str] = orm.mapped_column(sa.String(20))
    priority: orm.Mapped[str] = orm.mapped_column(sa.String(20))
    priority_rank: orm.Mapped[int]
    test_steps: orm.Mapped[str] = orm.mapped_column(sa.Text)
    result_data: orm.Mapped[str | None] = orm.mapped_column(sa.Text)
    execution_log: orm.Mapped[str | None] = orm.mapped_column(sa.Text)
    failure_kind: orm.Mapped[str | None] = orm.mapped_column(sa.String(20))
    attempt: orm.Mapped[int]
    max_attempts: orm.Mapped[int]
    unmet_dependencies: orm.Mapped[int]
    claim_token: orm.Mapped[UUID | None] = orm.mapped_column(sa.Uuid)
    claimed_by: orm.Mapped[str | None] = orm.mapped_column(sa.String(200))
    lease_expires_at: orm.Mapped[dt.datetime | None] = orm.mapped_column(sa.DateTime(timezone=True))
    finished_at: orm.Mapped[dt.datetime | None] = orm.mapped_column(sa.DateTime(timezone=True))


class _Transition(_Base):
    __tablename__ = "feature_transitions"
    id: orm.Mapped[UUID] = orm.mapped_column(sa.Uuid, primary_key=True, default=uuid7)
    created_at: orm.Mapped[dt.datetime] = orm.mapped_column(sa.DateTime(timezone=True), default=_utc)
    feature_id: orm.Mapped[UUID] = orm.mapped_column(sa.Uuid)
    feature_number: orm.Mapped[int] = orm.mapped_column(index=True)
    from_status: orm.Mapped[str | None] = orm.mapped_column(sa.String(20))
    to_status: orm.Mapped[str] = orm.mapped_column(sa.String(20))
    actor: orm.Mapped[str | None] = orm.mapped_column(sa.String(200))
    attempt: orm.Mapped[int]
    note: orm.Mapped[str | None] = orm.mapped_column(sa.Text)


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
            path = place.own_file(self.name)
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
        self.sqlite = place.engine == "sqlite"
        if self.sqlite:
            number = sa.func.json_extract(_Run.progress, "$.completed", type_=sa.Integer) + 1
            self.added: Any = sa.func.json_set(_Run.progress, "$.completed", number)
        else:
            self.added = sa.text("jsonb_set(progress, '{completed}', to_jsonb((progress->>'completed')::bigint + 1))")

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

    def create_transcripts(self, run: str, rows: list[dict[str, Any]]) -> Any:
        key = UUID(run)
        made = [
            {**row, "run_id": key, "scenario_id": UUID(row["scenario_id"]), "content": stored(row["content"])}
            | {"metrics": stored(row["metrics"])}
            for row in rows
        ]
        with self.session() as session:
            session.execute(sa.insert(_Transcript), made)
            session.commit()

    def list_runs(self, limit: int) -> list[tuple[Any, str, dict[str, Any], str]]:
        query = sa.select(_Run).options(orm.joinedload(_Run.definition, innerjoin=True))
        with self.session() as session:
            found = session.scalars(query.order_by(_Run.id.desc()).limit(limit)).all()
        return [(run.id, run.status, run.progress, run.definition.name) for run in found]

    def increment(self, run: str) -> Any:
        query = sa.update(_Run).where(_Run.id == UUID(run)).values(progress=self.added, updated_at=_utc())
        with self.session() as session:
            session.execute(query, execution_options={"synchronize_session": False})
            session.commit()

    def claim(self) -> tuple[int, int, str]:
        with self.session() as session:
            query = sa.select(_Feature).where(_Feature.status == "PENDING", _Feature.unmet_dependencies == 0)
            query = query.order_by(_Feature.priority_rank, _Feature.created_at, _Feature.id).limit(1)
            found, at = session.scalars(query.with_for_update(skip_locked=True)).one(), _utc()
            found.status, found.attempt, found.claimed_by = "IN_PROGRESS", found.attempt + 1, WORKER
            found.claim_token, found.lease_expires_at, found.updated_at = uuid7(), at + LEASE, at
            session.add(
                _Transition(
                    feature_id=found.id,
                    feature_number=found.feature_number,
                    from_status="PENDING",
                    to_status="IN_PROGRESS",
                    actor=WORKER,
                    attempt=found.attempt,
                )
            )
            session.commit()
        return found.feature_number, found.attempt, WORKER

    def stream(self, run: str) -> tuple[int, int, float]:
        count, turns, fairness = 0, 0, 0.0
        query = sa.select(_Transcript).where(_Transcript.run_id == UUID(run)).order_by(_Transcript.id)
        with self.session() as session:
            for item in session.scalars(query, execution_options={"yield_per": 1_000}):
                count += 1
                turns += len(item.content["items"])
                fairness += item.metrics["values"]["fairness"]  # type: ignore[index]  # these all have metrics
        return count, turns, fairness

    def spelled(self, key: str) -> str:
        return key.replace("-", "") if self.sqlite else key

    def row(self, item: Any) -> tuple[str, str, dict[str, Any]]:
        return str(item.id), item.name, item.content

    def node(self, item: Any) -> tuple[str, str, list[Any]]:
        return str(item.id), item.name, item.children
