"""How dangerous a hand-written statement is taken to be."""

from __future__ import annotations

import pytest

from datapkg.operations.migrations.steps import tag_of

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
