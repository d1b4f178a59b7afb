"""The package's top level, as a program downstream sees it; checked by mypy, never run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type
from uuid import UUID

import pandas

import datapkg
from datapkg import evaluation
from datapkg.kit.engines import KitDatabase
from datapkg.kit.results import Rows
from datapkg.operations.backups import BackupReport, RestoreReport
from datapkg.operations.copying import CopyReport
from datapkg.operations.dumps import DumpReport, LoadReport
from datapkg.operations.health import Health
from datapkg.operations.migrations import Differences, Finding, MigrationReport, Rehearsal, Status
from datapkg.operations.migrations.steps import Step
from datapkg.operations.retention import ApplyReport, Plan
from datapkg.operations.seeding import SeedReport


def connecting() -> None:
    """Connections and what they give."""
    database = datapkg.connect("sqlite:///:memory:", migrate=True, slow_query_ms=50)
    assert_type(database, KitDatabase)
    with datapkg.using("sqlite:///:memory:") as other:
        assert_type(other, KitDatabase)
    datapkg.disconnect()


@datapkg.run_in_transaction
def rename(key: UUID, *, name: str = "x") -> evaluation.Definition:
    """A function in a transaction keeps its signature."""
    return evaluation.update_definition(key, name=name)


def transactions(key: UUID) -> None:
    """Transactions, as a decorator, a function and a block."""
    assert_type(rename(key, name="y"), evaluation.Definition)
    assert_type(datapkg.run_in_transaction(lambda: 1)(), int)
    with datapkg.transaction():
        rename(key)


def operations(path: Path) -> None:
    """What keeps a database in shape."""
    assert_type(datapkg.migrate(), MigrationReport)
    assert_type(datapkg.rollback(count=1), MigrationReport)
    assert_type(datapkg.plan(), Rows[Step])
    assert_type(datapkg.status(), Status)
    assert_type(datapkg.rehearse(), Rehearsal)
    assert_type(datapkg.check_migrations(), Differences)
    assert_type(datapkg.lint_migrations(), Rows[Finding])
    assert_type(datapkg.create_migration("x"), Path)
    assert_type(datapkg.environment(), str)
    assert_type(datapkg.set_environment("staging"), str)
    assert_type(datapkg.seed(profile="demo"), SeedReport)
    assert_type(datapkg.health(), Health)
    assert_type(datapkg.health().df(), pandas.DataFrame)
    assert_type(datapkg.backup(path), BackupReport)
    assert_type(datapkg.restore(path), RestoreReport)
    assert_type(datapkg.dump(path), DumpReport)
    assert_type(datapkg.load(path), LoadReport)
    assert_type(datapkg.copy("sqlite:///a.db", "sqlite:///b.db"), CopyReport)
    assert_type(datapkg.retention.plan(), Plan)
    assert_type(datapkg.retention.apply(path), ApplyReport)


def errors(key: UUID) -> None:
    """Errors and their typed attributes."""
    try:
        evaluation.get_run(key)
    except datapkg.errors.NotFoundError as error:
        assert_type(error.entity, str)
        assert_type(error.why, str)
    except datapkg.errors.ValidationError as error:
        assert_type(error.errors, dict[str, list[str]])
    except datapkg.DatapkgError as error:
        assert_type(error.code, str)
        assert_type(error.as_dict(), dict[str, object])
