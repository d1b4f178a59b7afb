"""A backfill from a real MariaDB, started for the test: needs ``mariadbd`` on this machine, and fails without it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pymysql
import pytest
from legacy_plays import ROWS, TEXTS, changed, fill

from datapkg import scripts
from datapkg.errors import ConfigurationError, DatabaseUnavailableError, ValidationError
from datapkg.kit.database import current
from datapkg.scripts.backfilling import backfill, count_legacy_rows
from datapkg.scripts.models import ChatMessage, Script

pytestmark = pytest.mark.services

TYPES = {"key": "BIGINT", "text": "LONGTEXT", "time": "DATETIME"}
START_SECONDS = 120


def program(*names):
    """Return the path of the first of these programs that there is."""
    folders = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/usr/libexec"])
    for name in names:
        if found := shutil.which(name, path=folders):
            return found
    pytest.fail(f"There is no {names[0]} on this machine; install the package mariadb-server.")


@pytest.fixture(scope="module")
def socket():
    """The socket of a fresh MariaDB server with a data folder of its own."""
    user = ["--user=root"] if os.name == "posix" and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="dpmaria") as folder:
        data, path = Path(folder, "data"), Path(folder, "s")
        install = [program("mariadb-install-db", "mysql_install_db"), "--no-defaults", f"--datadir={data}", *user]
        install += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        made = subprocess.run(install, capture_output=True, text=True)
        assert made.returncode == 0, made.stdout + made.stderr
        log = Path(folder, "log")
        run = [program("mariadbd", "mysqld"), "--no-defaults", f"--datadir={data}", f"--socket={path}", *user]
        run += ["--skip-networking", f"--pid-file={folder}/pid", f"--log-error={log}", "--innodb-buffer-pool-size=32M"]
        server = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(str(path), server, log)
            yield str(path)
        finally:
            server.terminate()
            server.wait(timeout=60)


def wait_for(path, server, log):
    """Return when the server answers."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            pymysql.connect(unix_socket=path, user="root").close()
            return
        except pymysql.MySQLError as error:
            text = log.read_text() if log.exists() else ""
            assert server.poll() is None, text
            assert time.monotonic() < end, f"{error}\n{text}"
            time.sleep(0.1)


@pytest.fixture
def legacy(socket):
    """Make the legacy database ``plays`` with these rows and return its URL."""

    def make(rows=ROWS, types=TYPES, scheme="mysql"):
        connection = pymysql.connect(unix_socket=socket, user="root", charset="utf8mb4", autocommit=True)
        with connection.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS plays")
            # Compared without case and accents, which the store never does.
            cursor.execute("CREATE DATABASE plays CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
        connection.select_db("plays")
        fill(connection, rows, types=types, mark="%s")
        connection.close()
        return f"{scheme}://root@localhost/plays?unix_socket={socket}"

    return make


def query(socket, sql):
    """Run a statement on the legacy database."""
    connection = pymysql.connect(unix_socket=socket, user="root", database="plays", charset="utf8mb4", autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rows = cursor.fetchall()
    connection.close()
    return rows


@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
def test_everything_is_there_letter_for_letter(db, legacy, scheme):
    """Every version's text, and the messages' with characters beyond the first plane."""
    url = legacy(scheme=scheme)
    assert count_legacy_rows(url) == 21
    report = backfill(url)
    assert report.ok and list(report.written.values()) == [2, 2, 3, 4, 8, 3]
    for title, texts in TEXTS.items():
        script = Script.get(Script.title == title)
        assert [scripts.at(script.id, version=number).text for number in range(1, len(texts) + 1)] == texts
    assert sorted(row.content for row in ChatMessage.select()) == sorted(row[5] for row in ROWS["chat_messages"])
    assert scripts.verify().ok
    assert (backfill(url).written, len(backfill(url).resumed)) == ({}, 6)


def test_titles_that_the_server_calls_alike_are_two_scripts(db, legacy):
    """Its collation takes Hamlet, hamlet and HÁMLET for one; they are three."""
    more = [(7, 1, "hamlet", "x", 1, None), (8, 1, "HÁMLET", "y", 1, None)]
    assert backfill(legacy(changed(scripts=more))).ok
    assert {row.title for row in Script.select()} >= {"Hamlet", "hamlet", "HÁMLET"}


def test_keys_may_be_binary_and_times_zoned(db, legacy, socket):
    """TIMESTAMP columns are read in UTC whatever the server's zone is; keys of 16 bytes are UUIDs."""
    url = legacy({**{table: [] for table in ROWS}, "users": [(1, "ann@example.com", None, "2024-06-01 10:00:00")]})
    query(socket, "SET GLOBAL time_zone = '+05:00'")
    try:
        query(socket, "ALTER TABLE users MODIFY id BINARY(16), MODIFY created_at TIMESTAMP NULL")
        query(socket, "UPDATE users SET id = UNHEX(REPEAT('ab', 16)), created_at = '2024-06-01 15:00:00'")
        assert backfill(url).ok
    finally:
        query(socket, "SET GLOBAL time_zone = 'SYSTEM'")
    users = current().fetch("SELECT email FROM users", ())
    assert [tuple(row) for row in users] == [("ann@example.com",)]
    from datapkg import accounts

    assert accounts.find_user_by_email("ann@example.com").created_at.isoformat() == "2024-06-01T10:00:00+00:00"


def test_what_is_wrong_is_told_and_nothing_is_written(db, legacy, socket):
    """A day that no calendar has, which this server stores, a NUL, and a session of nobody: one report."""
    url = legacy(changed(sessions=[(12, 9, None)], users=[(3, "c\0y@example.com", None, None)]))
    query(socket, "SET GLOBAL sql_mode = ''")
    query(socket, "UPDATE scripts SET created_at = '0000-00-00 00:00:00' WHERE id = 5")
    with pytest.raises(ValidationError) as caught:
        backfill(url)
    assert set(caught.value.errors) == {"users.3", "sessions.12", "scripts.5"}
    assert current().fetch("SELECT count(*) FROM users", ())[0][0] == 0
    assert query(socket, "SELECT count(*) FROM users") == ((3,),)


def test_what_cannot_be_opened_is_told():
    """A server that is not there, and an option that the driver does not take; no password in either."""
    with pytest.raises(DatabaseUnavailableError) as caught:
        backfill("mysql://u:secret@127.0.0.1:1/x", dry_run=True)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="colour"):
        backfill("mysql://u@127.0.0.1:1/x?colour=red", dry_run=True)


def test_the_source_is_only_read(db, legacy, socket):
    """A user who may do nothing but read is enough."""
    url = legacy()
    query(socket, "CREATE OR REPLACE USER reader@localhost IDENTIFIED BY 'p@ss'")
    query(socket, "GRANT SELECT ON plays.* TO reader@localhost")
    assert backfill(url.replace("root@", "reader:p%40ss@"), dry_run=True).ok
