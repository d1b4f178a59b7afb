"""Connecting: what is migrated at once, what is refused and how, and what two databases at once see."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading

import pytest

import datapkg
from datapkg import evaluation, flags
from datapkg.errors import (
    ConfigurationError,
    DatabaseUnavailableError,
    ForeignDatabaseError,
    MigrationError,
    NotConnectedError,
    SchemaAheadError,
    SchemaOutdatedError,
    StorageError,
)
from datapkg.kit.database import current, open_database, override


@pytest.fixture
def disconnected():
    """Leave no connection behind."""
    yield
    datapkg.disconnect()


@pytest.fixture
def url(tmp_path):
    """A SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'my.db'}"


def run(database_url, sql, *params):
    """Run one statement on a database as foreign code would."""
    database = open_database(database_url)
    with override(database):
        rows = database.execute_sql(sql, params)
    database.close()
    return rows


def test_a_new_file_gets_its_tables_at_once(url, tmp_path, disconnected):
    """The first connect makes and migrates the file; the second finds it current."""
    datapkg.connect(url)
    flags.set_flag("a", enabled=True)
    datapkg.disconnect()
    datapkg.connect(url)
    assert flags.is_enabled("a")
    assert datapkg.status().state == "current"
    assert current().fetch("PRAGMA journal_mode", ())[0][0] == "wal"


def test_an_in_memory_database_is_whole_and_shared(disconnected):
    """All threads see the same one, and closing a connection does not lose it."""
    datapkg.connect("sqlite:///:memory:")
    flags.set_flag("a", enabled=True)
    current().close()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(flags.is_enabled("a")))
    thread.start()
    thread.join()
    assert seen == [True]


