"""Health: each state is told apart, in time and without secrets."""

from __future__ import annotations

import socket
import struct
import threading
import time

import psycopg2
import pytest

import datapkg
from datapkg.errors import ConflictError, NotConnectedError
from datapkg.kit import database as kit
from datapkg.kit.database import open_database, transaction
from datapkg.operations.bookkeeping import AppliedMigration
from datapkg.operations.health import health
from datapkg.testing import EmbeddedPostgres


def test_a_current_database_is_ok(db):
    """State, engine, version and latency of a database that works."""
    found = health()
    assert (found.state, found.ok, found.engine, found.pending) == ("ok", True, db.dialect.name, 0)
    assert found.latency_ms > 0
    assert found.version[0].isdigit()
    assert "ok" in found._repr_html_()


@pytest.mark.datapkg_commits
def test_a_database_that_is_behind_says_what_to_run(db):
    """Pending migrations are named."""
    datapkg.rollback()
    found = health()
    assert (found.state, found.ok, found.pending) == ("behind", False, 1)
    assert "datapkg migrate" in found.detail


def test_an_empty_database_is_unmigrated(new_url):
    """No tables at all: everything is pending."""
    found = health(database=open_database(new_url()))
    assert found.state == "unmigrated"
    assert found.pending == len(datapkg.status(database=open_database(new_url())).pending) > 0


def test_a_foreign_database_is_told(new_url):
    """Tables, but none of ours."""
    database = open_database(new_url())
    database.execute_sql("CREATE TABLE theirs (a INTEGER)")
    assert health(database=database).state == "foreign"
    database.close()


def test_an_unreachable_server_is_an_answer_not_an_exception():
    """Nothing listens: unreachable, soon, and without the password."""
    started = time.monotonic()
    found = health(database=open_database("postgresql://me:hunter2@127.0.0.1:1/x", connect_timeout=2))
    assert found.state == "unreachable"
    assert time.monotonic() - started < 10
    assert "hunter2" not in str(found.as_dict())


@pytest.mark.datapkg_engines("postgresql")
@pytest.mark.datapkg_commits
def test_a_read_only_server_is_told(db, datapkg_url):
    """A server that takes no writes is well enough to read, and says so."""
    read_only = open_database(f"{datapkg_url}&options=-c%20default_transaction_read_only%3Don")
    assert health(database=read_only).state == "read-only"
    read_only.close()


def test_a_file_that_is_not_there_is_unmigrated_and_stays_away(tmp_path):
    """Asking after its health does not create it."""
    path = tmp_path / "none.db"
    found = health(database=open_database(f"sqlite:///{path}"))
    assert found.state == "unmigrated"
    assert str(path) in found.detail
    assert not path.exists()


@pytest.mark.datapkg_engines("postgresql")
@pytest.mark.datapkg_commits
def test_a_database_whose_tables_are_locked_answers_in_time(db, datapkg_url):
    """Waiting for a lock is bounded too: the answer comes, and says that the database cannot be worked with."""
    blocker = open_database(datapkg_url)
    with blocker.atomic():
        blocker.execute_sql("LOCK TABLE datapkg_migrations IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        found = health()
        assert time.monotonic() - started < 10
    assert not found.ok
    blocker.close()
    assert health().ok


def test_a_silent_server_is_unreachable_in_time():
    """A port that accepts and never answers is given up after the connect timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/x"
        started = time.monotonic()
        assert health(database=open_database(url, connect_timeout=2)).state == "unreachable"
        assert time.monotonic() - started < 15


@pytest.mark.datapkg_commits
def test_a_database_of_newer_code_is_ahead_and_an_edited_migration_is_told(db):
    """Each names the migration, so that somebody can act on it."""
    param = db.dialect.param
    row = AppliedMigration.get(AppliedMigration.name == "002_flags")
    AppliedMigration.create(history=row.history, name="999_later", sha256="0" * 64)
    found = health()
    assert (found.state, "999_later" in found.detail) == ("ahead", True)
    db.change(f"DELETE FROM datapkg_migrations WHERE name = {param}", ("999_later",))
    db.change(f"UPDATE datapkg_migrations SET sha256 = {param} WHERE name = {param}", ("0" * 64, "002_flags"))
    found = health()
    assert (found.state, "002_flags" in found.detail) == ("edited", True)


def test_a_damaged_file_is_damaged(tmp_path):
    """What is no database, and one whose pages are overwritten, are told from an unreachable one and left alone."""
    path = tmp_path / "x.db"
    path.write_bytes(b"not a database, but long enough to be read as one " * 50)
    found = health(database=open_database(f"sqlite:///{path}"))
    assert (found.state, found.version) == ("damaged", None)
    assert "backup" in found.detail
    path.unlink()
    with datapkg.using(f"sqlite:///{path}"):  # closing it moves the write-ahead log into the file
        pass
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    assert health(database=open_database(f"sqlite:///{path}")).state == "damaged"


@pytest.mark.datapkg_engines("sqlite")
@pytest.mark.datapkg_commits
def test_a_file_that_another_connection_writes_to_is_well(db, datapkg_url):
    """Readers do not wait for a writer, so its lock is no illness; nor is an open transaction of the asking thread."""
    writer = open_database(datapkg_url)
    with writer.atomic():
        writer.execute_sql("CREATE TABLE theirs (a INTEGER)")
        assert health().ok
    writer.close()
    with transaction():
        db.execute_sql("CREATE TABLE mine (a INTEGER)")
        assert health().ok


def test_a_transaction_whose_statement_failed_hides_nothing(db):
    """The check has a connection of its own: the caller's state is neither seen nor changed."""
    datapkg.flags.set_flag("a", enabled=True)
    with pytest.raises(ConflictError), transaction():
        try:
            db.execute_sql("INSERT INTO feature_flags SELECT * FROM feature_flags")
        finally:
            assert health().ok
    assert health().ok


def test_an_in_memory_database_in_another_threads_transaction_is_busy():
    """It has one connection, whose transaction nobody else can look into; that is told, and passes."""
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with kit.override(memory), transaction():
            entered.set()
            leave.wait(60)

    with datapkg.using("sqlite:///:memory:") as memory:
        assert health().ok
        holder = threading.Thread(target=hold)
        holder.start()
        assert entered.wait(60)
        found = health()
        leave.set()
        holder.join()
        assert (found.state, "thread" in found.detail) == ("unreachable", True)
        assert health().ok


def test_nothing_connected_is_an_error():
    """There is no database whose health it could be."""
    with pytest.raises(NotConnectedError):
        health()


def sessions(url):
    """How many sessions the server counts on this database, those that ask left out, also one on its way out."""
    connection = psycopg2.connect(url, application_name="counting")
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name <> 'counting' AND backend_type = 'client backend'"
            )
            return cursor.fetchone()[0]
    finally:
        connection.close()


