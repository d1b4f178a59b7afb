"""Whether database, migrations and models agree, on everything that a catalog tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from datapkg import registry
from datapkg.kit.database import current
from datapkg.kit.dialect.catalog import Catalog, difference, read_catalog
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import MigrationError
from datapkg.kit.markup import html_lines
from datapkg.operations.bookkeeping import BOOKKEEPING
from datapkg.operations.migrations import history as books
from datapkg.operations.migrations.adoption import adopting_text
from datapkg.operations.migrations.comparison import check as refuse_bad_history
from datapkg.operations.migrations.comparison import compare, label
from datapkg.operations.migrations.creation import next_number, pending_text
from datapkg.operations.migrations.files import BUILT_IN, MigrationFile, histories, scan
from datapkg.operations.migrations.runner import Runner, in_order
from datapkg.operations.migrations.scratch import catalog_of_migrations, catalog_of_models

__all__ = ["Differences", "check"]


class Differences(list[str]):
    """What a check found, one line a difference; empty where all is well.

    Attributes:
        files: the migrations that would adopt it, by the names for their files: what the models say, as
            ``migration create --auto`` would write it, and what was changed by hand.
    """

    def __init__(self, lines: Iterable[str] = (), *, files: Mapping[str, str] | None = None) -> None:
        super().__init__(lines)
        self.files = dict(files or {})

    @property
    def migration(self) -> str:
        """The files as one text, each below its name; empty where there are none."""
        return "\n\n".join(f"# {name}.py\n{text}" for name, text in self.files.items())

    def __str__(self) -> str:
        return "\n".join(self) if self else "Database, migrations and models agree."

    def _repr_html_(self) -> str:
        return html_lines(str(self))


def check(*, from_zero: bool = False, database: KitDatabase | None = None) -> Differences:
    """Compare the live catalog with what its migrations make, and that of all migrations with the models'.

    So a change by hand is told, and so is a change of a model that no migration has yet. Nothing is written: the
    tables to compare with are made in memory, or on PostgreSQL in a schema that is never committed. Tables that
    belong to neither are other people's, and left alone.

    Args:
        from_zero: look only at migrations and models, not at the tables of the database.
        database: instead of the database in force.

    Returns:
        one line for each difference: ``migration 011_x is pending``, ``database: table notes: column text is …``
        (changed by hand since), ``migrations: table notes: …`` (the models say something else).

    Raises:
        MigrationError: a migration fails, was edited after it had been applied, or comes too late.
        SchemaAheadError: the database has been through migrations that this code does not know.
        ReadOnlyError: PostgreSQL does not let this user create a schema, not even one that is never committed.
    """
    database = database or current()
    every = [file for history in histories() for file in scan(history)]
    lines: list[str] = []
    files: dict[str, str] = {}
    there = not (from_zero or books.is_missing(database)) and books.has_books(database)
    done = in_order(books.applied(database)) if there else []
    expected = catalog_of_migrations(database, done, BOOKKEEPING) if there else Catalog({})
    made = catalog_of_migrations(database, every)
    wanted = catalog_of_models(database, registry.models())
    if not from_zero:
        rows = books.applied(database) if there else []
        for history in histories():
            compared = compare(history, rows)
            refuse_bad_history(compared)
            lines += [f"migration {label(file.history, file.name)} is pending" for file in compared.pending]
    if there:
        ours = {*expected.tables, *made.tables, *wanted.tables}
        live = read_catalog(database)
        live = Catalog({name: facts for name, facts in live.tables.items() if name in ours})
        if drift := difference(live, expected):
            lines += [f"database: {line}" for line in drift]
            files = _drift_texts(database, done, live, expected)
    missing = difference(made, wanted)
    if missing:
        files |= _models_texts(made, wanted, every, database)
    lines += [f"migrations: {line}" for line in missing]
    return Differences(lines, files=files)


def _owners(files: Sequence[MigrationFile], database: KitDatabase) -> dict[str, str]:
    """Return the history that each table belongs to."""
    runner, so_far, owners = Runner(database), list[MigrationFile](), dict[str, str]()
    for history in histories():
        so_far += [file for file in files if file.history == history.name]
        for model in runner.models_after(so_far):
            owners.setdefault(model._meta.table_name, history.name)
    return owners


def _models_texts(
    made: Catalog, wanted: Catalog, files: Sequence[MigrationFile], database: KitDatabase
) -> dict[str, str]:
    owners = _owners(files, database)
    changed = {name for name in {*made.tables, *wanted.tables} if made.tables.get(name) != wanted.tables.get(name)}
    own = {
        model._meta.table_name: domain.name if domain.migrations else BUILT_IN
        for domain in registry.domains()
        for model in domain.models
    }
    names = {owners.get(name, own.get(name)) for name in changed}
    texts = {}
    for history in histories():
        if history.name in names:
            name = f"{next_number([history.folder])}_adopt_models"
            try:
                texts[label(history.name, name)] = pending_text(history) or ""
            except MigrationError as error:
                texts[label(history.name, name)] = f"# No migration can be written: {error.why}\n# {error.fix}\n"
    return {name: text for name, text in texts.items() if text}


def _drift_texts(
    database: KitDatabase, done: Sequence[MigrationFile], live: Catalog, expected: Catalog
) -> dict[str, str]:
    owners = _owners(done, database)
    texts = {}
    for history in histories():
        tables = [
            name
            for name, owner in owners.items()
            if owner == history.name and live.tables.get(name) != expected.tables.get(name)
        ]
        if tables:
            name = f"{next_number([history.folder])}_adopt_changes_by_hand"
            texts[label(history.name, name)] = adopting_text(name, database, done, live, tables)
    return {name: text for name, text in texts.items() if text}
