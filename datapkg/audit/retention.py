"""How the audit log is archived: from its beginning, verified, and the chain goes on from where it was cut."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from datapkg.audit.chain import CUT, LOG, check_entry
from datapkg.audit.entries import record
from datapkg.audit.models import AuditHead, AuditLog
from datapkg.kit.database import current
from datapkg.kit.domains import RetentionPolicy
from datapkg.kit.errors import ConflictError
from datapkg.kit.statements import Param, Statement

__all__ = ["AUDIT_LOGS", "ChainPrefix"]

AUDIT_LOGS = RetentionPolicy(
    name="audit_logs",
    model=AuditLog,
    by="created_at",
    keep=dt.timedelta(days=3 * 365),
    format="json.gz",
    period="year",
    prefix="datapkg.audit.retention:ChainPrefix",
)
"""Three years; behind the cut the chain stays as it is."""

_head: Statement[AuditHead] = Statement(lambda _: AuditHead.select(), model=AuditHead)
_locked_head: Statement[AuditHead] = Statement(
    lambda dialect: AuditHead.select().for_update() if dialect.for_update else AuditHead.select(), model=AuditHead
)
_first_since: Statement[AuditLog] = Statement(
    lambda dialect: (
        f"SELECT min(sequence) FROM audit_logs WHERE created_at >= {dialect.param}",
        (Param("since", AuditLog.created_at.db_value),),
    )
)


class ChainPrefix:
    """The part of the chain that may go: what retention asks of a table whose rows only go from the beginning."""

    order = "sequence"

    def __init__(self) -> None:
        self._next, self._before = 0, ""

    def last(self, before: dt.datetime) -> int:
        """Return the sequence up to which every entry is older than an instant; 0 for none.

        Entries stand in the order they were recorded in, also where a clock was set back meanwhile.
        """
        head = _head.one()
        if head is None:
            return 0
        young = _first_since.tuples(since=before)[0][0]
        return head.sequence if young is None else int(young) - 1

    def verify(self, entries: Sequence[AuditLog]) -> None:
        """Check the next entries of the chain before they are archived.

        Raises:
            ConflictError: the chain is not whole here.
        """
        if not self._next:
            head = _head.one()
            assert head is not None, "entries have a head"
            self._next, self._before = head.cut_sequence + 1, head.cut_hash
        for entry in entries:
            problem = check_entry(entry, expected=self._next, before=self._before)
            if problem is not None:
                raise ConflictError(
                    f"The audit log is not whole, so it is not archived: {problem.why}",
                    fix="Run `datapkg audit verify`, and restore audit_logs and audit_heads from a backup.",
                    table="audit_logs",
                    sequence=problem.sequence,
                )
            self._next, self._before = entry.sequence + 1, entry.entry_hash

    def removed(self, last: Mapping[str, Any]) -> None:
        """Move the cut behind an entry, in the transaction that deletes up to it."""
        self._move(last["sequence"], last["entry_hash"])

    def returned(self, first: Mapping[str, Any], last: Mapping[str, Any]) -> None:
        """Move the cut back in front of entries, in the transaction that puts them back.

        Raises:
            ConflictError: they do not end where the chain was cut.
        """
        head = _locked_head.one()
        if head is None or (head.cut_sequence, head.cut_hash) != (last["sequence"], last["entry_hash"]):
            cut = 0 if head is None else head.cut_sequence
            raise ConflictError(
                f"These entries end at {last['sequence']}, but the audit log was cut at {cut}.",
                fix="Restore the newest archive of the audit log first, then the ones before it.",
                table="audit_heads",
            )
        self._move(first["sequence"] - 1, first["previous_hash"])

    def _move(self, sequence: int, entry_hash: str) -> None:
        # What is hashed says where, so that erasing details takes nothing from it. It also locks the head.
        record(LOG, entity_id=str(sequence), action=CUT, actor="retention", details={"cut_hash": entry_hash})
        with current().open_gate("audit_heads"):  # datapkg: allow-write the cut moves with the entries
            AuditHead.update(cut_sequence=sequence, cut_hash=entry_hash).execute()

    def details(self) -> dict[str, object]:
        """Return where the chain is cut now."""
        head = _head.one()
        return {} if head is None else {"cut_sequence": head.cut_sequence, "cut_hash": head.cut_hash}
