"""Dump and load: one archive for the same rows on either engine, all of it or nothing."""

from __future__ import annotations

import json
import re
import zipfile

import moving_samples
import pytest
from killing import killed
from moving_samples import Player, contents, fill, fill_league, rewrite

import datapkg
from datapkg import accounts, audit, evaluation, registry, scripts
from datapkg.errors import (
    ArchiveError,
    ConflictError,
    EnvironmentGuardError,
    NotFoundError,
    SchemaAheadError,
    ValidationError,
    WriteGateError,
)
from datapkg.evaluation import Definition
from datapkg.kit.database import current, transaction
from datapkg.operations.moving.rows import normal_json
from datapkg.operations.moving.streams import count_rows
from datapkg.operations.moving.tables import moved_tables
from datapkg.testing import factories

MEMORY = "sqlite:///:memory:"


def rows_there() -> int:
    """How many rows the database in force has."""
    return sum(count_rows(current(), table) for table in moved_tables())


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """An archive with rows of every table, credentials too, made on SQLite."""
    path = tmp_path_factory.mktemp("dumps") / "filled.zip"
    with datapkg.using(MEMORY):
        fill()
        datapkg.dump(path, with_secrets=True)
    return path


@pytest.fixture
def archive(filled, tmp_path):
    """A copy of it to spoil."""
    path = tmp_path / "spoilt.zip"
    path.write_bytes(filled.read_bytes())
    return path


