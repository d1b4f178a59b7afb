"""The audit domain, as the registry lists it."""

from __future__ import annotations

from datapkg.audit.documents import DETAILS
from datapkg.audit.models import AuditHead, AuditLog
from datapkg.audit.retention import AUDIT_LOGS
from datapkg.kit.domains import Domain

__all__ = ["DOMAIN"]

DOMAIN = Domain(
    name="audit",
    models=(AuditLog, AuditHead),
    documents={"audit_logs.details": DETAILS},
    immutable_documents=frozenset({"audit_logs.details"}),
    retention=(AUDIT_LOGS,),
)
"""What migrate, seed and the test fixtures know of this domain."""
