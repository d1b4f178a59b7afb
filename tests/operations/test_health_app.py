"""The WSGI application for probes: what it answers, and what it does not touch."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

import datapkg
from datapkg.errors import ConfigurationError
from datapkg.operations.health import make_wsgi_app, wsgi_app
from datapkg.operations.health_server import HealthServer


def ask(app, path, method="GET"):
    """Ask as a server does, checked against PEP 3333; return the status, the headers and the body."""
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "/probes", "QUERY_STRING": "x=1"}
    setup_testing_defaults(environ)
    told = []
    answer = validator(app)(environ, lambda status, headers, exc_info=None: told.append((status, dict(headers))))
    body = b"".join(answer)
    answer.close()
    (status, headers) = told[0]
    return int(status[:3]), headers, body


def body(app, path="/health"):
    """Ask; return the status and the decoded body."""
    status, _, content = ask(app, path)
    return status, json.loads(content)


@pytest.mark.datapkg_commits
def test_each_path_of_a_database_that_is_well_and_one_that_is_behind(db):
    """/health and /ready turn to 503 while migrations are pending; /live does not; nothing is cached."""
    for path in ("/health", "/ready"):
        status, headers, content = ask(wsgi_app, path)
        assert (status, headers["Cache-Control"]) == (200, "no-store")
        assert (headers["Content-Type"], int(headers["Content-Length"])) == ("application/json", len(content))
        told = json.loads(content)
        assert {**told, "version": "", "latency_ms": 0} == {
            "state": "ok", "ok": True, "engine": db.dialect.name, "version": "", "latency_ms": 0, "pending": 0,
        }  # fmt: skip
        assert told["latency_ms"] > 0
    datapkg.rollback()
    for path in ("/health", "/ready"):
        status, told = body(wsgi_app, path)
        assert (status, told["state"], told["ok"], told["pending"]) == (503, "behind", False, 1)
    assert body(wsgi_app, "/live") == (200, {"state": "live"})


@pytest.mark.datapkg_engines("sqlite")
def test_head_has_the_headers_and_no_body_and_the_rest_is_refused(db):
    """HEAD is GET without a body; other methods are 405 with what is allowed, other paths 404."""
    for path in ("/health", "/ready", "/live"):
        status, headers, content = ask(wsgi_app, path, "HEAD")
        assert (status, content) == (200, b"")
        assert int(headers["Content-Length"]) > 0
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            status, headers, content = ask(wsgi_app, path, method)
            assert (status, headers["Allow"], headers["Cache-Control"]) == (405, "GET, HEAD", "no-store")
    for path in ("", "/", "/healthy", "/health/", "/health/x", "/live/"):
        assert ask(wsgi_app, path)[0] == 404


def test_with_no_database_named_or_one_that_cannot_be_it_is_alive_and_not_ready(monkeypatch, caplog, tmp_path):
    """/live asks for none; /ready is 503 until DATABASE_URL names one; then it is looked at without a connect()."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    datapkg.disconnect()
    assert body(wsgi_app, "/live")[0] == 200
    status, told = body(wsgi_app)
    assert (status, told["state"], told["engine"]) == (503, "unconfigured", None)
    monkeypatch.setenv("DATABASE_URL", "nonsense")
    assert body(wsgi_app)[1]["state"] == "unconfigured"
    path = tmp_path / "mine.db"
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    assert body(wsgi_app)[1]["state"] == "unmigrated"
    assert not path.exists()
    with datapkg.using(f"sqlite:///{path}"):
        pass
    assert body(wsgi_app)[1]["state"] == "ok"


def test_a_url_is_taken_at_once_and_connected_to_later(caplog):
    """A wrong one is refused; one of a server that is gone is 503, and says in the log, not in the answer, where."""
    with pytest.raises(ConfigurationError):
        make_wsgi_app("nonsense")
    app = make_wsgi_app("postgresql://me:hunter2@127.0.0.1:1/secretly")
    assert body(app, "/live")[0] == 200
    with caplog.at_level(logging.INFO, "datapkg"):
        for _ in range(3):
            status, _, content = ask(app, "/ready")
            assert status == 503
    assert json.loads(content)["state"] == "unreachable"
    assert b"127.0.0.1" not in content and b"secretly" not in content
    told = [record for record in caplog.records if "unreachable" in record.message]
    assert len(told) == 1  # a state is told once, not at every probe
    assert told[0].url == "postgresql://127.0.0.1:1/secretly"
    assert "hunter2" not in caplog.text


@pytest.mark.datapkg_engines("postgresql")
@pytest.mark.datapkg_commits
def test_a_reader_on_a_standby_can_be_ready(db, datapkg_url):
    """A database that takes no writes is not ready, unless its application only reads."""
    standby = f"{datapkg_url}&options=-c%20default_transaction_read_only%3Don"
    assert body(make_wsgi_app(standby))[0] == 503
    status, told = body(make_wsgi_app(standby, read_only_ok=True))
    assert (status, told["state"], told["ok"]) == (200, "read-only", True)
    assert body(make_wsgi_app(datapkg_url, read_only_ok=True))[1]["state"] == "ok"


def test_a_forked_worker_answers_although_a_check_ran_in_its_parent():
    """A server that forks its workers may do so in the middle of a check, which only the parent finishes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        app = make_wsgi_app(f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/x")
        asking = threading.Thread(target=ask, args=(app, "/ready"))
        asking.start()
        silent.accept()  # the check has begun, and waits for an answer
        child = os.fork()
        if child == 0:
            os._exit(0 if ask(app, "/ready")[0] == 503 else 1)
        asking.join()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_probes_at_once_share_one_check_and_live_does_not_wait():
    """While a database does not answer, one connection is tried for all who ask, and /live answers meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        app = make_wsgi_app(f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/x?gssencmode=disable&sslmode=disable")
        server = HealthServer(app)
        running = threading.Thread(target=server.run)
        running.start()
        statuses = []

        def probe(path):
            with socket.create_connection(server.server_address) as conn:
                conn.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                statuses.append((path, conn.makefile("rb").readline().split()[1]))

        probes = [threading.Thread(target=probe, args=("/ready",)) for _ in range(10)]
        for each in probes:
            each.start()
        tried = silent.accept()
        probe("/live")
        assert statuses == [("/live", b"200")]  # the others still wait
        for each in probes:
            each.join()
        assert statuses[1:] == [("/ready", b"503")] * 10
        silent.settimeout(0)
        with pytest.raises(BlockingIOError):
            silent.accept()  # nobody else had tried
        tried[0].close()
        server.stop()
        running.join(60)
        assert not running.is_alive()
