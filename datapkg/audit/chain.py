"""Checking the chain: every entry against its hash, its place, and the recorded end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from datapkg.audit.hashing import NO_HASH, details_digest, entry_hash
from datapkg.audit.models import AuditHead, AuditLog
from datapkg.kit.errors import ValidationError
from datapkg.kit.json_values import parse_json
from datapkg.kit.statements import Param, Statement

__all__ = ["CUT", "LOG", "ChainProblem", "ChainReport", "check_entry", "verify_chain"]

LOG, CUT = "audit_logs", "cut"
"""What an entry is about, and its action, that says up to which sequence (its entity_id) the chain was cut."""

_BATCH = 1000

_head: Statement[AuditHead] = Statement(lambda _: AuditHead.select(), model=AuditHead)
_batch: Statement[AuditLog] = Statement(
    lambda _: (
        AuditLog.select()
        .where((AuditLog.sequence > Param("above")) & (AuditLog.sequence <= Param("last")))
        .order_by(AuditLog.sequence)
        .limit(_BATCH)
    ),
    model=AuditLog,
)
# One statement, so that an entry appended meanwhile is never seen without its head.
_beyond: Statement[AuditLog] = Statement(
    lambda _: (
        "SELECT min(sequence) FROM audit_logs WHERE sequence > coalesce((SELECT max(sequence) FROM audit_heads), 0) "
        "OR sequence <= coalesce((SELECT max(cut_sequence) FROM audit_heads), 0)",
        (),
    )
)


@dataclass(frozen=True)
class ChainProblem:
    """The first thing that is wrong with the chain.

    Attributes:
        kind: ``edited`` (an entry is not what was recorded), ``gap`` (entries are missing before this one),
            ``truncated`` (entries are missing at the end, or nothing says where the end is), ``unrecorded`` (an
            entry that ``record`` did not write stands behind the end) or ``cut`` (the beginning is not where the
            newest entry on a cut says that retention cut it).
        sequence: where, the sequence of the first entry concerned.
        why: what was found, one sentence.
    """

    kind: str
    sequence: int
    why: str


@dataclass(frozen=True)
class ChainReport:
    """What :func:`verify_chain` found.

    Attributes:
        checked: how many entries were found in order.
        erased: how many of them have no details any more.
        problem: the first problem, or None.
        archived: how many entries before them retention took out; the first one checked follows from the last of them.
    """

    checked: int
    erased: int
    problem: ChainProblem | None = None
    archived: int = 0

    @property
    def ok(self) -> bool:
        """Whether the chain is whole."""
        return self.problem is None


def verify_chain(*, progress: Callable[[int, int], None] | None = None) -> ChainReport:
    """Check the whole chain, up to the first problem; entries may be appended meanwhile.

    It reads a thousand entries at a time, so memory stays bounded. Whoever can rewrite every hash and the head can
    still forge a chain: note a head elsewhere from time to time where that matters.

    Args:
        progress: called with the entries done and the entries to do.

    Example:
        >>> verify_chain()  # doctest: +SKIP
        ChainReport(checked=12, erased=0, problem=None)
    """
    while True:
        head = _head.one()
        report = _verified(head, progress)
        # Retention may have moved the beginning meanwhile, which looks like a gap.
        if report.ok or _cut(_head.one()) == _cut(head):
            return report


def _cut(head: AuditHead | None) -> tuple[int, str]:
    return (0, NO_HASH) if head is None else (head.cut_sequence, head.cut_hash)


def _verified(head: AuditHead | None, progress: Callable[[int, int], None] | None) -> ChainReport:
    last = 0 if head is None else head.sequence
    cut, before = _cut(head)
    checked = erased = 0
    told = "0"
    for entry in _entries(cut, last):
        problem = check_entry(entry, expected=cut + checked + 1, before=before)
        if problem is not None:
            return ChainReport(checked, erased, problem, cut)
        checked += 1
        erased += entry.details_salt is None
        before = entry.entry_hash
        if (entry.entity_type, entry.action) == (LOG, CUT):
            told = entry.entity_id
        if progress is not None:
            progress(checked, last - cut)
    problem = _end_problem(head, cut + checked, before)
    if problem is None and told != str(cut):
        why = f"The log begins behind entry {cut}, but says that it was cut behind entry {told}."
        problem = ChainProblem("cut", cut, why)
    return ChainReport(checked, erased, problem, cut)


def _entries(above: int, last: int) -> Iterator[AuditLog]:
    while rows := _batch.all(above=above, last=last):
        yield from rows
        above = rows[-1].sequence


def check_entry(entry: AuditLog, *, expected: int, before: str) -> ChainProblem | None:
    """Return what is wrong with an entry, or None.

    Args:
        entry: the entry, as it is stored.
        expected: the sequence that it should have.
        before: the entry_hash of the one before it.
    """
    if entry.sequence != expected:
        return ChainProblem("gap", expected, f"Entry {expected} is missing; the next one there is {entry.sequence}.")
    if entry.previous_hash != before:
        return ChainProblem("edited", expected, f"Entry {expected} does not follow from the one before it.")
    if entry.entry_hash != entry_hash(entry.__data__):
        return ChainProblem("edited", expected, f"Entry {expected} was changed after it was recorded.")
    # As stored, not upgraded: the digest was made of what was written then.
    if not _details_fit(entry.__data__.raw_text("details"), entry.details_salt, entry.details_digest):
        return ChainProblem("edited", expected, f"The details of entry {expected} were changed after it was recorded.")
    return None


def _details_fit(text: str | None, salt: str | None, digest: str) -> bool:
    if text is None or salt is None:
        return text is salt  # erased, both of them
    try:
        return details_digest(parse_json(text), salt) == digest
    except (ValueError, ValidationError):  # not JSON, or JSON that the kit never writes
        return False


def _end_problem(head: AuditHead | None, reached: int, newest: str) -> ChainProblem | None:
    if head is not None and reached < head.sequence:
        return ChainProblem(
            "truncated", reached + 1, f"The entries after {reached}, up to {head.sequence}, are missing."
        )
    if head is not None and head.entry_hash != newest:
        return ChainProblem("edited", reached, f"Entry {reached} is not the one that was recorded last.")
    beyond = _beyond.tuples()[0][0]
    if beyond is None:
        return None
    if head is None:
        return ChainProblem("truncated", beyond, "There are entries, but nothing says where the chain ends.")
    return ChainProblem("unrecorded", beyond, f"Entry {beyond} was not written by record().")
