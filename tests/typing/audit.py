"""The audit domain, as a program downstream sees it; checked by mypy, never run."""

from __future__ import annotations

import datetime as dt
from typing import Any, assert_type
from uuid import UUID

from datapkg import audit
from datapkg.audit import AuditHead, AuditLog, ChainReport
from datapkg.kit.results import Rows


def audit_head_columns(row: AuditHead) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.chain, str)
    assert_type(row.sequence, int)
    assert_type(row.entry_hash, str)
    assert_type(row.cut_sequence, int)
    assert_type(row.cut_hash, str)


def audit_log_columns(row: AuditLog) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.sequence, int)
    assert_type(row.entity_type, str)
    assert_type(row.entity_id, str)
    assert_type(row.action, str)
    assert_type(row.actor, str)
    assert_type(row.details, dict[str, Any] | None)
    assert_type(row.details_salt, str | None)
    assert_type(row.details_digest, str)
    assert_type(row.previous_hash, str)
    assert_type(row.entry_hash, str)


def functions(key: UUID, text: str) -> None:
    """What each function gives."""
    assert_type(audit.erase_details(text, entity_id=key, actor=key), int)
    assert_type(audit.find_entry(key), AuditLog | None)
    assert_type(audit.get_entry(key), AuditLog)
    assert_type(audit.list_entries(), Rows[AuditLog])
    assert_type(audit.record(text, entity_id=key, action=text, actor=key), AuditLog)
    assert_type(audit.verify_chain(), ChainReport)
