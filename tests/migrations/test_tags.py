"""How dangerous a hand-written statement is taken to be."""

from __future__ import annotations

import pytest

from datapkg.operations.migrations.steps import ends_transaction, tag_of

TAGS = {
    "SELECT 1; DROP TABLE users": "destructive",
    "CREATE TABLE z (a int); DROP TABLE users": "destructive",
    "UPDATE t SET x = '--'; DROP TABLE users": "destructive",
    "MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN DELETE": "destructive",
    "WITH gone AS (DELETE/**/FROM a RETURNING x) SELECT x FROM gone": "destructive",
    "INSERT OR REPLACE INTO a VALUES (1)": "destructive",
    "UPDATE t SET x = 'a; DELETE -- b' /* DROP; */;": "data",
    "CREATE TRIGGER t BEFORE UPDATE ON a BEGIN SELECT 1; SELECT 2; END": "additive",
    "CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN DELETE FROM a; RETURN NULL; END $$ LANGUAGE plpgsql": "additive",
}


@pytest.mark.parametrize(("sql", "tag"), TAGS.items(), ids=map(str, range(len(TAGS))))
def test_a_statement_hides_nothing(sql, tag):
    """Several statements, comments and texts: what removes rows or tables is found, and what only looks so is not."""
    assert tag_of(sql) == tag


ENDS = {
    "COMMIT": True,
    "/* done */ Rollback": True,
    "UPDATE t SET x = 1; COMMIT": True,
    "CREATE TABLE a (b int); BEGIN": True,
    "CREATE TRIGGER t BEFORE UPDATE ON a BEGIN SELECT 1; SELECT 2; END; COMMIT": True,
    "CREATE FUNCTION f() RETURNS int AS $$ SELECT 1 $$ LANGUAGE sql; COMMIT": True,
    "ROLLBACK TO SAVEPOINT here": False,
    "UPDATE t SET x = 'a; COMMIT' -- ; COMMIT": False,
    "SELECT commit, begin FROM t": False,
    "CREATE TRIGGER t BEFORE UPDATE ON a BEGIN SELECT 1; SELECT 2; END": False,
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END": False,
    "CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN RETURN NULL; END $$ LANGUAGE plpgsql": False,
}


@pytest.mark.parametrize(("sql", "ends"), ENDS.items(), ids=map(str, range(len(ENDS))))
def test_what_ends_a_transaction_is_told_wherever_it_stands(sql, ends):
    """Also behind another statement; a body that runs later, a text and a name are none."""
    assert ends_transaction(sql) is ends
