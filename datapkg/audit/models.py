"""The audit log's tables."""

from __future__ import annotations

from datapkg.audit.documents import DETAILS
from datapkg.kit.fields import BigIntegerField, DocumentField, EnumField, TextField
from datapkg.kit.models import Model, MutableModel

__all__ = ["AuditHead", "AuditLog"]


class AuditLog(Model):
    """One thing that somebody did, chained to the one before it; append-only.

    Attributes:
        sequence: 1, 2, 3 … without gaps.
        entity_type: what kind of thing was acted on, such as ``user``.
        entity_id: which one, as text.
        action: what was done, such as ``grant_role``.
        actor: who did it: a user's key, or a name such as ``system``.
        details: the details, or empty once they were erased.
        details_salt: random, so that the digest of erased details cannot be guessed; erased with them.
        details_digest: SHA-256 over salt and canonical details; stays when the details go.
        previous_hash: the entry_hash of the entry before, 64 zeros for the first.
        entry_hash: SHA-256 over everything above but details and salt.
    """

    sequence = BigIntegerField(min=1, unique=True)
    entity_type = TextField(max_length=100, min_length=1)
    entity_id = TextField(max_length=200, min_length=1)
    action = TextField(max_length=100, min_length=1, index=True)
    actor = TextField(max_length=200, min_length=1, index=True)
    details = DocumentField(DETAILS, null=True)
    details_salt = TextField(max_length=64, null=True, secret=True)
    details_digest = TextField(max_length=64, min_length=64)
    previous_hash = TextField(max_length=64, min_length=64)
    entry_hash = TextField(max_length=64, min_length=64)

    class Meta:
        table_name = "audit_logs"
        append_only = True
        written_by = "datapkg.audit.record or erase_details"
        indexes = ((("entity_type", "entity_id"), False),)


class AuditHead(MutableModel):
    """Where the chain ends: one row, locked by whoever appends, and the proof that no entry was cut off the end.

    It changes behind its gate only, like the log itself. It is made with the first entry.

    Attributes:
        chain: the table whose chain it is; there is one, so there is one row.
        sequence: the newest entry's sequence.
        entry_hash: the newest entry's hash.
        cut_sequence: how many entries were archived from the beginning; 0 while all are there.
        cut_hash: the entry_hash of the last of them, 64 zeros for none; what is left follows from it.
    """

    chain = EnumField(choices=("audit_logs",), default="audit_logs", unique=True)
    sequence = BigIntegerField(min=1)
    entry_hash = TextField(max_length=64, min_length=64)
    cut_sequence = BigIntegerField(min=0, default=0)
    cut_hash = TextField(max_length=64, min_length=64, default="0" * 64)

    class Meta:
        table_name = "audit_heads"
        append_only = True
        written_by = "datapkg.audit.record"
