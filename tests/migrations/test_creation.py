"""New migrations written from the difference between models and migrations: applied, checked, undone, rows kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import peewee as pw
import pytest

import datapkg
from datapkg import registry
from datapkg.kit.domains import Domain
from datapkg.kit.errors import DatapkgError, MigrationError
from datapkg.kit.fields import (
    BigIntegerField,
    DateField,
    DecimalField,
    EnumField,
    FloatField,
    ForeignKey,
    IntegerField,
    JSONField,
    TextField,
)
from datapkg.kit.models import Model, MutableModel
from datapkg.operations import migrations

NAME = "shelf"


def shelf(**changed):
    """The models of a small domain, with these fields of books, these lines of its Meta, or these tables instead."""
    tables = changed.pop("tables", ("writers", "books", "loans"))
    table, meta, index = changed.pop("table", "books"), changed.pop("meta", {}), changed.pop("index", None)

    class Author(Model):
        name = TextField(max_length=50)

        class Meta:
            table_name = "writers"

    fields = {
        "title": TextField(max_length=20),
        "kind": EnumField(choices=("a", "b"), default="a", index=True),
        "pages": IntegerField(min=0, null=True),
        "price": DecimalField(max_digits=6, scale=2, null=True),
        "author": ForeignKey(Author, on_delete="RESTRICT", null=True),
        "sequel_of": ForeignKey("self", on_delete="SET NULL", null=True),
        "code": TextField(max_length=5, unique=True, null=True),
        **changed,
    }
    inner = {"table_name": table, "indexes": ((("title", "kind"), True),), **meta}
    fields = {name: field for name, field in fields.items() if field is not None}
    Book = type(Model)("Book", (MutableModel,), {"__module__": __name__, **fields, "Meta": type("Meta", (), inner)})
    if index:
        Book.add_index(pw.ModelIndex(Book, [getattr(Book, name) for name in index[0]], **index[1]))

    class Loan(Model):
        book = ForeignKey(Book, on_delete="CASCADE")
        reader = TextField(max_length=50)

        class Meta:
            table_name = "loans"

    class Shop(Model):
        name = TextField(max_length=50, unique=True)
        best = ForeignKey(Book, on_delete="SET NULL", null=True)
        opened = DateField(null=True)
        rules = JSONField(default=dict)
        area = FloatField(min=0, default=1.5)

        class Meta:
            table_name = "shops"
            append_only = True
            gated = True
            constraints = [pw.Check("name <> 'it''s \"closed\"' AND " * 6 + "area > 0", "ck_shops_open")]

    made = {"writers": Author, "books": Book, "loans": Loan, "shops": Shop}
    return tuple(made[name] for name in tables)


@pytest.fixture
def domain(tmp_path):
    """Register the domain with other models: as if its code had been edited."""
    folder = tmp_path / NAME
    folder.mkdir()

    def use(**changed):
        registry.unregister(NAME)
        registry.register(Domain(name=NAME, models=shelf(**changed), migrations=folder))
        return folder

    yield use
    registry.unregister(NAME)


ID = "0192e4a0-0000-7000-8000-{:012d}"
AT = "2024-01-01T00:00:00.000000Z"


def fill(database):
    """Rows in every table: parents, children, references to themselves."""
    database.execute_sql(f"INSERT INTO writers (id, created_at, name) VALUES ('{ID.format(1)}', '{AT}', 'A')")
    for n in range(1, 6):
        sequel, author = (f"'{ID.format(n - 1)}'" if n > 1 else "NULL"), (f"'{ID.format(1)}'" if n % 2 else "NULL")
        price = n * 150 if database.dialect.name == "sqlite" else n * 1.5
        database.execute_sql(
            "INSERT INTO books (id, created_at, updated_at, title, kind, pages, price, author_id, sequel_of_id, code) "
            f"VALUES ('{ID.format(n)}', '{AT}', '{AT}', 't{n}', 'b', {n}, {price}, {author}, {sequel}, 'c{n}')"
        )
        database.execute_sql(
            f"INSERT INTO loans (id, created_at, book_id, reader) "
            f"VALUES ('{ID.format(n)}', '{AT}', '{ID.format(n)}', 'r')"
        )


# How the models change at once, with which declared renames and drops, and which tables' rows are there again after a
# rollback (else none).
ROWS = {"writers": 1, "books": 5, "loans": 5}
CHANGES = {
    "more of everything": (
        {
            "note": JSONField(null=True),
            "shelf": EnumField(choices=("100 %", "b'c"), default="100 %", index=True),
            "tags": JSONField(default=list),
            "extra": JSONField(default=lambda: {"a": [1]}),
            "isbn": TextField(max_length=13, unique=True, null=True),
            "editor": "ref",
            "title": TextField(max_length=200, null=True),
            "kind": EnumField(choices=("a", "b", "c"), default="a", index=True),
            "pages": BigIntegerField(null=True),
            "price": DecimalField(max_digits=9, scale=3),
            "meta": {
                "indexes": ((("title", "kind"), True), (("pages", "price"), False)),
                "constraints": [pw.Check("pages > 0 OR title <> '100 %'", "ck_books_rule")],
                "frozen_by": {"title": ("loans", "book_id")},
                "immutable": ("code",),
            },
            "index": (["title"], {"unique": True, "name": "uq_books_a", "where": pw.SQL("kind = 'a'")}),
            "tables": ("writers", "books", "loans", "shops"),
        },
        (),
        (),
        ROWS,
    ),
    "less of everything": (
        {
            "pages": IntegerField(min=0, unique=True),
            "code": TextField(max_length=5, null=True),
            "kind": EnumField(choices=("a", "b")),
            "price": None,
            "sequel_of": None,
            "author": "cascade",
            "meta": {"indexes": (), "append_only": True, "gated": True},
            "tables": ("writers", "books"),
        },
        (),
        (),
        {**ROWS, "loans": 0},
    ),
    "other names": (
        {
            "table": "papers",
            "kind": None,
            "sort": EnumField(choices=("a", "b"), default="a", index=True),
            "author": None,
            "writer": "ref",
            "code": None,
            "sign": TextField(max_length=8, unique=True, null=True),
            "meta": {"indexes": ((("title", "sort"), True),)},
        },
        ("books:papers", "papers.kind:papers.sort", "papers.author:papers.writer", "papers.code:papers.sign"),
        (),
        ROWS,
    ),
    "a required column less": (
        {"title": None, "heading": TextField(max_length=20, null=True), "meta": {"indexes": ()}},
        (),
        (),
        {},
    ),
}


def made_of(changed):
    """The models' changes; a reference needs the Author that is made with the others, so it stands as a word."""

    class Author(Model):
        class Meta:
            table_name = "writers"

    refs = {
        "ref": lambda: ForeignKey(Author, on_delete="SET NULL", null=True),
        "cascade": lambda: ForeignKey(Author, on_delete="CASCADE", null=True),
    }
    return {
        name: refs[field]() if isinstance(field, str) and field in refs else field for name, field in changed.items()
    }


