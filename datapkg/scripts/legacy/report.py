"""What a backfill found and did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from datapkg.kit.markup import html_table

__all__ = ["STAGES", "BackfillReport", "Violation"]

STAGES = ("users", "sessions", "chat_messages", "scripts", "versions", "elements")
"""The stages of a backfill, in their order: low risk first."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a legacy database.

    Attributes:
        table: the legacy table.
        key: the row's key, or what else names the row; empty for the table as a whole.
        rule: what kind of thing is wrong, such as ``version_gap``.
        message: what is wrong, in words.
    """

    table: str
    key: str
    rule: str
    message: str

    @property
    def place(self) -> str:
        """Table and key, as errors name them."""
        return f"{self.table}.{self.key}" if self.key else self.table


@dataclass(frozen=True, kw_only=True)
class BackfillReport:
    """What a backfill found and did.

    Attributes:
        source: which legacy database, without user and password.
        fingerprint: SHA-256 of all that was read; empty where something is wrong.
        dry_run: whether nothing was to be written.
        read: legacy rows by table.
        written: rows by stage that this call wrote; empty in a dry run.
        resumed: the stages that an earlier call had finished.
        notes: what was decided for so many rows, in words: ``{"times without a zone, taken as UTC": 12}``.
        violations: what is wrong, at the most 10,000; empty after a backfill that wrote.
        total_violations: how many there are in all.
    """

    source: str
    fingerprint: str = ""
    dry_run: bool = False
    read: Mapping[str, int] = field(default_factory=dict)
    written: Mapping[str, int] = field(default_factory=dict)
    resumed: tuple[str, ...] = ()
    notes: Mapping[str, int] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    total_violations: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.total_violations == 0

    def public(self) -> dict[str, object]:
        """Return the report as JSON has it."""
        return {
            "source": self.source,
            "fingerprint": self.fingerprint,
            "dry_run": self.dry_run,
            "read": dict(self.read),
            "written": dict(self.written),
            "resumed": list(self.resumed),
            "notes": dict(self.notes),
            "total_violations": self.total_violations,
            "violations": [
                {"table": each.table, "key": each.key, "rule": each.rule, "message": each.message}
                for each in self.violations
            ],
        }

    def _repr_html_(self) -> str:
        if self.violations:
            rows = [(each.place, each.rule, each.message) for each in self.violations]
            return html_table(["place", "rule", "what is wrong"], rows, caption=f"Backfill from {self.source}")
        counts = [(table, count) for table, count in self.read.items()]
        return html_table(["table", "rows read"], counts, caption=f"Backfill from {self.source}")