def test_the_url_falls_back_to_the_environment_then_to_a_file(tmp_path, monkeypatch, disconnected):
    """DATABASE_URL first, then datapkg.db in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///from_environment.db")
    datapkg.connect()
    assert (tmp_path / "from_environment.db").exists()
    monkeypatch.delenv("DATABASE_URL")
    datapkg.connect()
    assert (tmp_path / "datapkg.db").exists()


def test_nothing_works_before_connecting():
    """Every function that needs a database says so."""
    datapkg.disconnect()
    for function in (datapkg.status, evaluation.list_definitions, lambda: flags.is_enabled("x"), datapkg.seed):
        with pytest.raises(NotConnectedError) as caught:
            function()
        assert "connect" in caught.value.fix


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "datapkg.db",
        "sqlite://file.db",
        "sqlite:///",
        "mysql://u:secret@h/d",
        "nosuch://x/y",
        "postgresql://h:port/d",
        "postgresql://h",
    ],
)
def test_a_wrong_url_is_told_with_a_right_one(bad):
    """Each kind of wrong URL is a ConfigurationError with a fix, and without its password."""
    with pytest.raises(ConfigurationError) as caught:
        datapkg.connect(bad) if bad else datapkg.connect("  ")
    assert caught.value.fix
    assert "secret" not in str(caught.value)


def test_unknown_options_are_refused(url):
    """An option that does not exist is named, with those that do."""
    with pytest.raises(ConfigurationError, match="pool_sice"):
        datapkg.connect(url, pool_sice=3)
    with pytest.raises(ConfigurationError):
        datapkg.connect(url, synchronous="OFF")


@pytest.mark.parametrize(
    "options",
    [
        {"busy_timeout": "x"},
        {"busy_timeout": -1},
        {"synchronous": 3},
        {"slow_query_ms": "a"},
        {"pool_size": 0},
        {"pool_size": True},
        {"pool_size": 1.5},
        {"retries": -1},
        {"retries": None},
        {"connect_timeout": 0},
        {"must_exist": "yes"},
    ],
    ids=str,
)
def test_option_values_that_cannot_work_are_refused(url, options):
    """The error names the option and says what it takes."""
    with pytest.raises(ConfigurationError) as caught:
        datapkg.connect(url, **options)
    assert next(iter(options)) in caught.value.why
    assert caught.value.fix.startswith("Give ")


@pytest.mark.parametrize("more", ["?mode=ro", "#1", "?"])
def test_what_sqlite_would_not_heed_is_refused(url, more, tmp_path, disconnected):
    """A query or a fragment after a path would be dropped without a word; percent-encoded they are part of the name."""
    if more != "?":  # an empty query says nothing
        with pytest.raises(ConfigurationError, match="more than a path"):
            datapkg.connect(url + more)
        datapkg.connect(url.replace("my.db", "my%3F%23.db"))
        assert (tmp_path / "my?#.db").exists()
    with pytest.raises(ConfigurationError):
        datapkg.connect("sqlite:///file:my.db")


def test_a_relative_path_stays_where_it_was(tmp_path, monkeypatch, disconnected):
    """Threads that connect after the program has changed its folder find the same file."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    datapkg.connect("sqlite:///my.db")
    flags.set_flag("a", enabled=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    seen = []
    thread = threading.Thread(target=lambda: seen.append(flags.is_enabled("a")))
    thread.start()
    thread.join()
    assert seen == [True]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_an_unreachable_server_is_told_without_its_password():
    """Nothing listens there: DatabaseUnavailableError, and the password stays out of it."""
    with pytest.raises(DatabaseUnavailableError) as caught:
        datapkg.connect("postgresql://me:hunter2@127.0.0.1:1/none", connect_timeout=2)
    shown = f"{caught.value} {caught.value.meta} {caught.value!r}"
    assert "hunter2" not in shown


def test_a_server_database_that_is_empty_must_be_migrated_on_purpose(postgres_server, disconnected):
    """connect refuses and says what to run; migrate=True does it."""
    with postgres_server.new_database() as url:
        with pytest.raises(SchemaOutdatedError) as caught:
            datapkg.connect(url)
        assert "datapkg migrate" in caught.value.fix
        datapkg.connect(url, migrate=True)
        assert datapkg.status().state == "current"
        datapkg.disconnect()


def test_a_database_that_is_behind_is_refused_unless_asked(url, disconnected):
    """The error lists what is pending."""
    datapkg.connect(url)
    datapkg.rollback()
    datapkg.disconnect()
    with pytest.raises(SchemaOutdatedError) as caught:
        datapkg.connect(url)
    assert caught.value.meta["pending"]
    with pytest.raises(NotConnectedError):
        current()
    datapkg.connect(url, migrate=True)
    assert datapkg.status().state == "current"


def test_a_database_that_is_ahead_is_refused(url, disconnected):
    """A migration that this code does not know means newer code wrote it."""
    datapkg.connect(url)
    datapkg.disconnect()
    run(
        url,
        "INSERT INTO datapkg_migrations (id, created_at, history, name, sha256, applied_at) "
        "SELECT '01a1fca4-af86-72e7-b08b-b033503a7195', created_at, history, '999_future', sha256, applied_at "
        "FROM datapkg_migrations LIMIT 1",
    )
    with pytest.raises(SchemaAheadError, match="999_future"):
        datapkg.connect(url)
    with pytest.raises(SchemaAheadError):
        datapkg.connect(url, migrate=True)


def test_a_database_whose_migrations_were_edited_is_refused(url, disconnected):
    """A hash that differs means a file was changed after it ran."""
    datapkg.connect(url)
    datapkg.disconnect()
    run(url, f"UPDATE datapkg_migrations SET sha256 = '{'0' * 64}' WHERE name LIKE '001%'")
    with pytest.raises(MigrationError, match="001_"):
        datapkg.connect(url)


def test_somebody_elses_database_is_left_alone(tmp_path, url, disconnected):
    """A file with other tables is refused, not migrated, and not even its journal changes."""
    foreign = sqlite3.connect(tmp_path / "my.db")
    foreign.execute("CREATE TABLE theirs (a)")
    foreign.commit()
    foreign.close()
    before = (tmp_path / "my.db").read_bytes()
    with pytest.raises(ForeignDatabaseError):
        datapkg.connect(url)
    assert (tmp_path / "my.db").read_bytes() == before
    datapkg.connect(url, migrate=True)
    assert current().fetch("SELECT count(*) FROM theirs", ())[0][0] == 0


def test_what_is_not_a_database_is_told(tmp_path, url):
    """A text file is no database; a folder cannot be opened; a missing folder neither."""
    (tmp_path / "my.db").write_text("hello, this is not a database at all, not even close " * 20)
    with pytest.raises(StorageError):
        datapkg.connect(url)
    (tmp_path / "folder").mkdir()
    with pytest.raises(DatabaseUnavailableError):
        datapkg.connect(f"sqlite:///{tmp_path / 'folder'}")
    with pytest.raises(DatabaseUnavailableError):
        datapkg.connect(f"sqlite:///{tmp_path / 'missing' / 'x.db'}")


def test_a_failed_connect_keeps_the_database_before_it(url, disconnected):
    """What was connected stays connected."""
    datapkg.connect(url)
    with pytest.raises(ConfigurationError):
        datapkg.connect("nonsense")
    assert datapkg.status().state == "current"


READ_ONLY = """
import ctypes, os, sys
import datapkg
from datapkg import flags
from datapkg.errors import ReadOnlyError

if os.geteuid() == 0:
    # Root may write everything: give up the capabilities that let it, and be an owner like any other.
    header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, nothing) == 0
datapkg.connect(sys.argv[1])
print(flags.is_enabled("a"), datapkg.health().state)
try:
    flags.set_flag("b", enabled=True)
except ReadOnlyError as error:
    print("refused:", error.code)
"""


def test_a_read_only_file_reads_and_refuses_writes(url, tmp_path, disconnected):
    """A file that may not be written can be read; a write is a ReadOnlyError; the data is as before."""
    datapkg.connect(url)
    flags.set_flag("a", enabled=True)
    datapkg.disconnect()
    (tmp_path / "my.db").chmod(0o444)
    result = subprocess.run([sys.executable, "-c", READ_ONLY, url], capture_output=True, text=True)
    (tmp_path / "my.db").chmod(0o644)
    assert result.stdout.split() == ["True", "read-only", "refused:", "read_only"], result.stderr
    datapkg.connect(url)
    assert [flag.key for flag in flags.list_flags()] == ["a"]


def test_using_overrides_for_this_thread_only(tmp_path, disconnected):
    """Inside the block this thread works on the other database; another thread does not."""
    datapkg.connect(f"sqlite:///{tmp_path / 'one.db'}")
    flags.set_flag("one", enabled=True)
    seen = {}
    with datapkg.using(f"sqlite:///{tmp_path / 'two.db'}"):
        flags.set_flag("two", enabled=True)
        assert not flags.is_enabled("one")
        thread = threading.Thread(target=lambda: seen.update(one=flags.is_enabled("one"), two=flags.is_enabled("two")))
        thread.start()
        thread.join()
    assert seen == {"one": True, "two": False}
    assert flags.is_enabled("one")
    assert not flags.is_enabled("two")


@pytest.mark.datapkg_commits
def test_two_engines_in_two_threads_at_once(db, datapkg_url, tmp_path):
    """Each thread writes to its own database, and no row lands in the other."""
    urls = [datapkg_url, f"sqlite:///{tmp_path / 'other.db'}"]
    found = {}

    def work(number):
        with datapkg.using(urls[number]):
            for count in range(30):
                flags.set_flag(f"t{number}.{count}", enabled=True)
            found[number] = sorted({flag.key[:2] for flag in flags.list_flags(limit=1000)})

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: ["t0"], 1: ["t1"]}


