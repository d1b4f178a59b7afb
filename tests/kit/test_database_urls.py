"""Database URLs: which are refused and why, percent-encoding, and that no password is ever shown."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import peewee as pw
import pytest

from datapkg.kit import database as kit
from datapkg.kit.errors import ConfigurationError, DatabaseUnavailableError
from datapkg.kit.urls import parse_url, redact
from datapkg.testing import database_url
from datapkg.testing.databases import PostgresServer

WRONG = {
    "no scheme": "datapkg.db",
    "empty": "",
    "not text": None,
    "only a scheme": "sqlite:",
    "no file": "sqlite:///",
    "a folder": "sqlite:///folder/",
    "two slashes": "sqlite://datapkg.db",
    "NUL in the path": "sqlite:///a%00b.db",
    "no database name": "postgresql://user:hunter2@host",
    "no database name, slash": "postgresql://user:hunter2@host/",
    "port is no number": "postgresql://user:hunter2@host:port/name",
    "port too high": "postgresql://user:hunter2@host:70000/name",
    "unclosed bracket": "postgresql://user:hunter2@[::1/name",
    "unknown scheme": "oracle://user:hunter2@host/name",
    "an engine that cannot": "mysql://user:hunter2@host/name",
    "another driver": "psycopg3://user:hunter2@host/name",
}


@pytest.mark.parametrize("url", WRONG.values(), ids=WRONG)
def test_wrong_urls_are_refused(url: Any) -> None:
    """Each wrong form raises ConfigurationError with a fix, and without the password."""
    with pytest.raises(ConfigurationError) as caught:
        kit.open_database(url)
    assert caught.value.fix
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


RIGHT: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "memory": ("sqlite:///:memory:", "sqlite", ":memory:", {}),
    "relative file": ("sqlite:///a/b.db", "sqlite", "a/b.db", {}),
    "absolute file": ("sqlite:////tmp/b.db", "sqlite", "/tmp/b.db", {}),
    "space in a file": ("sqlite:///my%20data.db", "sqlite", "my data.db", {}),
    "short scheme": ("postgres://h/n", "postgresql", "n", {"host": "h"}),
    "everything": (
        "postgresql://me:p%40ss%2Fw%3Ard@db.example:5433/my%20app?sslmode=require&application_name=a%20b",
        "postgresql",
        "my app",
        {
            "user": "me",
            "password": "p@ss/w:rd",
            "host": "db.example",
            "port": 5433,
            "sslmode": "require",
            "application_name": "a b",
        },
    ),
    "socket": ("postgresql:///n?host=/var/run/postgresql", "postgresql", "n", {"host": "/var/run/postgresql"}),
    "IPv6": ("postgresql://[::1]:5433/n", "postgresql", "n", {"host": "::1", "port": 5433}),
}


@pytest.mark.parametrize(("url", "scheme", "database", "arguments"), RIGHT.values(), ids=RIGHT)
def test_urls_mean_what_they_say(url: str, scheme: str, database: str, arguments: dict[str, Any]) -> None:
    """Every part is decoded and reaches the driver under its own name."""
    parsed = parse_url(url)
    assert (parsed.scheme, parsed.database, parsed.arguments) == (scheme, database, arguments)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@h:5/n", "postgresql://me:***@h:5/n"),
        ("postgresql://me:se%40cret@h/n?sslmode=require", "postgresql://me:***@h/n?sslmode=require"),
        ("postgresql://me:s@cret@h/n", "postgresql://me:***@h/n"),
        ("postgresql://me@h/n?password=secret&a=b", "postgresql://me@h/n?password=***&a=b"),
        ("postgresql://h/n?sslpassword=secret", "postgresql://h/n?sslpassword=***"),
        ("postgresql://me@h/n", "postgresql://me@h/n"),
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("postgresql://me:secret@[::1/n", "(unreadable URL)"),
    ],
)
def test_no_password_is_shown(url: str, shown: str) -> None:
    """A redacted URL has everything but the password, wherever it stood; so have reprs."""
    assert redact(url) == shown


def test_a_parsed_url_does_not_show_its_password() -> None:
    """Neither the parsed URL's repr nor the database's `url` has the password."""
    url = "postgresql://me:hunter2@host/name"
    assert "hunter2" not in repr(parse_url(url))
    assert kit.open_database(url).url == "postgresql://me:***@host/name"


def test_a_percent_encoded_user_and_database_connect(postgres_server: PostgresServer) -> None:
    """A role and a database with @, /, : and blanks in their names are reached by percent-encoding them."""
    role, name = "da ta@pkg/r:1", f"{postgres_server.prefix} d@ta/b:1 ü%"
    postgres_server.run(f'DROP ROLE IF EXISTS "{role}"')
    postgres_server.run(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'p@ss:w/rd'")
    try:
        postgres_server.create(name=name)
        parts = urlsplit(database_url(postgres_server.url, name))
        host = parts.netloc.rpartition("@")[2]
        url = f"{parts.scheme}://{quote(role, safe='')}:{quote('p@ss:w/rd', safe='')}@{host}{parts.path}?{parts.query}"
        database = kit.open_database(url)
        assert database.fetch("SELECT current_user, current_database()", ()) == [(role, name)]
        kit.release(database)
    finally:
        postgres_server.drop(name)
        postgres_server.run(f'DROP ROLE "{role}"')


# What cannot be reached -----------------------------------------------------------------------------------------------

UNREACHABLE = {
    "nobody listens": "postgresql://user:hunter2@127.0.0.1:1/name",
    "no such host": "postgresql://user:hunter2@no-such-host.invalid/name",
    "no socket": "postgresql://user:hunter2@/name?host=/nonexistent/folder",
    "password in the query": "postgresql://127.0.0.1:1/name?user=user&password=hunter2",
    "unknown driver option": "postgresql://user:hunter2@127.0.0.1:1/name?no_such_option=1",
}


@pytest.mark.parametrize("url", UNREACHABLE.values(), ids=UNREACHABLE)
def test_an_unreachable_server_is_a_typed_error_without_the_password(url: str) -> None:
    """It raises DatabaseUnavailableError (or names the wrong option), and no part of the chain has the password."""
    database = kit.open_database(url, connect_timeout=2)
    expected = ConfigurationError if "no_such_option" in url else DatabaseUnavailableError
    for attempt in (database.connect, lambda: database.execute_sql("SELECT 1"), lambda: database.atomic().__enter__()):
        with pytest.raises(expected) as caught:
            attempt()
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))
        assert "hunter2" not in repr(caught.value.as_dict())


def test_an_unknown_database_or_user_is_a_typed_error(postgres_server: PostgresServer) -> None:
    """A server that refuses the database or the login raises DatabaseUnavailableError with its reason."""
    nowhere = kit.open_database(database_url(postgres_server.url, "no_such_database"))
    with pytest.raises(DatabaseUnavailableError, match="no_such_database"):
        nowhere.connect()
    parts = urlsplit(postgres_server.url)
    nobody = f"{parts.scheme}://no_such_user@{parts.netloc.rpartition('@')[2]}{parts.path}?{parts.query}"
    with pytest.raises(DatabaseUnavailableError, match="no_such_user"):
        kit.open_database(nobody).connect()


@pytest.mark.parametrize("where", ["missing/folder/a.db", "."])
def test_a_sqlite_file_that_cannot_be_there_is_a_typed_error(tmp_path: Path, where: str) -> None:
    """A missing folder, or a folder in place of the file, raises DatabaseUnavailableError."""
    with pytest.raises(DatabaseUnavailableError):
        kit.open_database(f"sqlite:///{tmp_path / where}").connect()


def test_must_exist_creates_nothing(tmp_path: Path) -> None:
    """With must_exist a missing file is an error and stays missing; without, it is made when first used."""
    path = tmp_path / "a.db"
    for attempt in (lambda database: database.connect(), lambda database: database.get_tables()):
        with pytest.raises(DatabaseUnavailableError, match="There is no SQLite file"):
            attempt(kit.open_database(f"sqlite:///{path}", must_exist=True))
    assert not path.exists()
    database = kit.open_database(f"sqlite:///{path}")
    database.execute_sql("CREATE TABLE t (a)")
    kit.release(database)
    assert path.exists()


def test_other_schemes_of_peewee_that_speak_postgresql_open(new_url: Callable[[], str], datapkg_engine: str) -> None:
    """A scheme of playhouse.db_url gives the kit's own database on PostgreSQL; SQLite's are refused with the fix."""
    url = new_url()
    other = url.replace("postgresql://", "postgresext://").replace("sqlite:///", "sqlite+pool:///")
    if datapkg_engine == "sqlite":
        with pytest.raises(ConfigurationError, match="SQLite or PostgreSQL"):
            kit.open_database(other)
        return
    database = kit.open_database(other)
    assert database.fetch("SELECT 1", ()) == [(1,)]
    assert database.execute(pw.Select(columns=[pw.SQL("1")])).fetchone() == (1,)
    assert database.dialect.name == "postgresql"
    kit.release(database)