def counts(database, tables):
    """How many rows each of these tables holds."""
    return {name: database.fetch(f"SELECT count(*) FROM {name}", ())[0][0] for name in tables}


def test_changes_of_the_models_become_migrations(database, domain, tmp_path):
    """Each makes the models' tables and keeps the rows; its rollback restores both; ruff likes the files."""
    folder = domain()
    assert datapkg.create_migration("first", auto=True, domain=NAME).name == "001_first.py"
    datapkg.migrate()
    fill(database)
    before, kept = migrations.catalog(), []
    for changed, renames, drops, rows in CHANGES.values():
        domain(**made_of(changed))
        path = datapkg.create_migration("change", auto=True, renames=renames, drops=drops, domain=NAME)
        kept.append(shutil.copy(path, tmp_path / f"{len(kept)}_{path.name}"))
        datapkg.migrate()
        assert migrations.check() == []
        now = {new: old for old, new in (each.split(":") for each in renames if "." not in each)}
        left = {name: ROWS.get(now.get(name, name), 0) for name in ("writers", "books", "papers", "loans", "shops")}
        there = migrations.catalog().tables
        left = {name: n for name, n in left.items() if name in there}
        assert counts(database, left) == left
        if not rows:  # the values of a required column are gone, so only empty tables take it back
            with pytest.raises(DatapkgError):
                datapkg.rollback(history=NAME)
            for table in ("loans", "books"):
                database.execute_sql(f"DELETE FROM {table}")
        datapkg.rollback(history=NAME)
        assert migrations.difference(migrations.catalog(), before) == []
        assert counts(database, rows) == rows
        if rows.get("loans") == 0:
            for n in range(1, 6):
                sql = f"INSERT INTO loans (id, created_at, book_id, reader) VALUES ('{ID.format(n)}', '{AT}'"
                database.execute_sql(f"{sql}, '{ID.format(n)}', 'r')")
        path.unlink()
    print(*(Path(each).read_text() for each in (folder / "001_first.py", *kept)), sep="\n\n")
    config = f"--config={Path(__file__).parents[2] / 'pyproject.toml'}"
    for command in (["check", "--ignore=D103,N999"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, config, "--no-cache", *map(str, (folder, *kept))],
            capture_output=True,
            text=True,
            cwd=tmp_path,  # where datapkg is not the project itself
        )
        assert done.returncode == 0, done.stdout + done.stderr