def test_a_dump_and_load_gives_the_same_database_and_the_same_file(db, filled, tmp_path):
    """Rows of every table, from SQLite to this engine: equal bit for bit, the chain whole, gates shut, seeds known."""
    steps = []
    report = datapkg.load(filled, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (report.rows, report.rows) and report.rows == rows_there() > 250
    assert not report.upgraded and report.left_out == {}
    empty = [table.name for table in moved_tables() if not count_rows(db, table)]
    assert empty == ["datapkg_archives"]
    again = datapkg.dump(tmp_path / "again.zip", with_secrets=True)
    assert (tmp_path / "again.zip").read_bytes() == filled.read_bytes()
    assert again.rows == report.rows and again.bytes == filled.stat().st_size
    assert audit.verify_chain().ok and audit.verify_chain().erased == 1
    assert scripts.verify().ok
    assert not datapkg.seed(profile="demo").changed
    with pytest.raises(WriteGateError), transaction():
        db.execute_sql("UPDATE script_elements SET position = position + 1")
    assert [path.name for path in tmp_path.iterdir()] == ["again.zip"]


def test_credentials_stay_out_unless_asked_for(db, filled, tmp_path):
    """Without them nothing secret is in the file; what cannot be without is named, and references to it are empty."""
    datapkg.load(filled)
    hashes = [row[0] for row in db.fetch("SELECT key_hash FROM api_keys UNION SELECT token_hash FROM sessions", ())]
    report = datapkg.dump(tmp_path / "plain.zip")
    assert set(report.left_out) == {"api_keys", "sessions", "verification_tokens"}
    assert report.emptied == ["users.password_hash", "chat_messages.session_id"]
    with zipfile.ZipFile(tmp_path / "plain.zip") as opened:
        text = b"".join(map(opened.read, opened.namelist())).decode()
        manifest = json.loads(opened.read("manifest.json"))
    assert manifest["secrets"] is False and "key_hash" in manifest["left_out"]["api_keys"]
    assert hashes and not any(each in text for each in hashes) and "$argon2" not in text
    loaded = datapkg.load(tmp_path / "plain.zip", replace=True)
    assert loaded.left_out == manifest["left_out"]
    assert accounts.list_users()[0].password_hash is None
    assert audit.verify_chain().ok
    assert db.fetch("SELECT count(*) FROM api_keys", ())[0][0] == 0


def test_a_domain_comes_with_what_it_refers_to(db, filled, tmp_path):
    """Definitions need their users, not the users' keys; loading it elsewhere leaves other rows alone."""
    datapkg.load(filled)
    report = datapkg.dump(tmp_path / "part.zip", domains="evaluation")
    assert {"users", "definitions", "runs"} < {row["table"] for row in report.tables}
    assert not {"api_keys", "feature_queue", "datapkg_seeds"} & {row["table"] for row in report.tables}
    with pytest.raises(NotFoundError, match="no_such"):
        datapkg.dump(tmp_path / "none.zip", domains=["evaluation", "no_such"])
    with pytest.raises(ConflictError, match=r"Rows of api_keys refer to users") as caught:
        datapkg.load(tmp_path / "part.zip", replace=True)
    assert caught.value.table == "api_keys"
    with pytest.raises(NotFoundError):
        datapkg.load(tmp_path / "part.zip", domains="planning")
    with datapkg.using(MEMORY) as other:
        factories.make_flag("mine")
        datapkg.load(tmp_path / "part.zip")
        assert other.fetch("SELECT count(*) FROM feature_flags", ())[0][0] == 1
        assert evaluation.list_runs()
        with pytest.raises(ConflictError, match="has rows already, in users"):
            datapkg.load(tmp_path / "part.zip")


def test_a_target_with_rows_is_replaced_only_when_asked(db, filled):
    """Rows are refused, then replaced whole; in production only by whoever says so."""
    factories.make_definition_tree(depth=3)
    factories.make_audit_entry()
    before = contents()
    with pytest.raises(ConflictError, match="has rows already") as caught:
        datapkg.load(filled)
    assert "--replace" in caught.value.fix
    datapkg.set_environment("production")
    with pytest.raises(EnvironmentGuardError):
        datapkg.load(filled, replace=True)
    assert contents() == before
    datapkg.load(filled, replace=True, i_know_this_is="production")
    assert datapkg.environment() == "production"
    assert contents() != before and Definition.select().where(Definition.parent.is_null(False)).exists()


def swap(old: bytes, new: bytes):
    """Replace the first of these bytes."""

    def change(data):
        assert old in data
        return data.replace(old, new, 1)

    return change


def whole(**changes):
    """Change what the manifest says."""
    return lambda data: json.dumps({**json.loads(data), **changes}).encode()


def rename(path, old, new):
    """Rename a table of an archive."""
    with zipfile.ZipFile(path) as opened:
        entries = {name: opened.read(name) for name in opened.namelist()}
    entries[f"tables/{new}.jsonl"] = entries.pop(f"tables/{old}.jsonl")
    entries["manifest.json"] = entries["manifest.json"].replace(
        f'"name": "{old}"'.encode(), f'"name": "{new}"'.encode()
    )
    with zipfile.ZipFile(path, "w") as opened:
        for name, data in entries.items():
            opened.writestr(name, data)


SPOILT = {
    "no zip": (lambda path: path.write_bytes(b"PK nothing"), ArchiveError, "no archive"),
    "empty": (lambda path: path.write_bytes(b""), ArchiveError, "no archive"),
    "missing": (lambda path: path.unlink(), ArchiveError, "cannot be read"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-3000]), ArchiveError, "its end is missing"),
    "a byte": (
        lambda path: path.write_bytes(path.read_bytes()[:900] + b"\0\1\2" + path.read_bytes()[903:]),
        ArchiveError,
        "damaged|altered",
    ),
    "altered": (
        lambda path: rewrite(path, "tables/users.jsonl", swap(b'"USER"', b'"ADMIN"')),
        ArchiveError,
        "users.jsonl.*altered",
    ),
    "a row gone": (
        lambda path: rewrite(path, "tables/users.jsonl", lambda data: data.split(b"\n", 1)[1]),
        ArchiveError,
        "users.jsonl",
    ),
    "a file gone": (lambda path: rewrite(path, "tables/runs.jsonl", lambda data: None), ArchiveError, "does not hold"),
    "no manifest": (lambda path: rewrite(path, "manifest.json", lambda data: None), ArchiveError, "no manifest"),
    "another zip": (lambda path: rewrite(path, "manifest.json", lambda data: b"{}"), ArchiveError, "no archive of"),
    "a newer format": (
        lambda path: rewrite(path, "manifest.json", whole(format_version=2)),
        ArchiveError,
        "reads up to 1",
    ),
    "no shape": (lambda path: rewrite(path, "manifest.json", whole(tables=[{}])), ArchiveError, "shape"),
    "not json": (lambda path: rewrite(path, "manifest.json", lambda data: b"{"), ArchiveError, "not JSON"),
    "newer": (
        lambda path: rewrite(path, "manifest.json", whole(revision={"datapkg": "999_future"})),
        SchemaAheadError,
        "999_future",
    ),
    "never was": (
        lambda path: rewrite(path, "manifest.json", whole(revision={"datapkg": "001_other"})),
        datapkg.errors.MigrationError,
        "never were",
    ),
    "a column": (
        lambda path: rewrite(path, "manifest.json", swap(b'"is_active"', b'"is_alive"')),
        ArchiveError,
        "is_active",
    ),
    "a table": (
        lambda path: rename(path, "runs", "races"),
        ArchiveError,
        "has the table races",
    ),
}


@pytest.mark.datapkg_engines("sqlite")
@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_archive_is_refused_before_anything_is_written(db, archive, how):
    """Damaged, cut, altered, foreign, newer: a typed error, and not even the rows that would be replaced are gone."""
    spoil, error, message = SPOILT[how]
    spoil(archive)
    factories.make_flag("kept")
    before = contents()
    with pytest.raises(error, match=message) as caught:
        datapkg.load(archive, replace=True)
    assert caught.value.fix
    assert contents() == before


