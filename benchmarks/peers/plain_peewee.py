"""Plain Peewee: its own fields, its own models, nothing validated."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import parse_qs, urlsplit

import peewee as pw
from playhouse.postgres_ext import DateTimeTZField, PostgresqlExtDatabase, ServerSide
from uuid_utils.compat import uuid7

from benchmarks.conversations import stored
from benchmarks.features import LEASE, WORKER
from benchmarks.peers.base import FULL_ROWS_DOWN, FULL_ROWS_UP, Place, Side
from benchmarks.peers.copying import copy_rows

__all__ = ["PlainPeewee"]


def _utc() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class PlainPeewee(Side):
    """Peewee as its documentation shows it."""

    name = "Peewee"

    def open(self, place: Place) -> None:
        instant: Any
        self.sqlite = place.engine == "sqlite"
        if place.engine == "sqlite":
            path = place.own_file(self.name)
            pragmas = {"foreign_keys": 1, "journal_mode": "wal", "synchronous": "NORMAL"}
            self.database: Any = pw.SqliteDatabase(path, pragmas=pragmas)
            instant = pw.DateTimeField
        else:
            parts = urlsplit(place.source)
            host = parse_qs(parts.query).get("host", [parts.hostname])[0]
            self.database = PostgresqlExtDatabase(
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

        class Scenario(pw.Model):
            id = pw.UUIDField(primary_key=True, default=uuid7)
            created_at = instant(default=_utc)
            updated_at = instant(default=_utc)
            definition = pw.ForeignKeyField(Definition, on_delete="CASCADE")
            name = pw.CharField(max_length=200)
            content = pw.JSONField()

            class Meta:
                database = self.database
                table_name = "scenarios"
                indexes = ((("definition", "name"), True),)

        class Run(pw.Model):
            id = pw.UUIDField(primary_key=True, default=uuid7)
            created_at = instant(default=_utc)
            updated_at = instant(default=_utc)
            definition = pw.ForeignKeyField(Definition, on_delete="RESTRICT")
            experiment_id = pw.UUIDField(null=True, index=True)
            status = pw.CharField(max_length=20, index=True)
            config = pw.JSONField()
            progress = pw.JSONField()
            content_sha256 = pw.CharField(max_length=64)
            definition_schema_version = pw.IntegerField()
            started_at = instant(null=True)
            finished_at = instant(null=True)
            heartbeat_at = instant(null=True)
            error = pw.TextField(null=True)

            class Meta:
                database = self.database
                table_name = "runs"

        class Transcript(pw.Model):
            id = pw.UUIDField(primary_key=True, default=uuid7)
            created_at = instant(default=_utc)
            run = pw.ForeignKeyField(Run, on_delete="CASCADE", index=False)
            scenario = pw.ForeignKeyField(Scenario, null=True, on_delete="SET NULL")
            model = pw.CharField(max_length=200)
            sample_index = pw.IntegerField(default=0)
            content = pw.JSONField()
            metrics = pw.JSONField(null=True)
            input_tokens = pw.BigIntegerField(null=True)
            output_tokens = pw.BigIntegerField(null=True)
            duration_ms = pw.BigIntegerField(null=True)

            class Meta:
                database = self.database
                table_name = "transcripts"
                indexes = ((("run", "scenario", "model", "sample_index"), True), (("run", "id"), False))

        class Feature(pw.Model):
            id = pw.UUIDField(primary_key=True, default=uuid7)
            created_at = instant(default=_utc)
            updated_at = instant(default=_utc)
            feature_number = pw.IntegerField(unique=True)
            name = pw.CharField(max_length=500)
            category = pw.CharField(max_length=100)
            status = pw.CharField(max_length=20)
            priority = pw.CharField(max_length=20)
            priority_rank = pw.IntegerField()
            test_steps = pw.TextField()
            result_data = pw.TextField(null=True)
            execution_log = pw.TextField(null=True)
            failure_kind = pw.CharField(max_length=20, null=True)
            attempt = pw.IntegerField()
            max_attempts = pw.IntegerField()
            unmet_dependencies = pw.IntegerField()
            claim_token = pw.UUIDField(null=True)
            claimed_by = pw.CharField(max_length=200, null=True)
            lease_expires_at = instant(null=True)
            finished_at = instant(null=True)

            class Meta:
                database = self.database
                table_name = "feature_queue"
                indexes = ((("status", "unmet_dependencies", "priority_rank", "created_at", "id"), False),)

        class Transition(pw.Model):
            id = pw.UUIDField(primary_key=True, default=uuid7)
            created_at = instant(default=_utc)
            feature_id = pw.UUIDField()
            feature_number = pw.IntegerField(index=True)
            from_status = pw.CharField(max_length=20, null=True)
            to_status = pw.CharField(max_length=20)
            actor = pw.CharField(max_length=200, null=True)
            attempt = pw.IntegerField()
            note = pw.TextField(null=True)

            class Meta:
                database = self.database
                table_name = "feature_transitions"

        self.features: Any = Feature
        self.transitions: Any = Transition
        self.model: Any = Definition
        self.runs: Any = Run
        self.transcripts: Any = Transcript
        if place.engine == "sqlite" and not self.database.table_exists("definitions"):
            self.database.create_tables([Definition, Scenario, Run, Transcript, Feature, Transition])
            copy_rows(place.source, path, at="replace(replace({c}, 'T', ' '), 'Z', '+00:00')")
        self.database.connect(reuse_if_open=True)
        if place.engine == "sqlite":
            number = pw.fn.json_extract(Run.progress, "$.completed") + 1
            self.added: Any = pw.fn.json_set(Run.progress, "$.completed", number)
        else:
            self.added = pw.SQL("jsonb_set(progress, '{completed}', to_jsonb((progress->>'completed')::bigint + 1))")
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

    def create_transcripts(self, run: str, rows: list[dict[str, Any]]) -> Any:
        made = (
            {**row, "run_id": run, "content": stored(row["content"]), "metrics": stored(row["metrics"])} for row in rows
        )
        with self.database.atomic():
            for batch in pw.chunked(made, 1_000):
                self.transcripts.insert_many(batch).execute()

    def list_runs(self, limit: int) -> list[tuple[Any, str, dict[str, Any], str]]:
        query = self.runs.select(self.runs, self.model).join(self.model).order_by(self.runs.id.desc()).limit(limit)
        return [(run.id, run.status, run.progress, run.definition.name) for run in query]

    def increment(self, run: str) -> Any:
        self.runs.update(progress=self.added, updated_at=_utc()).where(self.runs.id == run).execute()

    def claim(self) -> tuple[int, int, str]:
        table = self.features
        ready = table.select().where((table.status == "PENDING") & (table.unmet_dependencies == 0))
        ready = ready.order_by(table.priority_rank, table.created_at, table.id).limit(1)
        with self.database.atomic(*(["IMMEDIATE"] if self.sqlite else [])):
            found = (ready if self.sqlite else ready.for_update("FOR UPDATE SKIP LOCKED")).get()
            at = _utc()
            found.status, found.attempt, found.claimed_by = "IN_PROGRESS", found.attempt + 1, WORKER
            found.claim_token, found.lease_expires_at, found.updated_at = uuid7(), at + LEASE, at
            found.save(only=found.dirty_fields)
            self.transitions.create(
                feature_id=found.id,
                feature_number=found.feature_number,
                from_status="PENDING",
                to_status="IN_PROGRESS",
                actor=WORKER,
                attempt=found.attempt,
            )
        return found.feature_number, found.attempt, found.claimed_by

    def stream(self, run: str) -> tuple[int, int, float]:
        count, turns, fairness = 0, 0, 0.0
        query = self.transcripts.select().where(self.transcripts.run == run).order_by(self.transcripts.id)
        with self.database.atomic():
            for item in query.iterator() if self.sqlite else ServerSide(query, array_size=2_000):
                count += 1
                turns += len(item.content["items"])
                fairness += item.metrics["values"]["fairness"]
        return count, turns, fairness

    def spelled(self, key: str) -> str:
        return key.replace("-", "") if self.sqlite else key

    def row(self, item: Any) -> tuple[str, str, dict[str, Any]]:
        return str(item.id), item.name, item.content

    def node(self, item: Any) -> tuple[str, str, list[Any]]:
        return str(item.id), item.name, item.children