@pytest.mark.datapkg_engines("postgresql")
@pytest.mark.datapkg_commits
def test_many_checks_need_no_pooled_connection_and_leave_none(db, datapkg_url):
    """With the only pooled connection in use they answer all the same, and afterwards no session is left."""
    small = open_database(datapkg_url, pool_size=1, pool_timeout=0.1)
    small.connect()
    before = sessions(datapkg_url)
    found = []

    def ask():
        found.extend(health(database=small).state for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == ["ok"] * 20
    wait_for(lambda: sessions(datapkg_url) == before)  # the server ends a session a little after it was closed
    kit.release(small)


def wait_for(condition):
    """Wait until something is so, a minute at the most."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_that_stops_and_comes_back_is_told_each_time():
    """Stopped it is unreachable, with nothing known; running again it is well."""
    with EmbeddedPostgres() as server:
        database = open_database(server.url)
        with kit.override(database):
            datapkg.migrate()
            assert health().ok
            server.stop()
            found = health()
            assert (found.state, found.version, found.latency_ms) == ("unreachable", None, None)
            server.start()
            assert health().ok
            kit.release(database)


def message(kind, content):
    """A message of PostgreSQL's protocol."""
    return kind + struct.pack("!I", len(content) + 4) + content


def test_a_server_that_goes_silent_after_letting_one_in_leaves_nothing_behind():
    """No timeout of the server's can help; the check is given up, its connection is cut and its thread ends."""
    settings = {"server_version": "18.0", "client_encoding": "UTF8", "TimeZone": "UTC", "DateStyle": "ISO, MDY"}
    settings |= {"standard_conforming_strings": "on", "integer_datetimes": "on"}
    welcome = message(b"R", struct.pack("!I", 0))
    welcome += b"".join(message(b"S", f"{name}\0{value}\0".encode()) for name, value in settings.items())
    welcome += message(b"K", struct.pack("!II", 1, 1)) + message(b"Z", b"I")
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            conn, _ = server.accept()
            with conn:
                conn.recv(8192)
                conn.sendall(welcome)
                while said := conn.recv(8192):  # until the other side hangs up
                    asked.append(said)

        silent = threading.Thread(target=answer)
        silent.start()
        place = f"postgresql://me@127.0.0.1:{server.getsockname()[1]}/x?sslmode=disable&gssencmode=disable"
        found = health(database=open_database(place))
        silent.join(60)
    assert (found.state, found.detail) == ("unreachable", "It did not answer within 2 seconds.")
    assert b"BEGIN" in asked[0]
    assert not silent.is_alive()
    wait_for(lambda: not [each for each in threading.enumerate() if each.name == "datapkg-health"])


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://someone:hunter2@127.0.0.1:1/x?sslkey=/home/hunter2/key.pem&application_name=hunter2",
        "postgresql://127.0.0.1:1/x?user=someone&password=hunter2&passfile=/home/hunter2/.pgpass",
    ],
)
def test_no_field_tells_a_secret_or_where_one_lies(url):
    """The database is named by host, port and name: no user, no password, no path of a key, no other option."""
    found = health(database=open_database(url))
    assert found.url == "postgresql://127.0.0.1:1/x"
    shown = f"{found!r} {found.as_dict()} {found._repr_html_()}"
    assert "hunter2" not in shown
    assert found.state == "unreachable"


@pytest.mark.datapkg_engines("postgresql")
def test_a_key_that_cannot_be_used_is_told_without_its_path(new_url, tmp_path):
    """The driver names the file; the answer leaves its path out, and still says what is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            conn, _ = server.accept()
            with conn:
                conn.recv(8)
                conn.sendall(b"S")  # yes to TLS
                conn.recv(1)

        threading.Thread(target=accept, daemon=True).start()
        place = f"postgresql://127.0.0.1:{server.getsockname()[1]}/x"
        missing = tmp_path / "hunter2.pem"
        missing.write_text("no certificate")
        found = health(
            database=open_database(f"{place}?sslmode=require&gssencmode=disable&sslcert={missing}&sslkey={missing}")
        )
    assert found.state == "unreachable"
    assert "its path is left out" in found.detail
    assert "hunter2" not in str(found.as_dict())