REFUSED = {
    "renamed or dropped?": (
        {"kind": None, "sort": EnumField(choices=("a", "b")), "meta": {"indexes": ()}},
        "--rename books.kind:books.sort",
    ),
    "which table is it?": ({"table": "papers"}, "--drop books"),
    "required, without a default": ({"isbn": TextField(max_length=13)}, "null=True now"),
    "unique, with one default for all": (
        {"isbn": TextField(max_length=13, unique=True, default="")},
        "three migrations",
    ),
}


@pytest.mark.datapkg_engines("sqlite")
def test_what_nobody_can_know_is_refused_with_a_way_out(database, domain):
    """A possible rename, a required column without a default: refused, no file is left, and the fix is right."""
    folder = domain()
    datapkg.create_migration("first", auto=True, domain=NAME)
    for changed, fix in REFUSED.values():
        domain(**changed)
        with pytest.raises(MigrationError) as error:
            datapkg.create_migration("change", auto=True, domain=NAME)
        assert fix in error.value.fix
    for renames, drops, says in (
        (["books.kind"], (), "is no rename"),
        (["books.kind:books.title"], (), "no new field title"),
        (["loans:papers"], (), "loans is no table that the models lack"),
        ((), ["books.title"], "no field title that its model lacks"),
        ((), ["loans"], "loans is no table that the models lack"),
    ):
        domain(kind=None, sort=EnumField(choices=("a", "b")), meta={"indexes": ()})
        with pytest.raises(MigrationError, match=says):
            datapkg.create_migration("change", auto=True, renames=renames, drops=drops, domain=NAME)
    assert [path.name for path in folder.iterdir()] == ["001_first.py"]
    domain(kind=None, sort=EnumField(choices=("a", "b"), default="a"), meta={"indexes": ()})
    text = datapkg.create_migration("change", auto=True, drops=["books.kind"], domain=NAME).read_text()
    assert "remove_fields" in text and "books.kind goes, with its values" in text
    with pytest.raises(MigrationError, match="agree"):
        datapkg.create_migration("again", auto=True, domain=NAME)
    for name in ("No", "", "a-b"):
        with pytest.raises(MigrationError, match="no name"):
            datapkg.create_migration(name, domain=NAME)
    frame = datapkg.create_migration("by_hand", domain=NAME)
    assert frame.name == "003_by_hand.py"
    datapkg.migrate()
    assert datapkg.rollback(history=NAME).rolled_back == ["shelf: 003_by_hand"]
