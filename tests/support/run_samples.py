"""Definitions with scenarios, runs in any state, stored rows as foreign code writes them, and many callers at once."""

from __future__ import annotations

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import nursery

from datapkg import evaluation
from datapkg.evaluation.run_states import update_run_status
from datapkg.evaluation.runs import create_run
from datapkg.kit.database import current

INSTANT = "2026-01-02T03:04:05.000000Z"
STEPS = {
    "PENDING": (),
    "RUNNING": ("RUNNING",),
    "PAUSED": ("RUNNING", "PAUSED"),
    "COMPLETED": ("RUNNING", "COMPLETED"),
    "FAILED": ("RUNNING", "FAILED"),
    "CANCELLED": ("CANCELLED",),
}


def numbered(count, *, name="numbered"):
    """Create a definition with scenarios named ``n=0``, ``n=1``, …"""
    values = [str(number) for number in range(count)]
    content = {"preamble": "", "template": "{n}", "dimensions": [{"name": "n", "values": values or ["unused"]}]}
    definition = evaluation.create_definition(name, content=content)
    if count:
        evaluation.generate_scenarios(definition.id)
    return definition


def run_of(definition=None, *, status="PENDING", **config):
    """Create a run of one model and bring it to a status."""
    definition = definition or numbered(2)
    run = create_run(definition.id, config={"models": ["m"], **config})
    for step in STEPS[status]:
        run = update_run_status(run.id, status=step)
    return run


def execute(sql, *values):
    """Run a statement written with question marks, as foreign code would."""
    return current().change(sql.replace("?", current().dialect.param), values)


def fetch(sql, *values):
    """Return the rows of a query written with question marks."""
    return current().fetch(sql.replace("?", current().dialect.param), values)


def count(table):
    """Return how many rows a table has."""
    return fetch(f"SELECT count(*) FROM {table}")[0][0]


def store_definition(content, *, parent=None):
    """Put a definition with this very content into the table, and return its key."""
    key = str(uuid.uuid4())
    execute(
        "INSERT INTO definitions (id, name, parent_id, content, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
        key, "stored", parent, json.dumps(content), INSTANT, INSTANT,
    )  # fmt: skip
    return key


def store(run, **columns):
    """Overwrite columns of a stored run, documents given as content."""
    for name, value in columns.items():
        text = json.dumps(value) if name in ("config", "progress") else value
        execute(f"UPDATE runs SET {name} = ? WHERE id = ?", text, str(run.id))


@contextmanager
def counted():
    """Note every statement of the block in a list."""
    statements = []

    def hook(event):
        statements.append(event.sql)

    hooks = current().query_hooks
    hooks.append(hook)
    try:
        yield statements
    finally:
        hooks.remove(hook)


def at_once(*functions):
    """Call functions in threads of their own at the same moment; return each one's result or exception."""
    barrier = threading.Barrier(len(functions))

    def call(function):
        current().connect(reuse_if_open=True)
        barrier.wait(timeout=30)
        try:
            return function()
        except Exception as error:
            return error
        finally:
            current().close()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(call, functions))


def in_processes(number, script, *arguments):
    """Run a script in several processes that all begin at the same moment; return what each of them printed."""
    workers = [nursery.start_python(script, *arguments) for _ in range(number)]
    for worker in workers:
        worker.stdout.readline()  # it has connected
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    printed = []
    for worker in workers:
        output, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
        printed.append(output.strip())
    return printed


START = """
import sys
from datapkg.errors import InvalidTransitionError, ValidationError
from datapkg.evaluation.progress import increment_run_progress
from datapkg.evaluation.run_states import update_run_status
from datapkg.kit import database
database.bind(sys.argv[1], busy_timeout=60.0, retries=20).connect()
print("ready", flush=True)
sys.stdin.readline()
"""
