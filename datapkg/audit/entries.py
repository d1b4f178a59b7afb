"""Writing and reading audit entries, and erasing what they say."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from datapkg.audit.documents import DETAILS
from datapkg.audit.hashing import NO_HASH, details_digest, entry_hash
from datapkg.audit.models import AuditHead, AuditLog
from datapkg.kit.database import current, lock, run_in_transaction
from datapkg.kit.errors import ConflictError, NotFoundError
from datapkg.kit.jsontext import Encoded
from datapkg.kit.keys import as_id
from datapkg.kit.models import new_id, now
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = ["erase_details", "find_entry", "get_entry", "list_entries", "record"]

logger = logging.getLogger(__name__)

ERASED = "erase_details"
"""The action that an erasure is itself recorded as."""

_by_id: Statement[AuditLog] = Statement(lambda _: AuditLog.select().where(AuditLog.id == Param("id")), model=AuditLog)
_any: Statement[AuditLog] = Statement(lambda _: AuditLog.select(AuditLog.id).limit(1))
_locked_head: Statement[AuditHead] = Statement(
    lambda dialect: AuditHead.select().for_update() if dialect.for_update else AuditHead.select(), model=AuditHead
)


def record(
    entity_type: str,
    *,
    entity_id: UUID | str,
    action: str,
    actor: UUID | str,
    details: Mapping[str, object] | None = None,
) -> AuditLog:
    """Append an entry to the chain; inside a transaction it stands or falls with it.

    Appending locks the chain's head until the transaction ends, so record last.

    Args:
        entity_type: what kind of thing was acted on, 1 to 100 characters, such as ``user``.
        entity_id: which one, 1 to 200 characters.
        action: what was done, 1 to 100 characters, such as ``grant_role``.
        actor: who did it, 1 to 200 characters: a user's key, or a name such as ``system``.
        details: anything else, as a JSON object. What names a person belongs here, because it can be erased.

    Returns:
        The entry, with its sequence.

    Raises:
        ValidationError: an argument is not valid; nothing is written.
        ConflictError: the chain has entries but its head is gone; verify_chain says more.

    Example:
        >>> record("report", entity_id="7", action="publish", actor="system", details={"to": "all"})  # doctest: +SKIP
    """
    from datapkg.audit import schemas
    from datapkg.kit.schemas import load

    given = {
        "entity_type": entity_type,
        "entity_id": _text(entity_id),
        "action": action,
        "actor": _text(actor),
        "details": {} if details is None else details,
    }
    columns = load(schemas.NewEntry, given, what="audit entry")
    document = DETAILS.validate({"data": columns["details"]}, path="details")
    salt = secrets.token_hex(32)
    columns |= {
        "details": Encoded(DETAILS.dumps(document)),
        "details_salt": salt,
        "details_digest": details_digest(document, salt),
    }
    entry = run_in_transaction(_append)(columns)
    logger.info("audit entry", extra={"sequence": entry.sequence, "action": action, "entity_type": entity_type})
    return entry


def _append(columns: Mapping[str, Any]) -> AuditLog:
    head = _locked_head.one()
    if head is None:
        # No row to lock yet: the first entries of several processes queue for the name instead.
        lock("audit_heads")
        head = _locked_head.one()
    if head is None and _any.tuples():
        raise ConflictError(
            "The audit log has entries, but the row that says where its chain ends is gone.",
            fix="Run verify_chain, and restore audit_logs and audit_heads from a backup.",
            table="audit_heads",
        )
    made = now()
    row = {
        **columns,
        "id": new_id(),
        "created_at": made,
        "sequence": 1 if head is None else head.sequence + 1,
        "previous_hash": NO_HASH if head is None else head.entry_hash,
    }
    row["entry_hash"] = entry_hash(row)
    entry = insert(AuditLog, row)  # datapkg: allow-write the one place where entries are made
    end = {"sequence": row["sequence"], "entry_hash": row["entry_hash"]}
    if head is None:
        insert(AuditHead, end)  # datapkg: allow-write with the first entry
    else:
        with current().open_gate("audit_heads"):  # datapkg: allow-write the end moves with the entry
            AuditHead.update(**end).execute()
    return entry


def _text(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value


def get_entry(entry_id: UUID | str) -> AuditLog:
    """Return an entry.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    entry = find_entry(entry_id)
    if entry is None:
        raise NotFoundError("audit entry", entry_id)
    return entry


def find_entry(entry_id: UUID | str) -> AuditLog | None:
    """Return an entry, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=str(as_id(entry_id, "entry_id")))


def list_entries(
    *,
    entity_type: str | None = None,
    entity_id: UUID | str | None = None,
    actor: UUID | str | None = None,
    action: str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[AuditLog]:
    """Return a page of entries, newest first.

    Args:
        entity_type: only on this kind of thing.
        entity_id: only on the thing with this key.
        actor: only by this actor.
        action: only this action.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.audit import schemas
    from datapkg.kit.schemas import load

    given = {
        "entity_type": entity_type,
        "entity_id": _text(entity_id),
        "actor": _text(actor),
        "action": action,
        "limit": limit,
        "after": after,
    }
    filters = load(
        schemas.EntryFilters, {key: value for key, value in given.items() if value is not None}, what="list of entries"
    )
    query = AuditLog.select()
    for column in ("entity_type", "entity_id", "actor", "action"):
        if column in filters:
            query = query.where(getattr(AuditLog, column) == filters[column])
    if "after" in filters:
        # Keys are made by many machines' clocks; the sequence is the log's own order.
        last = AuditLog.alias()
        query = query.where(AuditLog.sequence < last.select(last.sequence).where(last.id == filters["after"]))
    return Rows(query.order_by(AuditLog.sequence.desc()).limit(filters["limit"]), of=AuditLog)


def erase_details(entity_type: str, *, entity_id: UUID | str, actor: UUID | str) -> int:
    """Erase the details of every entry on one thing, for good; the chain stays valid, and the erasure is recorded.

    Entity, action, actor and time stay.

    Args:
        entity_type: the kind of thing.
        entity_id: which one.
        actor: who asks for it.

    Returns:
        How many entries lost their details; with none, nothing is recorded.

    Raises:
        ValidationError: an argument is not valid.
    """
    from datapkg.audit import schemas
    from datapkg.kit.schemas import load

    given = {"entity_type": entity_type, "entity_id": _text(entity_id), "actor": _text(actor)}
    entity: dict[str, Any] = load(schemas.EntitySchema, given, what="erasure")

    @run_in_transaction
    def erase() -> int:
        matching = (
            (AuditLog.entity_type == entity["entity_type"])
            & (AuditLog.entity_id == entity["entity_id"])
            & (AuditLog.action != ERASED)
            & AuditLog.details.is_null(False)
        )
        with current().open_gate("audit_logs"):  # datapkg: allow-write erasing is what the chain provides for
            erased: int = AuditLog.update(details=None, details_salt=None).where(matching).execute()
        if erased:
            record(**entity, action=ERASED, details={"entries": erased})
        return erased

    return erase()
