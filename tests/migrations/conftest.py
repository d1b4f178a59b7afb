"""A migration history of the test's own, on an empty database of each engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datapkg import registry
from datapkg.kit.database import open_database, override, release
from datapkg.kit.domains import Domain
from datapkg.kit.engines import KitDatabase

HISTORY = "mine"
HEAD = """
from pathlib import Path
import peewee as pw
from datapkg.kit.fields import *
from datapkg.kit.models import Model, MutableModel
HERE = Path(__file__).parent

"""
CHILD = """
import json, sys
from pathlib import Path
from datapkg import registry
from datapkg.kit.database import bind
from datapkg.kit.domains import Domain
from datapkg.kit.errors import DatapkgError
from datapkg.operations import migrations

url, folder, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
registry.register(Domain(name="mine", models=(), migrations=Path(folder)))
bind(url)
undo = options.pop("undo", False)
try:
    report = migrations.rollback(**options) if undo else migrations.migrate(**options)
    print(json.dumps(report.rolled_back if undo else report.applied))
except DatapkgError as error:
    print(json.dumps({"code": error.code, "why": error.why}))
"""


class Files:
    """The folder of the test's own history, registered as the domain ``mine``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, migrate: str, rollback: str | None = None) -> Path:
        """Write a migration from the bodies of its two functions; without the second it has no rollback."""
        path = self.folder / f"{name}.py"
        text = HEAD + function("migrate", migrate) + ("" if rollback is None else function("rollback", rollback))
        path.write_text(text, encoding="utf-8")
        return path


def function(name: str, body: str) -> str:
    """A function with peewee-migrate's signature."""
    return (
        f"def {name}(migrator, database, *, fake=False):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n\n"
    )


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    """The URL of an empty database."""
    return new_url()


@pytest.fixture
def connect() -> Iterator[Callable[[str], KitDatabase]]:
    """Open databases that are closed when the test ends."""
    opened: list[KitDatabase] = []

    def open_one(url: str) -> KitDatabase:
        opened.append(open_database(url))
        return opened[-1]

    yield open_one
    for database in opened:
        release(database)


@pytest.fixture
def database(url: str, connect: Callable[[str], KitDatabase]) -> Iterator[KitDatabase]:
    """An empty database, in force during the test."""
    with override(connect(url)) as opened:
        yield opened


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    """The test's own migration files, none yet."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    registry.register(Domain(name=HISTORY, models=(), migrations=folder))
    yield Files(folder)
    registry.unregister(HISTORY)


@pytest.fixture
def start(files: Files, url: str) -> Callable[..., subprocess.Popen[str]]:
    """Start another process that migrates the database, or with ``undo=True`` rolls it back."""

    def run(failpoint: str | None = None, **options: object) -> subprocess.Popen[str]:
        environment = {**os.environ, **({"DATAPKG_FAILPOINT": failpoint} if failpoint else {})}
        command = [sys.executable, "-c", CHILD, url, str(files.folder), json.dumps(options)]
        return subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=files.folder
        )

    return run


@pytest.fixture
def start_python() -> Callable[[str], str]:
    """Run code in a Python of its own and return what it printed."""

    def run(code: str) -> str:
        return subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True).stdout.strip()

    return run
