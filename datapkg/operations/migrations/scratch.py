"""An empty place on the same engine, in which tables are made to be looked at, and which is gone afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from datapkg.kit.database import open_database, override
from datapkg.kit.dialect.alterations import create_table
from datapkg.kit.dialect.catalog import Catalog, read_catalog
from datapkg.kit.dialect.tables import describe
from datapkg.kit.engines import KitDatabase, MemoryDatabase, SqliteDatabase
from datapkg.operations.bookkeeping import BOOKKEEPING
from datapkg.operations.migrations.files import MigrationFile
from datapkg.operations.migrations.runner import Runner

__all__ = ["catalog_of_migrations", "catalog_of_models", "offline"]


_KEPT = 8
# On empty tables the same files make the same tables, and a check asks for much the same each time.
_known: dict[tuple[Hashable, ...], Catalog] = {}


class _Undo(Exception):
    """Ends the scratch transaction."""


@contextmanager
def _scratch(database: KitDatabase) -> Iterator[KitDatabase]:
    """Open one: a database in memory, or on PostgreSQL a schema that is never committed."""
    if isinstance(database, SqliteDatabase):
        memory = MemoryDatabase(busy_timeout=5.0, synchronous="OFF")
        try:
            with override(memory):
                # As under the migration lock; inside a transaction the pragma would do nothing.
                memory.execute_sql("PRAGMA foreign_keys = OFF")
                with memory.atomic():
                    yield memory
        finally:
            memory.destroy()
        return
    schema = f"datapkg_scratch_{uuid.uuid4().hex}"
    try:
        with override(database), database.atomic():
            database.execute_sql(f'CREATE SCHEMA "{schema}"')
            # Nothing but the scratch is in sight, so that no statement reaches a real table.
            database.execute_sql(f'SET LOCAL search_path TO "{schema}"')
            yield database
            raise _Undo
    except _Undo:
        pass


@contextmanager
def offline(engine: str) -> Iterator[KitDatabase]:
    """Yield a database that is never asked anything: only its words are needed.

    Args:
        engine: ``sqlite`` or ``postgresql``.
    """
    database = open_database("sqlite:///:memory:" if engine == "sqlite" else "postgresql://nobody@localhost/nothing")
    with override(database):
        yield database
    if isinstance(database, MemoryDatabase):
        database.destroy()


def catalog_of_models(database: KitDatabase, models: Sequence[type[Any]]) -> Catalog:
    """Return the catalog of a database of the same engine that has just these models' tables.

    Args:
        database: of the engine; it is left as it is.
        models: parents before those that refer to them.
    """
    with _scratch(database) as place:
        for model in models:
            for step in create_table(describe(model)):
                step.run(place)
        return read_catalog(place)


def catalog_of_migrations(
    database: KitDatabase, files: Sequence[MigrationFile], books: Sequence[type[Any]] = ()
) -> Catalog:
    """Return the catalog of a database of the same engine that has been through these migrations, data steps included.

    Args:
        database: of the engine; it is left as it is.
        files: in the order in which they run.
        books: models of tables that are made before them.

    Raises:
        MigrationError: one of them fails on empty tables.
    """
    version = database.facts()[0]
    key = (database.dialect.name, version, tuple(books), tuple(file.sha256 for file in files))
    if key not in _known and not books:  # the books have no part in what migrations make
        own = {model._meta.table_name for model in BOOKKEEPING}
        whole = _known.get((*key[:2], BOOKKEEPING, key[3]))
        if whole is not None:
            return Catalog({name: facts for name, facts in whole.tables.items() if name not in own})
    if key in _known:
        return _known[key]
    with _scratch(database) as place:
        for model in books:
            model.create_table(safe=False)
        runner = Runner(place)
        for number, file in enumerate(files):
            runner.run(file, before=files[:number])
        found = read_catalog(place)
    _known[key] = found
    while len(_known) > _KEPT:
        del _known[next(iter(_known))]
    return found
