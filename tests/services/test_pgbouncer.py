"""A real PgBouncer that pools transactions, with fewer connections than clients; needs the program ``pgbouncer``."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

import datapkg
from datapkg import audit, evaluation, flags, scripts, workqueue
from datapkg.errors import ConfigurationError, DatabaseUnavailableError, WriteGateError
from datapkg.kit.database import current
from datapkg.testing import factories
from datapkg.testing.server import EmbeddedPostgres

pytestmark = pytest.mark.services

SERVER_CONNECTIONS = 3
CLIENTS = 8
INI = """
[databases]
* = {target}

[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {folder}
unix_socket_mode = 0777
logfile = {folder}/log
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 100
server_round_robin = 1
"""


def program():
    """The path of pgbouncer."""
    found = shutil.which(
        "pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    )
    return found or pytest.fail("There is no pgbouncer on this machine; install the package pgbouncer.")


@pytest.fixture(scope="module")
def pooled():
    """URLs of the same server: past the pooler and through it."""
    with EmbeddedPostgres() as server, tempfile.TemporaryDirectory(prefix="dpb") as name:
        folder = Path(name)
        folder.chmod(0o777)
        facts = parse_dsn(server.url)
        target = f"host={facts['host']} port={facts.get('port', 5432)} user={facts['user']}"
        (folder / "ini").write_text(INI.format(target=target, folder=folder, size=SERVER_CONNECTIONS))
        # It refuses to run as root, and the server's socket is open to its own user alone.
        owner = os.stat(facts["host"]).st_uid
        who = {"user": owner} if os.geteuid() == 0 else {}
        bouncer = subprocess.Popen([program(), "-q", str(folder / "ini")], stderr=subprocess.DEVNULL, **who)

        def urls(database):
            direct = f"postgresql://{facts['user']}@/{database}?host="
            return f"{direct}{quote(facts['host'])}&port={facts.get('port', 5432)}", f"{direct}{quote(name)}&port=6432"

        try:
            wait_for(urls("postgres")[1], bouncer, folder / "log")
            yield urls
        finally:
            bouncer.terminate()
            bouncer.wait(timeout=30)


def wait_for(url, bouncer, log):
    """Return when the pooler answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg2.connect(url).close()
            return
        except psycopg2.OperationalError as error:
            if bouncer.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{error}\n{log.read_text() if log.exists() else ''}")
            time.sleep(0.05)


@pytest.fixture
def urls(pooled, request):
    """A new database in a zone that is not UTC; its URL past the pooler and through it."""
    name = f"b{abs(hash(request.node.name))}"
    raw = psycopg2.connect(pooled("postgres")[0])
    raw.autocommit = True
    raw.cursor().execute(f"CREATE DATABASE {name}")
    raw.cursor().execute(f"ALTER DATABASE {name} SET timezone = 'America/St_Johns'")
    raw.close()
    return pooled(name)


def at_once(number, work):
    """Run the same work in threads, and raise what went wrong in one."""
    failed = []

    def run(place):
        try:
            work(place)
        except BaseException as error:
            failed.append(error)
        finally:
            current().close()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def test_everything_works_with_more_clients_than_connections(urls):
    """Migrating at once, seeding, bulk and gated writes, a queue and scripts, by eight clients on three connections."""
    direct, url = urls
    migrating = [
        subprocess.Popen(
            [sys.executable, "-m", "datapkg", "--database", url, "migrate"], stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in migrating:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    before = dt.datetime.now(dt.UTC)
    datapkg.connect(url)
    try:
        pids = set()
        datapkg.seed(profile="demo")
        definition = factories.make_definition()
        for number in range(40):
            factories.make_feature(name=f"feature {number}")
        claimed = []

        def work(place):
            with datapkg.transaction():
                flags.set_flag(f"flag-{place}")
                audit.record("thing", entity_id=str(place), action="try", actor="system", details={})
                pids.add(current().fetch("SELECT pg_backend_pid()", ())[0][0])
            for turn in range(10):
                if turn < 2:
                    factories.make_script(commands=3)
                feature = workqueue.claim_next(f"worker-{place}")
                if feature is not None:
                    claimed.append(feature.id)
                    workqueue.complete(feature, claim_token=feature.claim_token)
                evaluation.get_definition(definition.id)
                assert current().fetch("SHOW TimeZone", ()) == [("UTC",)]
                # A gate that somebody opened on this server's connection is shut again.
                with pytest.raises(WriteGateError):
                    current().execute_sql("DELETE FROM script_versions")

        at_once(CLIENTS, work)
        assert len(scripts.list_scripts(limit=1000)) == 1 + 2 * CLIENTS
        assert len(pids) <= SERVER_CONNECTIONS
        assert len(claimed) == len(set(claimed)) >= 40
        assert audit.verify_chain().ok and scripts.verify().ok
        assert flags.get_flag("flag-0").created_at >= before
        assert datapkg.health().ok
        with current().snapshot():
            first = len(list(flags.list_flags(limit=1000)))
            with datapkg.using(direct):
                flags.set_flag("meanwhile")
            assert len(list(flags.list_flags(limit=1000))) == first
    finally:
        datapkg.disconnect()


def test_sessions_that_the_server_ends_are_replaced(urls):
    """After a restart of the server's sessions the next transaction works."""
    direct, url = urls
    with datapkg.using(url, migrate=True):
        flags.set_flag("a")
        ended = psycopg2.connect(direct)
        ended.autocommit = True
        ended.cursor().execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()"
        )
        ended.close()
        for _ in range(SERVER_CONNECTIONS + 1):  # what the pooler has not noticed yet is a typed error
            try:
                flags.set_flag("b")
            except DatabaseUnavailableError:
                continue
        assert flags.get_flag("b").key == "b"


def test_backups_go_past_the_pooler(urls, tmp_path):
    """pg_dump and pg_restore would change sessions that others get: refused, before a migration in production too."""
    direct, url = urls
    with datapkg.using(direct, migrate=True):
        flags.set_flag("kept")
        datapkg.backup(tmp_path / "app.backup")
    with datapkg.using(url):
        for act in (datapkg.backup, datapkg.restore):
            path = tmp_path / ("app.backup" if act is datapkg.restore else "other.backup")
            with pytest.raises(ConfigurationError, match="pooler") as caught:
                act(path)
            assert "server itself" in caught.value.fix
        datapkg.dump(tmp_path / "app.dump")
        assert flags.get_flag("kept")
    with datapkg.using(direct):
        flags.set_flag("later")
        datapkg.restore(tmp_path / "app.backup")
        assert flags.find_flag("later") is None


def test_a_schema_belongs_to_the_role_and_not_to_the_url(urls):
    """Options at start-up are refused by the pooler; a search path that is set for the database holds through it."""
    direct, url = urls
    with pytest.raises(DatabaseUnavailableError, match="options"), datapkg.using(f"{url}&options=-csearch_path%3Dapp"):
        pass
    raw = psycopg2.connect(direct)
    raw.autocommit = True
    raw.cursor().execute("CREATE SCHEMA app")
    raw.cursor().execute(f"ALTER DATABASE {parse_dsn(direct)['dbname']} SET search_path = app")
    raw.close()
    with datapkg.using(url, migrate=True) as database:
        flags.set_flag("a")
        assert database.fetch("SELECT count(*) FROM app.feature_flags", ())[0][0] == 1
