"""The catalog: every kind of drift is seen and told, and what only looks different is not."""

from __future__ import annotations

import pytest
from playhouse.schema_diff import diff_models

from datapkg.kit.dialect.catalog import Catalog, ColumnFacts, TableFacts
from datapkg.kit.dialect.catalog_sqlite import normalised
from datapkg.kit.fields import TextField
from datapkg.kit.models import Model
from datapkg.operations import migrations

BASE = (
    'CREATE TABLE "parents" ("id" INTEGER PRIMARY KEY, "code" TEXT)',
    'CREATE TABLE "things" ("a" INTEGER NOT NULL, "b" TEXT DEFAULT \'x\', "p" INTEGER, PRIMARY KEY ("a"), '
    'CONSTRAINT "ck_things_b" CHECK ("b" <> \'it\'\'s (odd'
    ' CONSTRAINT "no" CHECK (1)\'), '
    'CONSTRAINT "fk_things_p" FOREIGN KEY ("p") REFERENCES "parents" ("id") ON DELETE CASCADE)',
    'CREATE INDEX "ix_things_b" ON "things" ("b") WHERE "b" IS NOT NULL',
)
DRIFTS = {
    "type": ('"a" INTEGER', '"a" BIGINT', ["column a is "]),
    "nullability": ('"b" TEXT', '"b" TEXT NOT NULL', ["column b is "]),
    "default": ("DEFAULT 'x'", "DEFAULT 'y'", ["column b is "]),
    "no default": (" DEFAULT 'x'", "", ["column b is "]),
    "a column less": (
        '"b" TEXT DEFAULT \'x\', "p"',
        '"b" TEXT DEFAULT \'x\', "q" INTEGER, "p"',
        ["column q should not be there"],
    ),
    "primary key": ('PRIMARY KEY ("a")', 'PRIMARY KEY ("a", "p")', ["primary key is ('a', 'p')"]),
    "check": ("(odd", "(even", ["check ck_things_b is "]),
    "check's name": ('"ck_things_b"', '"ck_other"', ["check ck_other should not", "check ck_things_b is missing"]),
    "rule of deletion": ("ON DELETE CASCADE", "ON DELETE RESTRICT", ["foreign key fk_things_p is "]),
    "foreign key's name": (
        '"fk_things_p"',
        '"fk_other"',
        ["foreign key fk_other should", "foreign key fk_things_p is missing"],
    ),
    "partial index": (' WHERE "b" IS NOT NULL', "", ["index ix_things_b is "]),
    "unique index": ("CREATE INDEX", "CREATE UNIQUE INDEX", ["index ix_things_b is "]),
    "index's columns": ('("b") WHERE', '("b", "p") WHERE', ["index ix_things_b is "]),
    "index's order": ('("b") WHERE', '("b" DESC) WHERE', ["index ix_things_b is "]),
    "index on an expression": ('("b") WHERE', '(lower("b")) WHERE', ["index ix_things_b is "]),
}


def make(database, old="", new=""):
    """The tables in this database, with a piece of their SQL replaced."""
    for sql in BASE:
        database.execute_sql(sql.replace(old, new) if old else sql)


def test_each_kind_of_drift_is_told(database, new_url, connect):
    """A difference in one thing is told as a difference in that thing, by its name, and the other way round too."""
    other = connect(new_url())
    make(other)
    wanted = migrations.catalog(database=other)
    for old, new, says in DRIFTS.values():
        assert any(old in sql for sql in BASE)
        make(database, old, new)
        there = migrations.catalog()
        lines = migrations.difference(there, wanted)
        told = [line for line in lines if "column p is" not in line]  # a key's column is NOT NULL on PostgreSQL
        assert [line.startswith(f"table things: {say}") for line, say in zip(told, says, strict=True)] == [True] * len(
            says
        ), told
        assert len(migrations.difference(wanted, there)) == len(lines)
        for table in ("things", "parents"):
            database.execute_sql(f"DROP TABLE {table}")


