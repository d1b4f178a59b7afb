"""What a disk, a file or its rights can do wrong: each a typed error, with the committed data intact."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from datapkg.kit import database as kit
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import DatabaseUnavailableError, DatapkgError, ReadOnlyError, StorageError
from datapkg.kit.fields import TextField
from datapkg.kit.models import Model


class Page(Model):
    """A table of the tests' own."""

    text = TextField()

    class Meta:
        table_name = "kit_pages"


def in_child(function: Callable[[], None]) -> None:
    """Run a function in a forked child and fail if it raised."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def as_ordinary_user() -> None:
    """Give up root's right to write everywhere, in a child that is about to try."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def open_file(path: Path) -> KitDatabase:
    """A database object for a file."""
    return kit.open_database(f"sqlite:///{path}")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user of the machine can reach."""
    with tempfile.TemporaryDirectory(prefix="datapkg-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)


@pytest.fixture
def file(folder: Path) -> Path:
    """A file with ten committed pages, closed."""
    path = folder / "pages.db"
    database = open_file(path)
    with kit.override(database):
        database.create_tables([Page])
        for number in range(10):
            Page.create(text=f"page {number}")
    kit.release(database)
    return path


def intact(path: Path) -> int:
    """How many pages a file has, checked with SQLite's own integrity check."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        count: int = connection.execute("SELECT count(*) FROM kit_pages").fetchone()[0]
        return count
    finally:
        connection.close()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_read_only_sqlite_file(file: Path, what: str) -> None:
    """Reading works; every way of writing raises ReadOnlyError; nothing changes."""
    if what == "file":
        file.chmod(0o444)
    file.parent.chmod(0o555)

    def child() -> None:
        as_ordinary_user()
        database = open_file(file)
        with kit.override(database):
            assert Page.select().count() == 10
            for attempt in (
                lambda: Page.create(text="new"),
                lambda: Page.update(text="changed").execute(),
                kit.run_in_transaction(lambda: Page.create(text="new")),
            ):
                try:
                    attempt()
                except ReadOnlyError as error:
                    assert "writable" in error.fix
                except DatabaseUnavailableError:
                    # The journal beside a writable file cannot be made in a folder that is read-only.
                    assert what == "folder"
                else:
                    raise AssertionError("it was written")

    in_child(child)
    assert intact(file) == 10


@pytest.mark.datapkg_engines("postgresql")
def test_a_read_only_postgresql(new_url: Callable[[], str]) -> None:
    """A server that takes no writes, such as a standby, raises ReadOnlyError; reading works."""
    url = new_url()
    database = kit.open_database(url)
    with kit.override(database):
        database.create_tables([Page])
        Page.create(text="one")
        kit.release(database)
    read_only = kit.open_database(f"{url}&options={quote('-c default_transaction_read_only=on')}")
    with kit.override(read_only):
        assert Page.select().count() == 1
        for attempt in (lambda: Page.create(text="two"), kit.run_in_transaction(lambda: Page.create(text="two"))):
            with pytest.raises(ReadOnlyError):
                attempt()
        assert Page.select().count() == 1
        kit.release(read_only)


@pytest.mark.parametrize("wal", [False, True], ids=["journal", "WAL"])
def test_a_full_disk(file: Path, wal: bool) -> None:
    """When the disk takes no more the error is typed, what was committed stays, and the connection goes on."""
    if wal:
        database = open_file(file)
        database.execute_sql("PRAGMA journal_mode = wal")
        kit.release(database)

    def child() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        no_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, no_limit[1]))
        database = open_file(file)
        with kit.override(database):
            for _ in range(2):
                try:
                    with kit.transaction():
                        for number in range(100):
                            Page.create(text=f"{number}" * 5_000)
                except StorageError as error:
                    assert error.code == "storage"
                else:
                    raise AssertionError("the limit was not reached")
            assert Page.select().count() == 10
            Page.create(text="small enough")
        resource.setrlimit(resource.RLIMIT_FSIZE, no_limit)  # what measures coverage writes files too

    in_child(child)
    assert intact(file) == 11


@pytest.mark.datapkg_engines("postgresql")
def test_a_full_disk_on_postgresql(db: KitDatabase) -> None:
    """A statement that exceeds what the server lets it write is a StorageError; the data stays and work goes on."""
    db.create_tables([Page])
    Page.create(text="before")
    with kit.override(db):
        with pytest.raises(StorageError), kit.transaction():
            db.execute_sql("SET LOCAL temp_file_limit = '64kB'")
            db.execute_sql("SET LOCAL work_mem = '64kB'")
            Page.create(text="undone")
            db.execute_sql("SELECT count(*) FROM (SELECT g FROM generate_series(1, 200000) g ORDER BY md5(g::text)) s")
        Page.create(text="after")
        assert sorted(page.text for page in Page.select()) == ["after", "before"]


CORRUPT: dict[str, Callable[[Path], object]] = {
    "not a database": lambda path: path.write_bytes(b"This is a text file, and a rather long one. " * 100),
    "a damaged header": lambda path: path.write_bytes(b"SQLite format 3\0" + os.urandom(4096)),
    "a damaged page": lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 4096 * 3),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:5000]),
}


@pytest.mark.parametrize("damage", CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_file(file: Path, damage: Callable[[Path], object]) -> None:
    """A file that is damaged, or none of SQLite's, raises StorageError on reading and writing, and stays as it is."""
    damage(file)
    before = file.read_bytes()
    with kit.override(open_file(file)) as database:
        for attempt in (
            lambda: [page.text for page in Page.select()],
            lambda: database.fetch("SELECT * FROM kit_pages", ()),
            lambda: Page.create(text="new"),
        ):
            with pytest.raises(StorageError) as caught:
                attempt()
            assert "backup" in caught.value.fix
        kit.release(database)
    assert file.read_bytes() == before


def test_a_typed_error_is_also_peewees(file: Path) -> None:
    """Code that catches Peewee's exceptions goes on catching the typed ones, which never hide their cause."""
    import peewee

    file.write_bytes(b"not a database" * 1000)
    with kit.override(open_file(file)), pytest.raises(peewee.OperationalError) as caught:
        Page.create(text="new")
    assert isinstance(caught.value, DatapkgError)
    assert caught.value.__cause__ is not None


def test_a_file_keeps_its_mode(file: Path) -> None:
    """Opening and writing changes no one's right to read the file."""
    file.chmod(0o600)
    with kit.override(open_file(file)) as database:
        Page.create(text="new")
        kit.release(database)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