def test_importing_the_package_loads_nothing_heavy():
    """`import datapkg` needs no Peewee, marshmallow, click or domain; they load when they are used."""
    heavy = (
        "marshmallow",
        "click",
        "argon2",
        "peewee_migrate",
        "pytest",
        "datapkg.accounts",
        "datapkg.evaluation",
        "pandas",
    )
    code = f"import datapkg, sys; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_public_name_is_there():
    """__all__, dir() and the attributes agree, and a wrong name is an AttributeError."""
    assert dir(datapkg) == sorted(datapkg.__all__)
    for name in datapkg.__all__:
        assert getattr(datapkg, name) is not None
    with pytest.raises(AttributeError, match="conect"):
        _ = datapkg.conect


@pytest.mark.datapkg_engines("sqlite")
@pytest.mark.datapkg_commits
def test_a_full_disk_is_told_and_keeps_what_was_committed(db, datapkg_url, tmp_path):
    """With no room for more, a write is a StorageError; what was committed is still there and whole."""
    code = """
import resource, signal, sys
import datapkg
from datapkg import flags
from datapkg.errors import StorageError
datapkg.connect(sys.argv[1])
flags.set_flag("kept", enabled=True)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
no_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, no_limit[1]))
try:
    for number in range(20_000):
        flags.set_flag(f"f{number}", enabled=True, description="x" * 1900)
except StorageError as error:
    print("refused", error.code)
resource.setrlimit(resource.RLIMIT_FSIZE, no_limit)  # the full disk is over: what measures coverage writes files too
"""
    result = subprocess.run([sys.executable, "-c", code, datapkg_url], capture_output=True, text=True)
    assert result.stdout.split() == ["refused", "storage"], result.stderr
    with datapkg.using(datapkg_url) as database:
        assert flags.is_enabled("kept")
        assert database.fetch("PRAGMA integrity_check", ()) == [("ok",)]
        flags.set_flag("after", enabled=True)


def test_a_sqlite_file_can_be_copied_and_opened(url, tmp_path, disconnected):
    """Nothing about the file is tied to its place."""
    datapkg.connect(url)
    flags.set_flag("a", enabled=True)
    datapkg.disconnect()
    shutil.copy(tmp_path / "my.db", tmp_path / "copy.db")
    datapkg.connect(f"sqlite:///{tmp_path / 'copy.db'}")
    assert flags.is_enabled("a")