def test_rows_that_are_not_valid_are_all_named_and_nothing_is_written(db, archive):
    """An honest archive of rows that break their column, schema, document or reference is refused as a whole."""
    rewrite(archive, "tables/users.jsonl", swap(b'"role":"USER"', b'"role":"KING"'), honest=True)
    rewrite(archive, "tables/posts.jsonl", swap(b'"author_id":"0', b'"author_id":"zzz'), honest=True)
    rewrite(archive, "tables/rubrics.jsonl", swap(b'"schema_version":', b'"schema_version":9'), honest=True)
    rewrite(archive, "tables/skill_pools.jsonl", swap(b'"is_active":true', b'"is_active":"yes"'), honest=True)
    rewrite(archive, "tables/decisions.jsonl", swap(b'{"id":', b'{"ip":'), honest=True)
    before = contents()
    with pytest.raises(ValidationError) as caught:
        datapkg.load(archive)
    places = " ".join(caught.value.errors)
    for place in (
        r"users row \d+, role",
        r"posts row 1, author_id",
        r"rubrics row 1, content",
        r"skill_pools row \d+, is_active",
        r"decisions row 1, row",
    ):
        assert re.search(place, places), places
    assert contents() == before


def test_a_row_whose_reference_is_missing_is_refused_by_the_database(db, archive):
    """The archive's own rows do not fit together: a conflict, and nothing is written."""
    rewrite(archive, "tables/authors.jsonl", lambda data: data.split(b"\n", 1)[1], honest=True)
    before = contents()
    with pytest.raises(ConflictError):
        datapkg.load(archive)
    assert contents() == before


def test_a_table_that_changes_meanwhile_is_noticed(db, filled):
    """What is read back in the end differs from what was loaded: nothing is kept."""

    def meddle(done, total):
        if done == total:
            db.execute_sql("UPDATE feature_flags SET description = 'changed'")

    with pytest.raises(ConflictError, match="feature_flags does not hold what was loaded"):
        datapkg.load(filled, progress=meddle)
    assert rows_there() == 0


# A domain of one's own --------------------------------------------------------------------------------------------


@pytest.fixture
def unregistered():
    """Take the domain out again."""
    yield
    registry.unregister("league")


def test_circles_and_rows_after_each_other_are_loaded(new_url, tmp_path, unregistered):
    """A circle of two tables, and append-only rows whose reference never changes, in the worst order; then replaced."""
    moving_samples.league(tmp_path / "league")
    with datapkg.using(MEMORY):
        fill_league()
        datapkg.dump(tmp_path / "league.zip")
        before = contents()
    with datapkg.using(new_url(), migrate=True):
        for replace in (False, True):
            datapkg.load(tmp_path / "league.zip", replace=replace)
            assert contents() == before


@pytest.mark.datapkg_engines("postgresql")
def test_an_older_archive_is_brought_up_to_date(new_url, tmp_path, unregistered):
    """Made before a column and a data step: both are there after the load, and a target that is behind is migrated."""
    fee = Player._meta.fields["fee"]
    Player._meta.remove_field("fee")
    moving_samples.league(tmp_path / "league", old=True)
    try:
        with datapkg.using(MEMORY):
            with transaction():
                team = moving_samples.Team.create(name="reds")
                player = Player.create(team=team, notes=moving_samples.JSON)
                moving_samples.Team.update(captain=player).execute()
            datapkg.dump(tmp_path / "old.zip")
    finally:
        Player._meta.add_field("fee", fee)
    (tmp_path / "league" / "002_fee.py").write_text(moving_samples.SECOND, encoding="utf-8")
    url = new_url()

    def load():
        with datapkg.using(url, migrate=True):
            datapkg.load(tmp_path / "old.zip")

    killed("load.upgraded", load)
    with datapkg.using(url) as target:
        assert rows_there() == 0
        report = datapkg.load(tmp_path / "old.zip")
        assert report.upgraded and report.rows == 2
        loaded = Player.get()
        assert (loaded.id, str(loaded.fee)) == (player.id, "1.500")
        assert target.fetch("SELECT name, captain_id FROM teams", ()) == [("paid reds", str(player.id))]
    registry.unregister("league")
    with datapkg.using(MEMORY), pytest.raises(ArchiveError, match="no domain of this code has"):
        datapkg.load(tmp_path / "old.zip")


@pytest.mark.datapkg_engines("sqlite")
def test_json_has_one_spelling(db):
    """Whatever writes it: keys by code point, nothing escaped without need, floats as Python has them."""
    value = {"\ue000": 1, "😀": [1e-5, 0.0001, 1e15, 5e-324, 0.1 + 0.2, 2**63 - 1], "": "\u2028\x7f\x01\t 3e5 0.00001"}
    text = json.dumps(value)
    expected = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert normal_json(text) == expected
    assert normal_json("[1e16, -0.0, 1e20]") == f"[{10**16}.0,0.0,{10**20}.0]"
