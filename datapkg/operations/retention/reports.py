"""What retention tells: what is due, what was archived, what came back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datapkg.kit.markup import html_table
from datapkg.kit.results import Rows

if TYPE_CHECKING:
    import pandas

__all__ = ["ApplyReport", "Archived", "Plan", "RestoreReport"]


@dataclass(frozen=True)
class Plan:
    """What ``apply`` would do now.

    Attributes:
        rows: one for each policy and period: ``policy``, ``table``, ``keep_days``, ``period``, ``due``, ``exempt``.
        unfinished: the folders of archives that an interrupted run has not finished.
    """

    rows: Rows[dict[str, object]]
    unfinished: tuple[str, ...] = ()

    @property
    def due(self) -> int:
        """How many rows are due, without what goes with them."""
        return sum(int(str(row["due"])) for row in self.rows)

    def public(self) -> dict[str, object]:
        """Return it as a JSON-ready dictionary."""
        return {"due": self.due, "policies": list(self.rows), "unfinished": list(self.unfinished)}

    def _repr_html_(self) -> str:
        columns = ("policy", "period", "due", "exempt")
        return html_table(columns, [[row[name] for name in columns] for row in self.rows], caption=f"{self.due:,} due")

    def df(self) -> pandas.DataFrame:
        """Return the rows as a DataFrame.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return self.rows.df()


@dataclass(frozen=True)
class Archived:
    """One archive.

    Attributes:
        policy: the policy's name.
        folder: where it is.
        deleted: rows that are only there now, by table; references that were cut under ``table.column``.
        kept: rows that it holds but that stayed in the database, by reason.
        resumed: whether an interrupted run had begun it.
    """

    policy: str
    folder: str
    deleted: Mapping[str, int]
    kept: Mapping[str, int] = field(default_factory=dict)
    resumed: bool = False

    def public(self) -> dict[str, object]:
        """Return it as a JSON-ready dictionary."""
        return {
            "policy": self.policy,
            "folder": self.folder,
            "deleted": dict(self.deleted),
            "kept": dict(self.kept),
            "resumed": self.resumed,
        }


@dataclass(frozen=True)
class ApplyReport:
    """What ``apply`` did.

    Attributes:
        archives: the archives that were made or finished.
    """

    archives: tuple[Archived, ...]

    def public(self) -> dict[str, object]:
        """Return it as a JSON-ready dictionary."""
        return {"archives": [each.public() for each in self.archives]}

    def _repr_html_(self) -> str:
        return html_table(
            ("policy", "folder", "deleted", "kept"),
            [(each.policy, each.folder, sum(each.deleted.values()), sum(each.kept.values())) for each in self.archives],
        )


@dataclass(frozen=True)
class RestoreReport:
    """What ``restore`` did.

    Attributes:
        policy: the archive's policy.
        folder: where it is.
        restored: rows that are back, by table; references that were set again under ``table.column``.
        present: rows that were there already, equal.
        withheld: rows that do not come back, such as posts of somebody who was anonymised since.
        kept: rows that it holds but that had never left the database.
    """

    policy: str
    folder: str
    restored: Mapping[str, int]
    present: int = 0
    withheld: int = 0
    kept: int = 0

    def public(self) -> dict[str, object]:
        """Return it as a JSON-ready dictionary."""
        return {
            "policy": self.policy,
            "folder": self.folder,
            "restored": dict(self.restored),
            "present": self.present,
            "withheld": self.withheld,
            "kept": self.kept,
        }

    def _repr_html_(self) -> str:
        return html_table(("table", "restored"), self.restored.items(), caption=f"{self.policy}, from {self.folder}")
