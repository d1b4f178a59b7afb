"""SQLite rebuilds: what the stock tools lose, and that ours lose nothing."""

from __future__ import annotations

import peewee as pw
import pytest
from peewee_migrate.migrator import Migrator
from playhouse.migrate import SqliteMigrator, migrate

from datapkg.errors import UnsafeMigrationError
from datapkg.kit.dialect import alter_sqlite
from datapkg.operations import migrations

pytestmark = pytest.mark.datapkg_engines("sqlite")

FAMILY = """
@migrator.create_model
class Parent(Model):
    name = TextField(max_length=20, unique=True)
    class Meta:
        table_name = "parents"
        append_only = True

@migrator.create_model
class Child(Model):
    parent = ForeignKey(Parent, on_delete="CASCADE")
    class Meta:
        table_name = "children"
"""
ROWS = """
migrator.sql("INSERT INTO parents SELECT '0192e4a0-0000-7000-8000-00000000000' || value, "
             "'2024-01-01T00:00:00.000000Z', 'p' || value FROM json_each('[1,2,3]')")
migrator.sql("INSERT INTO children SELECT id, created_at, id FROM parents")
"""
WIDER = 'migrator.change_fields("parents", name=TextField(max_length=40, unique=True))'


@pytest.fixture
def family(database, files):
    """A parent table, append-only, and its children: three rows each."""
    files.write("001_family", FAMILY + ROWS)
    migrations.migrate(history="mine")
    return lambda: tuple(database.fetch(f"SELECT count(*) FROM {table}", ())[0][0] for table in ("parents", "children"))


@pytest.fixture
def stock():
    """Plain Peewee on SQLite with foreign keys on, a STRICT parent with a trigger, and three children."""
    database = pw.SqliteDatabase(":memory:", pragmas={"foreign_keys": 1})
    for sql in (
        'CREATE TABLE "parent" ("id" INTEGER NOT NULL PRIMARY KEY, "name" TEXT NULL) STRICT',
        'CREATE TABLE "child" ("id" INTEGER NOT NULL PRIMARY KEY, "parent_id" INTEGER NOT NULL, '
        'FOREIGN KEY ("parent_id") REFERENCES "parent" ("id") ON DELETE CASCADE)',
        "CREATE TRIGGER keep BEFORE UPDATE ON parent BEGIN SELECT RAISE(ABORT, 'no'); END",
        "INSERT INTO parent VALUES (1, 'a'), (2, 'b')",
        "INSERT INTO child VALUES (1, 1), (2, 1), (3, 2)",
    ):
        database.execute_sql(sql)
    return database


def children_of(stock):
    """How many children stock tools left."""
    return stock.execute_sql("SELECT count(*) FROM child").fetchone()[0]


def test_the_trap_peewee_migrate_deletes_the_children(stock):
    """peewee-migrate's add_not_null in its router's transaction loses every child row, without an error."""

    class Parent(pw.Model):
        name = pw.TextField(null=True)

    migrator = Migrator(stock)
    migrator.orm.add(Parent)
    with stock.transaction():
        migrator.add_not_null(Parent, "name")
        migrator()
    assert children_of(stock) == 0


def test_the_trap_playhouse_deletes_the_children(stock):
    """So does playhouse.migrate inside a caller's atomic()."""
    with stock.atomic():
        migrate(SqliteMigrator(stock).add_not_null("parent", "name"))
    assert children_of(stock) == 0


def test_the_trap_a_stock_rebuild_drops_strict_and_triggers(stock):
    """Even with foreign keys off it drops STRICT and the trigger."""
    stock.execute_sql("PRAGMA foreign_keys = OFF")
    migrate(SqliteMigrator(stock).add_not_null("parent", "name"))
    assert children_of(stock) == 3
    assert "STRICT" not in stock.execute_sql("SELECT sql FROM sqlite_master WHERE name = 'parent'").fetchone()[0]
    assert stock.execute_sql("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").fetchone()[0] == 0


