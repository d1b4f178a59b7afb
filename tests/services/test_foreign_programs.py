"""The programs that people open a database with, ``sqlite3`` and ``psql``, get past no gate; they fail if not there.

Which tables are gated, and which columns are frozen, is asked of the models, so a new one is tried without being named.
"""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

import datapkg
from datapkg import audit, registry, scripts
from datapkg.kit.database import current
from datapkg.testing import factories

pytestmark = [pytest.mark.services, pytest.mark.datapkg_commits]

ELSEWHERE = "00000000-0000-7000-8000-00000000000a"


def models():
    """Every model of every registered domain."""
    return [model for domain in registry.domains() for model in domain.models]


def program(name, package):
    """Return a program's path."""
    return shutil.which(name) or pytest.fail(f"There is no {name} on this machine; install the package {package}.")


@pytest.fixture
def run(datapkg_url):
    """Run SQL in a process of the engine's own program, and return it once it has ended."""

    def start(sql, before="", stdin=None):
        if datapkg_url.startswith("sqlite"):
            path = datapkg_url.removeprefix("sqlite:///")
            command = [program("sqlite3", "sqlite3"), "-batch", "-bail", path, f"{before}{sql}"]
        else:
            command = [program("psql", "postgresql-client"), "-X", "-v", "ON_ERROR_STOP=1", datapkg_url, "-c", sql]
        return subprocess.run(command, capture_output=True, text=True, input=stdin or "", timeout=60)

    return start


@pytest.fixture
def filled(db):
    """A database with rows in every gated table, and definitions with and without runs."""
    datapkg.seed(profile="demo")
    audit.record("report", entity_id="7", action="publish", actor="ann", details={"to": "all"})
    factories.make_feature()
    script = factories.make_script(commands=3)
    said = {"command_type": "INSERT_ELEMENT", "position": 0, "kind": "DIALOGUE", "text": "Who?", "persona": "Keeper"}
    page = {"command_type": "START_PAGE", "position": 1, "title": "Night"}
    scripts.append(script.id, commands=[said, page], expected_sequence=4, actor_type="AI", model="m")
    scripts.materialize(script.id)
    factories.make_run()
    factories.make_definition()
    return db


def rows(table):
    """Everything that a table holds."""
    return [tuple(row) for row in current().fetch(f"SELECT * FROM {table} ORDER BY id", ())]


def columns(model, **changed):
    """The columns of a model, and the same with expressions for some."""
    names = [field.column_name for field in model._meta.sorted_fields]
    return ", ".join(names), ", ".join(changed.get(name, name) for name in names)


def sqlite_statements(model):
    """What may not get past the gate of a table in SQLite: SQL with what comes before it."""
    table = model._meta.table_name
    names, other = columns(model, created_at="'2000-01-01T00:00:00.000000Z'")
    changes = [
        f"UPDATE {table} SET created_at = '2000-01-01T00:00:00.000000Z'",
        f"UPDATE OR REPLACE {table} SET id = '{ELSEWHERE}' WHERE id = (SELECT min(id) FROM {table})",
        f"UPDATE OR IGNORE {table} SET created_at = created_at",
        f"DELETE FROM {table}",
        f"DELETE FROM {table} WHERE id = (SELECT max(id) FROM {table})",
        f"INSERT OR REPLACE INTO {table} ({names}) SELECT {other} FROM {table}",
        f"REPLACE INTO {table} ({names}) SELECT {other} FROM {table}",
        f"REPLACE INTO {table} (rowid, {names}) SELECT rowid, {new_rows(model)[0]} FROM {table} LIMIT 1",
        f"INSERT INTO {table} ({names}) SELECT {other} FROM {table} WHERE true "
        "ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at",
    ]
    if model._meta.gated:
        changes += [f"INSERT INTO {table} ({names}) SELECT {new} FROM {table} LIMIT 1" for new in new_rows(model)]
    pragmas = ("", "PRAGMA foreign_keys = 1; ", "PRAGMA foreign_keys = 1; PRAGMA recursive_triggers = 1; ")
    return [(before, change) for before in pragmas for change in changes]


def postgresql_statements(model):
    """The same for PostgreSQL, TRUNCATE … CASCADE of the tables that it refers to included."""
    table = model._meta.table_name
    names, other = columns(model, created_at="'2000-01-01'")
    changes = [
        f"UPDATE {table} SET created_at = '2000-01-01'",
        f"UPDATE ONLY public.{table} SET created_at = created_at",
        f"UPDATE {table} SET id = '{ELSEWHERE}' WHERE id = (SELECT id FROM {table} LIMIT 1)",
        f"DELETE FROM {table}",
        f"DELETE FROM {table} WHERE id = (SELECT id FROM {table} LIMIT 1)",
        f"WITH gone AS (DELETE FROM {table} RETURNING id) SELECT count(*) FROM gone",
        f"TRUNCATE {table}, {', '.join(sorted(referring(model)))}" if referring(model) else f"TRUNCATE {table}",
        f"TRUNCATE {table} CASCADE",
        *(f"TRUNCATE {other} CASCADE" for other in sorted(parents(model))),
        f"INSERT INTO {table} ({names}) SELECT {other} FROM {table} "
        "ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at",
        f"MERGE INTO {table} AS t USING {table} AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET created_at = now()",
        f"MERGE INTO {table} AS t USING {table} AS s ON t.id = s.id WHEN MATCHED THEN DELETE",
        f"DO $$ BEGIN DELETE FROM {table}; END $$",
    ]
    if model._meta.gated:
        changes += [f"INSERT INTO {table} ({names}) SELECT {new} FROM {table} LIMIT 1" for new in new_rows(model)]
    return [("", change) for change in changes]