@pytest.mark.datapkg_engines("postgresql")
def test_what_only_postgresql_has_counts(database):
    """Methods and extras of indexes, collations, identities, switched-off triggers, late and unchecked constraints."""
    make(database)
    database.execute_sql(
        "CREATE TRIGGER t BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    )
    before = migrations.catalog()
    for sql, says in (
        ("DROP INDEX ix_things_b; CREATE INDEX ix_things_b ON things USING hash (b) WHERE b IS NOT NULL", "hash (b)"),
        (
            "DROP INDEX ix_things_b; CREATE INDEX ix_things_b ON things (b) INCLUDE (p) WHERE b IS NOT NULL",
            "INCLUDE (p)",
        ),
        ('ALTER TABLE things ALTER b TYPE text COLLATE "C"', 'COLLATE "C"'),
        ("ALTER TABLE things ALTER a ADD GENERATED ALWAYS AS IDENTITY", "GENERATED ALWAYS AS IDENTITY"),
        ("ALTER TABLE things DISABLE TRIGGER t", "(switched off)"),
        ("ALTER TABLE things ALTER CONSTRAINT fk_things_p DEFERRABLE", "extra='DEFERRABLE'"),
        ("ALTER TABLE things SET UNLOGGED", "UNLOGGED"),
        ("ALTER TABLE things ENABLE ROW LEVEL SECURITY", "ROW SECURITY"),
    ):
        with database.atomic() as change:
            database.execute_sql(sql)
            told = migrations.difference(migrations.catalog(), before)
            change.rollback()
        assert len(told) == 1 and says in told[0], (sql, told)
    assert migrations.difference(migrations.catalog(), before) == []


@pytest.mark.datapkg_engines("sqlite")
def test_the_trap_schema_diff_sees_no_types_and_constraints(database):
    """playhouse's schema_diff finds nothing in a table whose types, nullability and CHECKs all differ; ours does."""

    class Thing(Model):
        name = TextField(max_length=9)

        class Meta:
            table_name = "things"

    Thing.create_table()
    right = migrations.catalog()
    database.execute_sql("DROP TABLE things")
    database.execute_sql("CREATE TABLE things (id TEXT PRIMARY KEY, created_at INTEGER, name BLOB DEFAULT 5)")
    assert not diff_models(database, [Thing])
    told = " ".join(migrations.difference(migrations.catalog(), right))
    assert all(word in told for word in ("column name", "column created_at", "check ck_things_name", "STRICT"))


def test_the_order_of_columns_and_blanks_do_not_count(database, new_url, connect):
    """The same table, written in another order and with other blanks, is the same."""
    other = connect(new_url())
    make(other)
    for sql in (
        BASE[0],
        "CREATE TABLE things (p INTEGER CONSTRAINT fk_things_p REFERENCES parents (id) ON DELETE CASCADE, "
        "\n b TEXT DEFAULT 'x' -- a comment (\n CONSTRAINT ck_things_b CHECK ( \"b\"   <> 'it''s (odd"
        ' CONSTRAINT "no" CHECK (1)\'),'
        " a INTEGER NOT NULL PRIMARY KEY)",
        BASE[2],
    ):
        database.execute_sql(sql)
    assert migrations.difference(migrations.catalog(), migrations.catalog(database=other)) == []


def test_a_table_more_or_less_is_told(database):
    """Missing tables and tables that should not be there are told by name."""
    make(database)
    there = migrations.catalog()
    assert migrations.difference(there, Catalog({})) == [
        "table parents should not be there",
        "table things should not be there",
    ]
    assert migrations.difference(Catalog({}), there) == ["table parents is missing", "table things is missing"]


def test_triggers_are_compared_by_what_they_do(database):
    """A dropped or changed trigger of an append-only table is told."""
    migrations.migrate()
    whole = migrations.catalog()
    name = next(iter(whole.tables["audit_logs"].triggers))
    on = " ON audit_logs" if database.dialect.name == "postgresql" else ""
    database.execute_sql(f"DROP TRIGGER {name}{on}")
    assert migrations.difference(migrations.catalog(), whole) == [f"table audit_logs: trigger {name} is missing"]


@pytest.mark.datapkg_engines("postgresql")
def test_a_triggers_function_counts(database):
    """On PostgreSQL a trigger is what its function does."""
    migrations.migrate()
    whole = migrations.catalog()
    database.execute_sql(
        "CREATE OR REPLACE FUNCTION datapkg_append_only() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN RETURN NULL; END $$"
    )
    assert all("trigger" in line for line in migrations.difference(migrations.catalog(), whole))
    assert len(migrations.difference(migrations.catalog(), whole)) >= 2


@pytest.mark.datapkg_engines("sqlite")
def test_strict_and_unnamed_checks_count(database):
    """On SQLite STRICT is part of a table, and a CHECK without a name is known by its text."""
    database.execute_sql('CREATE TABLE "t" ("a" INTEGER CHECK ("a" > 1), "b" INTEGER REFERENCES "t")')
    loose = migrations.catalog()
    assert loose.tables["t"].checks == {'(unnamed) "a" > 1': '"a" > 1'}
    assert list(loose.tables["t"].foreign_keys) == ["(unnamed) b"]
    database.execute_sql("DROP TABLE t")
    database.execute_sql('CREATE TABLE "t" ("a" INTEGER CHECK ("a" > 1), "b" INTEGER REFERENCES "t") STRICT')
    assert migrations.difference(loose, migrations.catalog()) == ["table t: options is (none), should be STRICT"]


def test_differences_of_facts_without_a_database():
    """A catalog is made of plain values, so it can be compared with one that was kept."""
    one = Catalog({"t": TableFacts({"a": ColumnFacts("TEXT", True)}, primary_key=("a",))})
    two = Catalog({"t": TableFacts({"a": ColumnFacts("TEXT", False)})})
    assert migrations.difference(one, one) == []
    assert len(migrations.difference(one, two)) == 2


def test_blanks_inside_quotes_are_kept():
    """SQL is compared without its blanks and comments, but not those inside of quotes."""
    assert normalised("a  =\n'b  c' -- d\n /* e */ AND \"f  g\"") == "a = 'b  c' AND \"f  g\""
