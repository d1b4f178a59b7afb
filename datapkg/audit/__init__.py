"""The audit log: who did what to which thing, in a chain that shows when it was tampered with.

>>> from datapkg import audit
>>> audit.record("report", entity_id="7", action="publish", actor="system")  # doctest: +SKIP
>>> audit.verify_chain().ok  # doctest: +SKIP
True
"""

from __future__ import annotations

from datapkg.audit.models import AuditHead, AuditLog
from datapkg.audit.queries import *  # noqa: F403  # the domain's functions, by their __all__
from datapkg.audit.queries import __all__ as _functions

__all__ = ["AuditHead", "AuditLog", *_functions]