def new_rows(model):
    """Columns of a row that clashes with none, and of one that is there already."""
    changed = {"id": f"'{ELSEWHERE}'", "position": "1000", "version_number": "1000"}
    changed |= dict.fromkeys(("element_id", "page_id"), f"'{ELSEWHERE}'")
    return columns(model, **changed)[1], columns(model)[1]


def parents(model):
    """The tables that a table refers to, and those that they refer to."""
    found = set()
    for key in model._meta.refs:
        if key.rel_model is not model:
            found |= {key.rel_model._meta.table_name} | parents(key.rel_model)
    return found


def referring(model):
    """The tables that refer to a table."""
    return {key.model._meta.table_name for key in model._meta.backrefs} - {model._meta.table_name}


def test_no_gated_table_is_changed(filled, run, datapkg_engine):
    """Each statement is refused by the gate itself, the program ends with an error, and every row is as it was."""
    gated = [model for model in models() if model._meta.append_only or model._meta.gated]
    names = {model._meta.table_name for model in gated}
    assert {"audit_logs", "rubrics", "script_commands", "script_versions", "script_elements"} <= names
    before = {name: rows(name) for name in names}
    assert [name for name, there in before.items() if not there] == [], "fill these tables in the fixture"
    statements = sqlite_statements if datapkg_engine == "sqlite" else postgresql_statements
    passed = []
    for model in gated:
        for first, statement in statements(model):
            ended = run(statement, first)
            if ended.returncode == 0 or not re.search("gate", ended.stderr):
                passed.append((first, statement, ended.returncode, ended.stderr))
    assert passed == []
    assert {name: rows(name) for name in names} == before
    assert scripts.verify().ok and audit.verify_chain().ok


@pytest.mark.datapkg_engines("postgresql")
def test_copy_brings_nothing_into_a_gated_table(filled, run):
    """What psql copied out of a table with a gate for inserts too, it does not copy in."""
    gated = [model._meta.table_name for model in models() if model._meta.gated]
    before = {name: rows(name) for name in gated}
    for name in gated:
        copied = run(f"COPY {name} TO STDOUT")
        assert copied.returncode == 0 and copied.stdout
        ended = run(f"COPY {name} FROM STDIN", stdin=copied.stdout)
        assert ended.returncode != 0 and "gate" in ended.stderr
    assert {name: rows(name) for name in gated} == before


def frozen_statements(model, column, engine):
    """What changes a column or takes its row away, with a place for which rows; an UPDATE first."""
    table = model._meta.table_name
    names, other = columns(model, **{column: "'{}'"})
    update, delete = f"UPDATE {table} SET {column} = '{{}}' WHERE ", f"DELETE FROM {table} WHERE "
    if engine == "sqlite":
        replace = f"REPLACE INTO {table} ({names}) SELECT {other} FROM {table} WHERE "
        return [(update, ""), (update.replace("UPDATE", "UPDATE OR REPLACE"), ""), (replace, ""), (delete, "")]
    merge = f"MERGE INTO {table} USING (SELECT 1) AS s ON "
    change = f" WHEN MATCHED THEN UPDATE SET {column} = '{{}}'"
    return [(update, ""), (merge, change), (merge, " WHEN MATCHED THEN DELETE"), (delete, "")]


def test_what_is_referred_to_stays_and_the_rest_may_change(filled, run, datapkg_engine):
    """A frozen column's row is neither updated, replaced nor deleted; the same update changes any other row."""
    frozen = [(model, column, *by) for model in models() for column, by in model._meta.frozen_by.items()]
    assert "definitions" in {model._meta.table_name for model, *_ in frozen}
    for model, column, by_table, by_column in frozen:
        table, refers = model._meta.table_name, f"id IN (SELECT {by_column} FROM {by_table})"
        held = f"SELECT id, {column} FROM {table} WHERE {refers} ORDER BY id"
        before = [tuple(row) for row in current().fetch(held, ())]
        assert before, f"refer to a row of {table} in the fixture"
        statements = frozen_statements(model, column, datapkg_engine)
        for start, end in statements:
            ended = run(f"{start}{refers}{end}")
            assert ended.returncode != 0, start
            assert [tuple(row) for row in current().fetch(held, ())] == before, start
        free = run(f"{statements[0][0]}NOT {refers}")
        assert free.returncode == 0, free.stderr
        ((changed,),) = current().fetch(
            f"SELECT count(*) FROM {table} WHERE NOT {refers} AND CAST({column} AS TEXT) = '{{}}'", ()
        )
        assert changed > 0
