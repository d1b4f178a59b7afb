"""What foreign SQL does to definitions: it does not get past the freeze, and what it has spoilt is told."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import psycopg2
import psycopg2.errors
import pytest

import datapkg
from datapkg import evaluation
from datapkg.errors import DocumentError, ValidationError
from datapkg.evaluation.models import Run
from datapkg.kit.database import current

CONTENT = {"preamble": "You write.", "template": "{x}", "dimensions": [{"name": "x", "values": ["1", "2"]}]}


def make():
    """Create a definition."""
    return evaluation.create_definition("d", content=CONTENT)


def refer(definition):
    """Make a run refer to a definition."""
    return evaluation.create_run(definition.id, config={"models": ["m"]})


def overwrite(table, column, key, text):
    """Store a text in a document column, as foreign code would."""
    dialect = current().dialect
    mark = dialect.param
    sql = f"UPDATE {table} SET {column} = {dialect.json_value(mark)} WHERE id = {mark}"
    current().change(sql, (text, str(key)))


_OTHER = '{"schema_version": 1, "preamble": "after", "template": "", "dimensions": []}'
_AS_IT_IS = "created_at, updated_at, parent_id, name, {content}, created_by FROM definitions WHERE id = '{id}'"
_INTO = "INTO definitions (id, created_at, updated_at, parent_id, name, content, created_by) SELECT"
_ELSEWHERE = "00000000-0000-7000-8000-00000000000a"


@pytest.mark.parametrize(
    "statements",
    [
        ["UPDATE definitions SET content = '{other}' WHERE id = '{id}'"],
        ["UPDATE OR REPLACE definitions SET content = '{other}' WHERE id = '{id}'"],
        [f"INSERT OR REPLACE {_INTO} id, {_AS_IT_IS}"],
        [f"INSERT OR REPLACE {_INTO.replace('(id', '(rowid, id')} rowid, '{_ELSEWHERE}', {_AS_IT_IS}"],
        [f"INSERT {_INTO} id, {_AS_IT_IS} ON CONFLICT (id) DO UPDATE SET content = excluded.content"],
        ["DELETE FROM definitions WHERE id = '{id}'"],
        [f"UPDATE definitions SET id = '{_ELSEWHERE}' WHERE id = '{{id}}'"],
        [
            f"INSERT {_INTO} '{_ELSEWHERE}', {_AS_IT_IS}",
            f"UPDATE OR REPLACE definitions SET id = '{{id}}' WHERE id = '{_ELSEWHERE}'",
        ],
        [
            f"INSERT {_INTO} '{_ELSEWHERE}', {_AS_IT_IS}",
            "UPDATE OR REPLACE definitions SET rowid = (SELECT rowid FROM definitions WHERE id = '{id}') "
            f"WHERE id = '{_ELSEWHERE}'",
        ],
    ],
    ids=["update", "or-replace", "replace-id", "replace-rowid", "upsert", "delete", "move", "onto-id", "onto-rowid"],
)
@pytest.mark.parametrize(
    "pragmas", [(), ("foreign_keys = 1",), ("foreign_keys = 1", "recursive_triggers = 1")], ids=len
)
def test_foreign_clients_of_sqlite_do_not_replace_frozen_content(tmp_path, pragmas, statements):
    """Whatever the pragmas (without any, references are not kept), no statement puts other content in its place."""
    url = f"sqlite:///{tmp_path / 'frozen.db'}"
    with datapkg.using(url):
        definition, free = make(), make()
        refer(definition)
        with closing(sqlite3.connect(tmp_path / "frozen.db", isolation_level=None)) as foreign:
            for pragma in pragmas:
                foreign.execute(f"PRAGMA {pragma}")
            with pytest.raises(sqlite3.IntegrityError):
                for statement in statements:
                    content = f"'{_OTHER}'"
                    foreign.execute(statement.format(id=definition.id, other=_OTHER, content=content))
            foreign.execute(statements[-1].format(id=free.id, other=_OTHER, content=f"'{_OTHER}'"))  # no run refers
        assert evaluation.get_definition(definition.id).content["preamble"] == "You write."


def test_a_table_of_a_pragmas_name_frees_no_frozen_content(tmp_path):
    """A foreign client of SQLite that makes one says nothing by it of whether it keeps references."""
    with datapkg.using(f"sqlite:///{tmp_path / 'frozen.db'}"):
        definition = make()
        refer(definition)
        with closing(sqlite3.connect(tmp_path / "frozen.db", isolation_level=None)) as foreign:
            foreign.execute("CREATE TABLE pragma_foreign_keys (foreign_keys)")
            foreign.execute("INSERT INTO pragma_foreign_keys VALUES (1)")
            with pytest.raises(sqlite3.Error):
                foreign.execute("DELETE FROM definitions WHERE id = ?", (str(definition.id),))
        assert evaluation.get_definition(definition.id).content["preamble"] == "You write."


@pytest.mark.datapkg_engines("postgresql")
@pytest.mark.datapkg_commits
def test_foreign_clients_of_postgresql_do_not_get_around_the_trigger(db, datapkg_url):
    """Neither a table of the same name in front of the real one nor a run not yet committed lets it by."""
    change = "UPDATE public.definitions SET content = %s WHERE id = %s"
    definition = make()
    refer(definition)
    with closing(psycopg2.connect(datapkg_url)) as foreign, foreign.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE runs (definition_id uuid)")
        with pytest.raises(psycopg2.Error, match="runs refer"):
            cursor.execute(change, (_OTHER, str(definition.id)))
    definition = make()
    with closing(psycopg2.connect(datapkg_url)) as foreign, foreign.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
        with current().atomic():
            refer(definition)
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                cursor.execute(change, (_OTHER, str(definition.id)))


# Corrupted content ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "path"),
    [
        ('{"schema_version": 1}', "preamble"),
        ('{"schema_version": 1, "preamble": "", "template": "", "dimensions": 3}', "dimensions"),
        ('{"schema_version": 1, "preamble": "", "template": "", "dimensions": [3]}', "dimensions.0"),
        (
            '{"schema_version": 1, "preamble": "", "template": "", "dimensions": [{"name": "x", "values": [1]}]}',
            "dimensions.0.values.0",
        ),
    ],
)
@pytest.mark.parametrize(
    "use",
    [
        evaluation.count_scenarios,
        evaluation.expand_scenarios,
        evaluation.generate_scenarios,
        lambda key: evaluation.create_run(key, config={"models": ["m"]}),
        lambda key: evaluation.diff_definitions(key, key),
    ],
    ids=["count", "expand", "generate", "run", "diff"],
)
def test_content_that_foreign_sql_has_spoilt_is_told(db, use, stored, path):
    """Whatever takes the content to pieces says where it is corrupt, and nothing is written."""
    definition = make()
    overwrite("definitions", "content", definition.id, stored)
    with pytest.raises(DocumentError) as caught:
        use(definition.id)
    assert caught.value.path == path
    assert not Run.select().exists()


def test_keys_that_an_old_version_allowed_do_no_harm(db):
    """Content stored before there were versions may hold more than the schema knows."""
    definition = make()
    overwrite("definitions", "content", definition.id, '{"preamble": "p", "template": "Hi", "notes": 3}')
    assert evaluation.count_scenarios(definition.id) == 1
    assert evaluation.create_run(definition.id, config={"models": ["m"]}).definition_schema_version == 0


@pytest.mark.parametrize(
    "stored", ['{"schema_version": 1}', '{"schema_version": 1, "models": 3}'], ids=["none", "no-list"]
)
def test_a_spoilt_config_is_told(db, stored):
    """What is missing cannot be said without the models."""
    run = refer(make())
    overwrite("runs", "config", run.id, stored)
    with pytest.raises(DocumentError):
        evaluation.missing_transcripts(run.id)
    assert evaluation.get_run(run.id).public()["status"] == "PENDING"


@pytest.mark.parametrize("criteria", ['{"schema_version": 1, "values": 3}', '{"schema_version": 1, "models": null}'])
def test_spoilt_criteria_are_told(db, criteria):
    """A comparison within a cohort that cannot be read is not made."""
    definition = make()
    baseline, comparison = refer(definition), refer(definition)
    cohort = evaluation.create_cohort("c", criteria={"models": ["m"]})
    overwrite("cohorts", "criteria", cohort.id, criteria)
    with pytest.raises(DocumentError):
        evaluation.compare_runs(baseline.id, comparison.id, metric="a", cohort_id=cohort.id)


@pytest.mark.parametrize("total", ['"abc"', "[1]", "null"], ids=["text", "list", "null"])
def test_a_spoilt_total_is_told(db, total):
    """Neither engine's own error comes through."""
    run = refer(make())
    overwrite("runs", "progress", run.id, f'{{"schema_version": 1, "total": {total}, "completed": 0, "failed": 0}}')
    with pytest.raises(DocumentError):
        evaluation.increment_run_progress(run.id, completed=1)


def test_a_count_with_a_fraction_is_cut_off(db):
    """As JavaScript may have written it; on both engines alike."""
    run = refer(make())
    overwrite("runs", "progress", run.id, '{"schema_version": 1, "total": 1.9, "completed": 0.0, "failed": 0}')
    assert evaluation.increment_run_progress(run.id, completed=1).progress["completed"] == 1
    with pytest.raises(ValidationError):
        evaluation.increment_run_progress(run.id, completed=1)
