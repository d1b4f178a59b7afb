"""Seeds: declarative rows in JSON files, applied as idempotent upserts, all or nothing."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datapkg import registry
from datapkg.kit import failpoints
from datapkg.kit.database import current, lock, run_in_transaction
from datapkg.kit.errors import SeedError
from datapkg.kit.results import Rows
from datapkg.kit.words import did_you_mean
from datapkg.operations import migrations
from datapkg.operations.bookkeeping import AppliedSeed
from datapkg.operations.seeding.apply import Applier, SeedChange
from datapkg.operations.seeding.files import SeedFile, profile_files, profiles, read_file

__all__ = ["SeedChange", "SeedReport", "default_profile", "profiles", "seed"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeedReport:
    """What seeding did, or with ``diff`` would do.

    Attributes:
        profile: the profile applied, or ``file``.
        changes: one for each row.
        applied: False for a diff.
    """

    profile: str
    changes: Rows[SeedChange]
    applied: bool

    @property
    def changed(self) -> bool:
        """Whether anything was, or would be, written."""
        return any(change.action != "unchanged" for change in self.changes)

    @property
    def summary(self) -> Rows[dict[str, object]]:
        """One row for each table: how many rows were inserted, updated and left unchanged."""
        counts = Counter((change.table, change.action) for change in self.changes)
        tables = dict.fromkeys(change.table for change in self.changes)
        actions = ("insert", "update", "unchanged")
        names = ("inserted", "updated", "unchanged")
        rows: Iterator[dict[str, object]] = (
            {"table": table, **{name: counts[table, action] for action, name in zip(actions, names, strict=True)}}
            for table in tables
        )
        return Rows(rows, of={"table": str, **dict.fromkeys(names, int)})

    def _repr_html_(self) -> str:
        return self.summary._repr_html_()


class _Undo(Exception):
    """Ends the transaction of a diff."""


def default_profile() -> str:
    """Return ``demo`` on SQLite and ``base`` on a server."""
    return "demo" if current().dialect.name == "sqlite" else "base"


def seed(
    *,
    profile: str | None = None,
    domain: str | None = None,
    files: Sequence[str | Path] | str | Path | None = None,
    diff: bool = False,
    i_know_this_is: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SeedReport:
    """Apply a profile's seed files, or files of your own, in one transaction.

    Running it again changes nothing that is as the files say. A change that somebody made to an ``insert_only`` field
    stays; one to any other field is set back.

    Args:
        profile: its name; left out, ``demo`` on SQLite and ``base`` on a server.
        domain: only this domain's tables.
        files: paths of seed files of your own (or one path), applied instead of a profile.
        diff: find out what would change and write nothing.
        i_know_this_is: ``"production"`` to load demo data into a production database all the same.
        progress: called with the rows done and the rows to do.

    Raises:
        SeedError: a file, row or reference is wrong; names each. Nothing is written.
        EnvironmentGuardError: demo data in a production database.
    """
    if files is not None and profile is not None:
        raise SeedError("Both a profile and files were given.", fix="Give one of the two.")
    if files is None:
        chosen = default_profile() if profile is None else profile
        seed_files = profile_files(chosen)
    else:
        chosen = "file"
        seed_files = [read_file(Path(path)) for path in ([files] if isinstance(files, (str, Path)) else files)]
        if not seed_files:
            raise SeedError("The list of seed files is empty.", fix="Name a file, or leave the list out.")
    if chosen not in ("base", "file") and not diff:
        migrations.guard(f"seed --profile {chosen}", i_know_this_is=i_know_this_is)
    if domain is not None:
        seed_files = _of_domain(seed_files, domain)
    try:
        changes = run_in_transaction(_apply)(seed_files, diff, progress)
    except _Undo as undo:
        return SeedReport(chosen, undo.args[0], applied=False)
    failpoints.reach("seed.after_commit")
    report = SeedReport(chosen, changes, applied=True)
    logger.info("seeds applied", extra={"profile": chosen, "summary": list(report.summary)})
    return report


def _of_domain(seed_files: list[SeedFile], name: str) -> list[SeedFile]:
    known = {each.name: each for each in registry.domains()}
    if name not in known:
        raise SeedError(
            f"There is no domain {name!r}.{did_you_mean(name, known)}", fix=f"Use one of: {', '.join(known)}."
        )
    tables = {model._meta.table_name for model in known[name].models}
    return [each for each in seed_files if each.table in tables]


def _apply(seed_files: list[SeedFile], diff: bool, progress: Callable[[int, int], None] | None) -> Rows[SeedChange]:
    # Two programs seeding at once would both find a row missing: the second waits here.
    lock("seed")
    changes = Applier(progress).apply(seed_files)
    if diff:
        raise _Undo(changes)
    for each in seed_files:
        record = (
            AppliedSeed.select().where((AppliedSeed.profile == each.profile) & (AppliedSeed.name == each.name)).first()
        )
        if record is None:
            AppliedSeed(profile=each.profile, name=each.name, sha256=each.sha256).save()
        elif record.sha256 != each.sha256:
            record.sha256 = each.sha256
            record.save()
    failpoints.reach("seed.before_commit")
    return changes
