"""Django's ORM: models in a registry of their own, nothing validated."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import django
from django.apps.registry import Apps
from django.conf import settings
from django.utils import timezone
from uuid_utils.compat import uuid7

from benchmarks.conversations import stored
from benchmarks.features import LEASE, WORKER
from benchmarks.peers.base import FULL_ROWS_DOWN, FULL_ROWS_UP, Place, Side
from benchmarks.peers.copying import copy_rows

# Models cannot be made before.
if not settings.configured:
    settings.configure(USE_TZ=True, INSTALLED_APPS=[], DATABASES={})
    django.setup()

from django.db import connections, models, transaction
from django.db.models.expressions import RawSQL

__all__ = ["DjangoOrm"]

_apps = Apps()


class _Meta:
    app_label = "benchmarks"
    apps = _apps


class _Definition(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    updated_at = models.DateTimeField(default=timezone.now)
    parent = models.ForeignKey("self", null=True, on_delete=models.RESTRICT)
    name = models.CharField(max_length=200, db_index=True)
    content = models.JSONField()
    created_by = models.UUIDField(null=True, db_index=True)

    class Meta(_Meta):
        db_table = "definitions"


class _Scenario(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    definition = models.ForeignKey(_Definition, on_delete=models.CASCADE, db_index=False)
    name = models.CharField(max_length=200)
    content = models.JSONField()

    class Meta(_Meta):
        db_table = "scenarios"
        unique_together = (("definition", "name"),)


class _Run(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    definition = models.ForeignKey(_Definition, on_delete=models.RESTRICT)
    experiment_id = models.UUIDField(null=True, db_index=True)
    status = models.CharField(max_length=20, db_index=True)
    config = models.JSONField()
    progress = models.JSONField()
    content_sha256 = models.CharField(max_length=64)
    definition_schema_version = models.IntegerField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    error = models.TextField(null=True)

    class Meta(_Meta):
        db_table = "runs"


class _Transcript(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7)
    created_at = models.DateTimeField(default=timezone.now)
    run = models.ForeignKey(_Run, on_delete=models.CASCADE, db_index=False)
    scenario = models.ForeignKey(_Scenario, null=True, on_delete=models.SET_NULL)
    model = models.CharField(max_length=200)
    sample_index = models.IntegerField(default=0)
    content = models.JSONField()
    metrics = models.JSONField(null=True)
    input_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    duration_ms = models.BigIntegerField(null=True)

    class Meta(_Meta):
        db_table = "transcripts"
        unique_together = (("run", "scenario", "model", "sample_index"),)
        indexes = [models.Index(fields=["run", "id"], name="ix_transcripts_run")]


class _Feature(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    feature_number = models.IntegerField(unique=True)
    name = models.CharField(max_length=500)
    category = models.CharField(max_length=100)
    status = models.CharField(max_length=20)
    priority = models.CharField(max_length=20)
    priority_rank = models.IntegerField()
    test_steps = models.TextField()
    result_data = models.TextField(null=True)
    execution_log = models.TextField(null=True)
    failure_kind = models.CharField(max_length=20, null=True)
    attempt = models.IntegerField()
    max_attempts = models.IntegerField()
    unmet_dependencies = models.IntegerField()
    claim_token = models.UUIDField(null=True)
    claimed_by = models.CharField(max_length=200, null=True)
    lease_expires_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta(_Meta):
        db_table = "feature_queue"
        indexes = [
            models.Index(fields=["status", "unmet_dependencies", "priority_rank", "created_at", "id"], name="ix_ready")
        ]


class _Transition(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7)
    created_at = models.DateTimeField(default=timezone.now)
    feature_id = models.UUIDField()
    feature_number = models.IntegerField(db_index=True)
    from_status = models.CharField(max_length=20, null=True)
    to_status = models.CharField(max_length=20)
    actor = models.CharField(max_length=200, null=True)
    attempt = models.IntegerField()
    note = models.TextField(null=True)

    class Meta(_Meta):
        db_table = "feature_transitions"


_ADDED = {
    "sqlite": "json_set(progress, '$.completed', json_extract(progress, '$.completed') + 1)",
    "postgresql": "jsonb_set(progress, '{completed}', to_jsonb((progress->>'completed')::bigint + 1))",
}


_CLAIMED = ("status", "attempt", "claimed_by", "claim_token", "lease_expires_at", "updated_at")


class DjangoOrm(Side):
    """Django as its documentation shows it, the migrations aside."""

    name = "Django"

    def open(self, place: Place) -> None:
        self.sqlite = place.engine == "sqlite"
        config: dict[str, Any]
        if self.sqlite:
            path = place.own_file(self.name)
            pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            config = {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": {"init_command": pragmas}}
        else:
            parts = urlsplit(place.source)
            host = parse_qs(parts.query).get("host", [parts.hostname])[0]
            config = {"ENGINE": "django.db.backends.postgresql", "NAME": parts.path[1:], "HOST": host}
            config |= {"USER": parts.username, "PASSWORD": parts.password, "PORT": parts.port or ""}
        # One alias, pointed at one engine after the other.
        connections.settings = connections.configure_settings({"default": config})
        if hasattr(connections._connections, "default"):
            del connections["default"]
        self.connection: Any = connections["default"]
        self.added = RawSQL(_ADDED[place.engine], [])
        if self.sqlite and not os.path.exists(path):
            with self.connection.schema_editor() as editor:
                for model in (_Definition, _Scenario, _Run, _Transcript, _Feature, _Transition):
                    editor.create_model(model)
            copy_rows(place.source, path, at="replace(replace({c}, 'T', ' '), 'Z', '')")
        columns = [field.column for field in _Definition._meta.fields]
        self.up = FULL_ROWS_UP.format(p="%s", columns=", ".join(columns))
        self.down = FULL_ROWS_DOWN.format(p="%s", columns=", ".join(columns))
        columns.remove("content")
        self.short = FULL_ROWS_DOWN.format(p="%s", columns=", ".join(columns))

    def close(self) -> None:
        self.connection.close()

    def execute(self, sql: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)

    def create(self, name: str, content: dict[str, Any]) -> Any:
        return _Definition.objects.create(name=name, content=content)

    def get(self, key: str) -> Any:
        found = _Definition.objects.get(pk=key)
        found.content  # noqa: B018  # read, as by every side
        return found

    def found(self, sql: str, key: str) -> list[Any]:
        """Run a recursive query."""
        return list(_Definition.objects.raw(sql, [self.spelled(key)]))

    def ancestors(self, key: str) -> Any:
        return self.found(self.up, key)[1:]

    def tree(self, key: str) -> Any:
        return self.nested(self.found(self.down, key))

    def structure(self, key: str) -> Any:
        return self.nested(self.found(self.short, key))

    def nested(self, found: list[Any]) -> Any:
        """Put every row among its parent's children."""
        nodes: dict[Any, Any] = {}
        for item in found:
            item.children = []
            nodes[item.id] = item
            parent = nodes.get(item.parent_id)
            if parent is not None:
                parent.children.append(item)
        return found[0]

    def create_transcripts(self, run: str, rows: list[dict[str, Any]]) -> Any:
        key = UUID(run)
        made = []
        for row in rows:
            documents = {"content": stored(row["content"]), "metrics": stored(row["metrics"])}
            made.append(_Transcript(**{**row, "run_id": key, "scenario_id": UUID(row["scenario_id"])} | documents))
        _Transcript.objects.bulk_create(made)

    def list_runs(self, limit: int) -> list[tuple[Any, str, dict[str, Any], str]]:
        found = _Run.objects.select_related("definition").order_by("-pk")[:limit]
        return [(run.id, run.status, run.progress, run.definition.name) for run in found]

    def increment(self, run: str) -> Any:
        _Run.objects.filter(pk=run).update(progress=self.added, updated_at=timezone.now())

    def claim(self) -> tuple[int, int, str]:
        ready = _Feature.objects.filter(status="PENDING", unmet_dependencies=0)
        with transaction.atomic():
            found = ready.select_for_update(skip_locked=True).order_by("priority_rank", "created_at", "id")[:1].get()
            at = timezone.now()
            found.status, found.attempt, found.claimed_by = "IN_PROGRESS", found.attempt + 1, WORKER
            found.claim_token, found.lease_expires_at, found.updated_at = uuid7(), at + LEASE, at
            found.save(update_fields=_CLAIMED)
            _Transition.objects.create(
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
        for item in _Transcript.objects.filter(run_id=run).order_by("pk").iterator():
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
