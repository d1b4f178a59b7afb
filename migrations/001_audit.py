"""The audit log: append-only, chained by hashes, and the chain's head."""

from __future__ import annotations

from typing import Any

from datapkg.kit.fields import BigIntegerField, EnumField, JSONField, TextField
from datapkg.kit.models import Model, MutableModel


def migrate(migrator: Any, database: Any, *, fake: bool = False) -> None:
    @migrator.create_model
    class AuditLog(Model):
        sequence = BigIntegerField(min=1, unique=True)
        entity_type = TextField(max_length=100, min_length=1)
        entity_id = TextField(max_length=200, min_length=1)
        action = TextField(max_length=100, min_length=1, index=True)
        actor = TextField(max_length=200, min_length=1, index=True)
        details = JSONField(null=True)
        details_salt = TextField(max_length=64, null=True, secret=True)
        details_digest = TextField(max_length=64, min_length=64)
        previous_hash = TextField(max_length=64, min_length=64)
        entry_hash = TextField(max_length=64, min_length=64)

        class Meta:
            table_name = "audit_logs"
            append_only = True
            indexes = ((("entity_type", "entity_id"), False),)

    @migrator.create_model
    class AuditHead(MutableModel):
        chain = EnumField(choices=("audit_logs",), default="audit_logs", unique=True)
        sequence = BigIntegerField(min=1)
        entry_hash = TextField(max_length=64, min_length=64)
        cut_sequence = BigIntegerField(min=0, default=0)
        cut_hash = TextField(max_length=64, min_length=64, default="0" * 64)

        class Meta:
            table_name = "audit_heads"
            append_only = True


def rollback(migrator: Any, database: Any, *, fake: bool = False) -> None:
    migrator.remove_model("audit_heads")
    migrator.remove_model("audit_logs")
