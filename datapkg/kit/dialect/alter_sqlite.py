"""How SQLite changes a table: mostly by building it anew from the model and copying the rows.

SQLite's own ALTER TABLE cannot change a constraint. The rebuild follows SQLite's documentation: make the new table,
copy, drop the old one, rename. With foreign keys off (the migration runner's lock sees to that, since the pragma does
nothing inside a transaction) dropping the parent leaves its children alone. STRICT, WITHOUT ROWID, CHECKs and
foreign keys come from the model; indexes and triggers that no model knows from ``sqlite_master``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datapkg.kit.dialect.alterations import Alteration, Sql, refuse_type_change, run_sql
from datapkg.kit.dialect.base import quote
from datapkg.kit.dialect.catalog import table_names
from datapkg.kit.dialect.tables import TableState, Tag, changes, worst
from datapkg.kit.errors import UnsafeMigrationError
from datapkg.kit.failpoints import reach

if TYPE_CHECKING:
    from datapkg.kit.engines import KitDatabase

__all__ = ["Rebuild", "alterations", "check_foreign_keys", "table_counts"]

_OUTSIDE = {"drop_triggers", "add_triggers", "drop_index", "add_index", "rename_index"}


def alterations(
    before: TableState, after: TableState, renames: Mapping[str, str], fill: Mapping[str, object]
) -> list[Alteration]:
    """Return the statements, and where SQLite has none the rebuild, that turn one state of a table into another."""
    found = changes(before, after, renames)
    inside = [change for change in found if change.kind not in _OUTSIDE]
    if not inside:
        return [step for change in found for step in _outside(change.kind, change.old, change.new, change.tag)]
    for change in inside:
        if change.kind == "type":
            refuse_type_change(after.name, change.new.name, change.old.kind, change.new.kind)
    if len(found) == 1 and inside[0].kind == "add_column" and inside[0].new.null and inside[0].new.name not in fill:
        # The one thing that needs no copy: rows that are there read the column as NULL.
        return [Sql(f"ALTER TABLE {quote(after.name)} ADD COLUMN {inside[0].new.ddl}", "additive")]
    steps: list[Alteration] = []
    if before.name != after.name:
        steps += [Sql(f"DROP TRIGGER {quote(name)}", "additive") for name in before.trigger_names]
        steps.append(Sql(f"ALTER TABLE {quote(before.name)} RENAME TO {quote(after.name)}", "destructive"))
    steps += [
        Sql(f"ALTER TABLE {quote(after.name)} RENAME COLUMN {quote(old)} TO {quote(new)}", "destructive")
        for old, new in renames.items()
        if old != new
    ]
    return [*steps, Rebuild(before, after, dict(renames), dict(fill), worst(inside))]


def _outside(kind: str, old: object, new: object, tag: Tag) -> list[Alteration]:
    steps: list[Alteration] = []
    # SQLite renames no index.
    if kind in ("drop_index", "rename_index"):
        steps.append(Sql(f"DROP INDEX {quote(old.name)}", tag))  # type: ignore[attr-defined]  # an IndexState
    if kind in ("add_index", "rename_index"):
        steps.append(Sql(new.sql, tag))  # type: ignore[attr-defined]  # an IndexState
    if kind == "drop_triggers":
        assert isinstance(old, TableState)
        steps += [Sql(f"DROP TRIGGER {quote(name)}", tag) for name in old.trigger_names]
    if kind == "add_triggers":
        assert isinstance(new, TableState)
        steps += [Sql(sql, tag) for sql in new.triggers]
    return steps


@dataclass(frozen=True)
class Rebuild(Alteration):
    """A table made anew.

    Attributes:
        before, after: its states; table and columns have their new names already.
        renames: old column names to new ones.
        fill: for added columns, what the rows that are there get.
        tag: the most dangerous of its changes.
    """

    before: TableState
    after: TableState
    renames: Mapping[str, str]
    fill: Mapping[str, object]
    tag: Tag

    @property
    def _new_name(self) -> str:
        return f"{self.after.name}__rebuilt"

    def _make(self) -> str:
        head = f"CREATE TABLE {quote(self.after.name)} "
        assert self.after.create.startswith(head), self.after.create
        return f"CREATE TABLE {quote(self._new_name)} {self.after.create.removeprefix(head)}"

    def _copy(self) -> Sql:
        there = {self.renames.get(name, name): column for name, column in self.before.columns.items()}
        targets, sources, params = [], [], []
        for name, column in self.after.columns.items():
            if name in there:
                step = _scale(column.limits) - _scale(there[name].limits)
                # Decimals are scaled integers, so another scale is another integer.
                source = (
                    f"{quote(name)} * {10**step}"
                    if step > 0
                    else f"{quote(name)} / {10**-step}"
                    if step
                    else quote(name)
                )
                sources.append(source)
            elif name in self.fill:
                sources.append("?")
                params.append(self.fill[name])
            else:
                continue
            targets.append(quote(name))
        sql = (
            f"INSERT INTO {quote(self._new_name)} ({', '.join(targets)}) "
            f"SELECT {', '.join(sources)} FROM {quote(self.after.name)}"
        )
        return Sql(sql, "additive", tuple(params))

    def _finish(self) -> list[str]:
        return [
            f"DROP TABLE {quote(self.after.name)}",
            f"ALTER TABLE {quote(self._new_name)} RENAME TO {quote(self.after.name)}",
            *(index.sql for index in self.after.indexes.values()),
            *self.after.triggers,
        ]

    def lines(self) -> list[str]:
        """The statements; indexes and triggers that no model knows are made again too."""
        return [self._make(), *self._copy().lines(), *self._finish()]

    def run(self, database: KitDatabase) -> None:
        """Make the table anew, and see that no row of any table was lost.

        Raises:
            UnsafeMigrationError: foreign keys are on, a row would be lost, or digits would be cut off.
        """
        if database.fetch("PRAGMA foreign_keys", ())[0][0]:
            raise UnsafeMigrationError(
                "A table cannot be rebuilt while foreign keys are on: its children's rows would go with it.",
                fix="Migrate outside of any transaction, through datapkg migrate.",
            )
        self._refuse_lost_columns(database)
        self._refuse_lost_digits(database)
        counts = table_counts(database)
        kept = self._unknown_objects(database)
        run_sql(database, self._make())
        self._copy().run(database)
        reach("migrate.rebuild_copied")
        drop, rename, *rest = self._finish()
        run_sql(database, drop)
        reach("migrate.rebuild_dropped")
        # The old behaviour leaves views, triggers and other tables that name this one as they are written.
        run_sql(database, "PRAGMA legacy_alter_table = ON")
        try:
            run_sql(database, rename)
        finally:
            run_sql(database, "PRAGMA legacy_alter_table = OFF")
        for sql in (*rest, *kept):
            run_sql(database, sql)
        now = table_counts(database)
        if now != counts:
            lost = [
                f"{name}: {counts[name]} before, {now.get(name, 0)} after"
                for name in counts
                if counts[name] != now.get(name)
            ]
            raise UnsafeMigrationError(f"Rebuilding {self.after.name} changed the number of rows ({'; '.join(lost)}).")

    def _unknown_objects(self, database: KitDatabase) -> list[str]:
        known = {*self.before.indexes, *self.before.trigger_names, *self.after.indexes, *self.after.trigger_names}
        rows = database.fetch(
            "SELECT name, sql FROM sqlite_master "
            "WHERE type IN ('index', 'trigger') AND tbl_name = ? AND sql IS NOT NULL",
            (self.after.name,),
        )
        return [sql for name, sql in rows if name not in known]

    def _refuse_lost_columns(self, database: KitDatabase) -> None:
        known = {self.renames.get(name, name) for name in self.before.columns}
        rows = database.fetch(f"PRAGMA table_info({quote(self.after.name)})", ())
        if more := sorted({str(row[1]) for row in rows} - known):
            raise UnsafeMigrationError(
                f"No migration made these columns of {self.after.name}; a rebuild would lose them: {', '.join(more)}.",
                fix="See `datapkg migration check`: adopt them by the migration that it prints, or drop them.",
            )

    def _refuse_lost_digits(self, database: KitDatabase) -> None:
        there = {self.renames.get(name, name): column for name, column in self.before.columns.items()}
        for name in self.after.columns.keys() & there.keys():
            cut = _scale(there[name].limits) - _scale(self.after.columns[name].limits)
            if cut > 0:
                sql = f"SELECT count(*) FROM {quote(self.after.name)} WHERE {quote(name)} % {10**cut} != 0"
                if rows := database.fetch(sql, ())[0][0]:
                    raise UnsafeMigrationError(
                        f"{rows} rows of {self.after.name} have more digits in {name} than the new scale keeps.",
                        fix="Round them in a data step first.",
                    )


def _scale(limits: Mapping[str, object]) -> int:
    scale = limits.get("scale", 0)
    return scale if isinstance(scale, int) else 0


def table_counts(database: KitDatabase) -> dict[str, int]:
    """Return how many rows each table holds."""
    return {name: database.fetch(f"SELECT count(*) FROM {quote(name)}", ())[0][0] for name in table_names(database)}


_ORPHANS = """
SELECT DISTINCT m.name, f."table" FROM sqlite_master m, pragma_foreign_key_list(m.name) f
WHERE m.type = 'table' AND lower(f."table") NOT IN (SELECT lower(name) FROM sqlite_master WHERE type = 'table')
"""


def check_foreign_keys(database: KitDatabase) -> None:
    """Check what SQLite did not while foreign keys were off.

    Raises:
        UnsafeMigrationError: a row refers to a row that is not there, or a table to a table that is not there.
    """
    orphans = database.fetch(_ORPHANS, ())
    if orphans:
        raise UnsafeMigrationError(
            "These tables would refer to tables that are gone: "
            + ", ".join(f"{child} to {parent}" for child, parent in orphans)
            + ".",
            fix="Remove what refers to a table before the table.",
        )
    broken: dict[tuple[str, str], int] = {}
    for child, _, parent, _ in database.fetch("PRAGMA foreign_key_check", ()):
        broken[child, parent] = broken.get((child, parent), 0) + 1
    if broken:
        shown = ", ".join(f"{count} rows of {child} refer to {parent}" for (child, parent), count in broken.items())
        raise UnsafeMigrationError(
            f"Rows would refer to rows that are not there: {shown}.",
            fix="Remove or correct those rows in a data step before this one.",
        )