def test_children_strict_and_triggers_survive(database, files, family):
    """A rebuilt parent keeps its children, STRICT, its triggers, its indexes; foreign keys are on again afterwards."""
    before = migrations.catalog().tables["parents"]
    files.write("002_wider", WIDER)
    migrations.migrate(history="mine")
    after = migrations.catalog().tables["parents"]
    assert family() == (3, 3)
    assert after.options == {"STRICT"}
    assert (after.triggers, after.indexes) == (before.triggers, before.indexes)
    assert after.checks["ck_parents_name"].startswith('length("name") <= 40')
    assert database.fetch("PRAGMA foreign_keys", ()) == [(1,)]
    assert database.fetch("PRAGMA legacy_alter_table", ()) == [(0,)]
    with pytest.raises(Exception, match="append-only"):
        database.execute_sql("UPDATE parents SET name = 'x'")
    with database.atomic(), database.open_gate("parents"):
        database.execute_sql("DELETE FROM parents WHERE name = 'p1'")
    assert family() == (2, 2)


def test_indexes_triggers_and_views_that_no_model_knows_survive(database, files, family):
    """What migrator.sql made on the table, or on others that name it, is there and works after a rebuild."""
    files.write(
        "002_extras",
        """
        migrator.sql("CREATE INDEX ix_by_hand ON parents (lower(name)) WHERE name <> 'a, b'")
        migrator.sql("CREATE TABLE log (name TEXT)")
        migrator.sql("CREATE TRIGGER on_parents AFTER INSERT ON parents BEGIN INSERT INTO log VALUES (NEW.name); END")
        migrator.sql("CREATE TRIGGER on_log AFTER DELETE ON log BEGIN SELECT count(*) FROM parents; END")
        migrator.sql("CREATE VIEW long_names AS SELECT name FROM parents WHERE length(name) > 1")
        """,
    )
    migrations.migrate(history="mine")
    before = migrations.catalog()
    files.write("003_wider", WIDER)
    migrations.migrate(history="mine")
    after = migrations.catalog()
    assert [line for line in migrations.difference(after, before) if "ck_parents_name" not in line] == []
    assert after.tables["parents"].indexes["ix_by_hand"].where == "name <> 'a, b'"
    assert len(database.fetch("SELECT * FROM long_names", ())) == 3
    files.write("004_row", "migrator.run(lambda: migrator.orm['parents'].create(name='p4'))")
    migrations.migrate(history="mine")
    assert database.fetch("SELECT name FROM log", ()) == [("p4",)]


def test_without_rowid_survives(database, files):
    """WITHOUT ROWID is the model's, so a rebuild keeps it."""
    files.write("001_t", FAMILY.replace("append_only = True", "without_rowid = True") + ROWS)
    files.write("002_wider", WIDER)
    migrations.migrate(history="mine")
    assert migrations.catalog().tables["parents"].options == {"STRICT", "WITHOUT ROWID"}


def test_a_lost_row_is_noticed(database, files, family, monkeypatch):
    """Were a rebuild to lose a row of any table, the migration would be undone and say which."""
    honest = alter_sqlite.run_sql

    def losing(database, sql, params=()):
        honest(database, sql, params)
        if sql.startswith("DROP TABLE"):
            honest(database, "DELETE FROM children WHERE parent_id LIKE '%1'")

    monkeypatch.setattr(alter_sqlite, "run_sql", losing)
    files.write("002_wider", WIDER)
    with pytest.raises(UnsafeMigrationError, match=r"number of rows.*children: 3 before, 2 after"):
        migrations.migrate(history="mine")
    assert family() == (3, 3)


def test_a_rebuild_with_foreign_keys_on_is_refused(database, files, family):
    """Were the keys not off, the rebuild itself would refuse rather than lose the children."""
    from datapkg.operations.migrations.files import scan
    from datapkg.operations.migrations.history import applied
    from datapkg.operations.migrations.runner import Runner, in_order

    files.write("002_wider", WIDER)
    runner = Runner(database)
    history = migrations.histories()[-1]
    (step,) = runner.collect(scan(history)[1], before=in_order(applied(database)))
    with database.atomic(), pytest.raises(UnsafeMigrationError, match="foreign keys are on"):
        step.run(database)
    assert family() == (3, 3)


def test_add_a_nullable_column_needs_no_rebuild(database, files, family):
    """A column that may be empty is added in place, as a plan shows."""
    files.write("002_more", 'migrator.add_fields("parents", note=TextField(max_length=5, null=True))')
    assert [step.sql.split(" CONSTRAINT")[0] for step in migrations.plan(history="mine")] == [
        'ALTER TABLE "parents" ADD COLUMN "note" TEXT'
    ]
    migrations.migrate(history="mine")
    assert family() == (3, 3)
