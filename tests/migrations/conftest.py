"""A migration history of the test's own, on an empty database of each engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import nursery
import pytest

from datapkg import registry
from datapkg.kit.database import open_database, override, release
from datapkg.kit.domains import Domain
from datapkg.kit.engines import KitDatabase
from datapkg.operations import migrations

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
def start(files: Files, url: str) -> Callable[..., nursery.Process]:
    """Start another process that migrates the database, or with ``undo=True`` rolls it back."""

    def run(failpoint: str | None = None, **options: object) -> nursery.Process:
        environment = {**os.environ, **({"DATAPKG_FAILPOINT": failpoint} if failpoint else {})}
        return nursery.start_python(CHILD, url, files.folder, json.dumps(options), env=environment, cwd=files.folder)

    return run


@pytest.fixture
def start_python() -> Callable[[str], str]:
    """Run code in a Python of its own and return what it printed."""

    def run(code: str) -> str:
        return subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True).stdout.strip()

    return run


MODELS = """
@migrator.create_model
class Author(Model):
    name = TextField(max_length=50)
    class Meta:
        table_name = "authors"

@migrator.create_model
class Note(MutableModel):
{fields}
    class Meta:
        table_name = "{table}"
{meta}

@migrator.create_model
class Mark(Model):
    note = ForeignKey(Note, on_delete="CASCADE")
    class Meta:
        table_name = "marks"
"""
FIELDS = {
    "text": "TextField(max_length=20)",
    "kind": 'EnumField(choices=("a", "b"), default="a", index=True)',
    "pages": "IntegerField(min=0, null=True)",
    "price": "DecimalField(max_digits=6, scale=2, null=True)",
    "author": 'ForeignKey(Author, on_delete="RESTRICT", null=True)',
    "parent": 'ForeignKey("self", on_delete="SET NULL", null=True)',
    "code": "TextField(max_length=5, unique=True, null=True)",
}
INDEXES = 'indexes = ((("text", "kind"), True),)'
NEW_AUTHOR = 'ForeignKey(migrator.orm["authors"], on_delete="{rule}", null=True)'
ID = "0192e4a0-0000-7000-8000-{:012d}"
AT = "2024-01-01T00:00:00.000000Z"


def models(**changes: str | None) -> str:
    """The two-table state, with these fields, this table name or these Meta lines instead."""
    table, meta, after = (
        changes.pop(name, default) for name, default in (("table", "notes"), ("meta", INDEXES), ("after", ""))
    )
    fields = {**FIELDS, **{name: made and literal(made) for name, made in changes.items()}}
    lines = "\n".join(f"    {name} = {made}" for name, made in fields.items() if made)
    text = MODELS.format(fields=lines, meta=f"        {literal(meta)}" if meta else "", table=table)
    return text.replace("\n@migrator.create_model\nclass Note", "\nclass Note").replace(
        "@migrator.create_model\nclass Mark",
        f"{after}\nmigrator.create_model(Note)\n\n@migrator.create_model\nclass Mark",
    )


def fill(database: KitDatabase) -> None:
    """Rows in every table: parents, children, references to themselves."""
    database.execute_sql(f"INSERT INTO authors (id, created_at, name) VALUES ('{ID.format(1)}', '{AT}', 'A')")
    for n in range(1, 6):
        parent, author = (f"'{ID.format(n - 1)}'" if n > 1 else "NULL"), (f"'{ID.format(1)}'" if n % 2 else "NULL")
        price = n * 150 if database.dialect.name == "sqlite" else n * 1.5
        database.execute_sql(
            "INSERT INTO notes (id, created_at, updated_at, text, kind, pages, price, author_id, parent_id, code) "
            "VALUES "
            f"('{ID.format(n)}', '{AT}', '{AT}', 't{n}', 'b', {n}, {price}, {author}, {parent}, 'c{n}')"
        )
        database.execute_sql(
            f"INSERT INTO marks (id, created_at, note_id) VALUES ('{ID.format(n)}', '{AT}', '{ID.format(n)}')"
        )


def everything(database: KitDatabase) -> dict[str, object]:
    """All rows, columns in the order of their names."""
    found = {}
    for table, facts in migrations.catalog(database=database).tables.items():
        if not table.startswith("datapkg_"):
            columns = sorted(facts.columns)
            listed = ", ".join(f'"{column}"' for column in columns)
            found[table] = (columns, database.fetch(f'SELECT {listed} FROM "{table}" ORDER BY id', ()))
    return found


def literal(text: str) -> str:
    """Put the fields of the first state in the place of <name>."""
    for name, made in FIELDS.items():
        text = text.replace(f"<{name}>", made)
    for rule in ("CASCADE", "RESTRICT"):
        text = text.replace(f"<author {rule}>", NEW_AUTHOR.format(rule=rule))
    return text.replace("<indexes>", INDEXES)


class Notes:
    """Authors, notes that refer to them and to each other, and marks on notes: as migrations, and with rows."""

    literal = staticmethod(literal)
    models = staticmethod(models)
    fill = staticmethod(fill)
    everything = staticmethod(everything)


@pytest.fixture
def notes() -> type[Notes]:
    """The tables that operations are tried on."""
    return Notes
