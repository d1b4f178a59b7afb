"""Seeding a domain of one's own: keys of every kind, references, and rows in any order."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from shop_samples import Product, Shelf, domain

import datapkg
from datapkg import SeedTable, accounts, evaluation, registry
from datapkg.errors import ConfigurationError, SeedError
from datapkg.kit.database import current
from datapkg.operations.documents import documents_status, documents_upgrade
from datapkg.operations.seeding import profiles, seed

CONTENT = {"schema_version": 1, "preamble": "", "template": "", "dimensions": []}


pytestmark = pytest.mark.datapkg_commits  # migrating commits


@pytest.fixture
def shop(tmp_path, db):
    """Register the shop, and work on a database that has its tables; calling it registers it changed."""

    def register(**changes):
        registry.unregister("shop")
        datapkg.register(domain(tmp_path / "shop", **changes))

    register()
    try:
        datapkg.migrate()
        yield register
    finally:
        registry.unregister("shop")


@pytest.fixture
def write(tmp_path):
    """Write a seed file and return its path."""

    def make(table, rows, name=None):
        path = tmp_path / (name or f"{table}.json")
        path.write_text(json.dumps({"table": table, "rows": rows}), encoding="utf-8")
        return path

    return make


def problems(*files):
    """Seed files that are refused, and return what is wrong with them."""
    with pytest.raises(SeedError) as caught:
        seed(files=files)
    return caught.value.meta["problems"]


def actions(report):
    """Return what became of each row."""
    return {(change.table, change.key): change.action for change in report.changes}


def test_a_domain_of_ones_own_is_served_like_a_built_in_one(shop):
    """Its profile, tables, documents and history are there; seeding again changes nothing."""
    assert profiles() == ["base", "demo", "shop"]
    assert actions(seed(profile="shop"))["shelves", "-2"] == "insert"
    assert not seed(profile="shop").changed
    assert {label.name for label in datapkg.status().applied} >= {"shop: 001_shop"}
    shelf = Shelf.get(Shelf.number == 1)
    current().change(
        f"INSERT INTO products (id, created_at, updated_at, shelf_id, code, note) VALUES "
        f"('{shelf.id}', '2026-01-02T03:04:05.000000Z', '2026-01-02T03:04:05.000000Z', '{shelf.id}', 'a', "
        f"""'{{"note": "old"}}')""",
        (),
    )
    assert [row["state"] for row in documents_status() if row["column"] == "products.note"] == ["old"]
    assert documents_upgrade().upgraded == 1
    assert Product.get().note == {"schema_version": 1, "text": "old"}


def test_numbers_references_and_several_fields_make_keys(shop, write):
    """A number, a reference, a pair with a reference in it; found again the second time."""
    accounts.create_user("ada@example.com")
    files = [
        write("shelves", [{"number": 1, "label": "one"}, {"number": -2, "label": "Ünï"}]),
        write(
            "products",
            [
                {"shelf": 1, "code": "new", "replaces": [1, "old"], "price": "1.50", "since": "2024-02-29"},
                {"shelf": 1, "code": "old"},
                {"shelf": -2, "code": "old"},
            ],
        ),
        write("keepers", [{"user": "ada@example.com", "favourite": [-2, "old"]}]),
    ]
    assert set(actions(seed(files=files)).values()) == {"insert"}
    assert not seed(files=files).changed
    new = Product.get(Product.code == "new")
    assert (new.replaces.code, new.replaces.shelf.number, new.price) == ("old", 1, Decimal("1.50"))


def test_the_order_of_rows_is_free(shop, write):
    """A child may stand before its parent, over a chain longer than Python's stack."""
    rows = [
        {"key": f"k{n}", "parent": f"k{n - 1}" if n else None, "name": f"n{n}", "content": CONTENT} for n in range(1200)
    ]
    path = write("definitions", rows[::-1])
    assert len(seed(files=[path]).changes) == 1200
    leaf = evaluation.list_definitions(name="n1199")[0]
    assert len(evaluation.get_ancestors(leaf.id)) == 1199
    assert not seed(files=[path]).changed


def test_a_circle_is_told_once(shop, write):
    """Rows that refer to each other, or one to itself, cannot be made; their other fields are checked all the same."""
    found = problems(
        write(
            "definitions",
            [
                {"key": "a", "parent": "b", "name": "a", "content": CONTENT},
                {"key": "b", "parent": "a", "name": "", "content": CONTENT},
                {"key": "c", "parent": "c", "name": "c", "content": CONTENT},
            ],
        )
    )
    assert set(found) == {"definitions.json row 2", "definitions.json row 2, name", "definitions.json row 3"}
    assert "a -> b -> a" in found["definitions.json row 2"][0]


def test_an_email_is_one_key_in_every_spelling(shop, write):
    """The stored spelling counts, for the row, for a reference to it, and for finding it twice."""
    users = write("users", [{"email": " Ada@Example.COM"}])
    definitions = write("definitions", [{"key": "k", "name": "n", "content": CONTENT, "created_by": "ADA@example.com"}])
    seed(files=[users, definitions])
    assert not seed(files=[users, definitions]).changed
    found = problems(write("users", [{"email": "Ada@Example.COM"}, {"email": "ada@example.com"}]))
    assert "twice, first as users.json row 1" in found["users.json row 2"][0]


@pytest.mark.parametrize(
    ("row", "field", "why"),
    [
        ({"shelf": [1], "code": "a"}, "shelf", "text or a number"),
        ({"shelf": None, "code": "a"}, "shelf", "must be given"),
        ({"code": "a"}, "shelf", "must be given"),
        ({"shelf": 10**20, "code": "a"}, "shelf", "neither seeded nor stored"),
        ({"shelf": 1.5, "code": "a"}, "shelf", "neither seeded nor stored"),
        ({"shelf": 1, "code": "a", "replaces": "a"}, "replaces", "as a list of its shelf, code"),
        ({"shelf": 1, "code": "a", "replaces": [1]}, "replaces", "as a list of its shelf, code"),
        ({"shelf": 1, "code": "a", "replaces": [1, "b"]}, "replaces", "neither seeded nor stored"),
    ],
)
def test_a_key_that_cannot_be_one_is_told_by_its_field(shop, write, row, field, why):
    """Whatever stands there, the problem names the row and the field."""
    found = problems(write("shelves", [{"number": 1, "label": "one"}]), write("products", [row]))
    assert list(found) == [f"products.json row 1, {field}"]
    assert why in found[f"products.json row 1, {field}"][0]


@pytest.mark.parametrize("key", ["", "k" * 201, "a\0b", "\ud800", True, ["k"]])
def test_a_key_of_a_row_without_a_natural_one_is_text(shop, write, key):
    """1 to 200 characters that both engines can store."""
    assert list(problems(write("definitions", [{"key": key, "name": "n", "content": CONTENT}]))) == [
        "definitions.json row 1, key"
    ]


def test_null_clears_a_managed_field_and_an_absent_one_stays(shop, write):
    """What a file does not mention is left as it is; null is a value."""
    shelf = write("shelves", [{"number": 1, "label": "one"}])
    seed(files=[shelf, write("products", [{"shelf": 1, "code": "a", "price": "1.20", "note": {"note": "x"}}])])
    assert not seed(files=[shelf, write("products", [{"shelf": 1, "code": "a"}])]).changed
    report = seed(files=[shelf, write("products", [{"shelf": 1, "code": "a", "price": None, "note": None}])])
    assert set(report.changes[1].fields) == {"price", "note"}
    assert (Product.get().price, Product.get().note) == (None, None)


def test_true_in_a_document_is_not_taken_for_one(shop, write):
    """A value that only Python takes for the same is a change; the change names its place in the document."""
    shelf = write("shelves", [{"number": 1, "label": "one"}])

    def product(pinned):
        note = {"schema_version": 1, "text": "x", "pinned": pinned}
        return seed(files=[shelf, write("products", [{"shelf": 1, "code": "a", "note": note}])]).changes[1]

    product([1, {"a": 0}])
    assert product([1, {"a": False}]).action == "update"
    assert product([1, {"a": False}]).action == "unchanged"
    assert list(product([2]).differences()) == [("note.pinned", [1, {"a": False}], [2])]


def test_a_refused_update_does_not_hide_the_problems_after_it(shop, write):
    """On PostgreSQL too, the rows after a conflict are still checked."""
    shop(seeds=(SeedTable(model=Shelf, schema="shop_samples:ShelfRow", natural_key=("label",)),))
    seed(files=[write("shelves", [{"number": 1, "label": "A"}, {"number": 2, "label": "B"}])])
    found = problems(
        write("shelves", [{"number": 2, "label": "A"}, {"number": 3, "label": "B"}, {"number": 1, "label": "C"}])
    )
    assert {place: "uq_shelves_number" in why[0] for place, why in found.items()} == {
        "shelves.json row 1": True,
        "shelves.json row 3": True,
    }
    assert sorted(shelf.number for shelf in Shelf.select()) == [1, 2]


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("{", "not JSON"),
        ("[]", "shape"),
        ('{"extends": "base"}', "shape"),
        ('{"extends": ["nosuch"]}', "which 'shop' extends"),
        ('{"extends": ["shop"]}', "shop -> shop"),
    ],
)
def test_a_broken_profile_is_told(shop, tmp_path, header, why):
    """Its header is not JSON, has another shape, or extends what is not there or itself."""
    (tmp_path / "shop" / "fixtures" / "shop" / "profile.json").write_text(header)
    with pytest.raises(SeedError, match=why):
        seed(profile="shop")


def test_files_of_one_name_from_two_domains_are_kept_apart(shop, tmp_path):
    """A domain may add to a built-in profile with a file of a built-in name; both are in the history."""
    demo = tmp_path / "shop" / "fixtures" / "demo"
    demo.mkdir()
    (demo / "users.json").write_text('{"table": "users", "rows": [{"email": "shop@example.com"}]}')
    assert seed(profile="demo").changed
    assert not seed(profile="demo").changed
    names = current().fetch("SELECT name FROM datapkg_seeds WHERE profile = 'demo' ORDER BY name", ())
    assert [name for (name,) in names if name.endswith("users.json")] == ["shop:users.json", "users.json"]


def test_one_path_is_a_file_and_an_empty_list_is_a_mistake(shop, write):
    """Neither is taken for "no files were given", which would load the demo."""
    assert seed(files=write("shelves", [{"number": 1, "label": "one"}])).profile == "file"
    assert seed(files=str(write("shelves", [{"number": 2, "label": "two"}]))).changed
    with pytest.raises(SeedError, match="empty"):
        seed(files=[])
    assert accounts.find_user_by_email("dev@example.com") is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"migrations": None}, "no migrations folder"),
        ({"name": "flags"}, "exists already"),
        ({"models": (Shelf,)}, "products.note"),
        ({"immutable_documents": frozenset({"products.nosuch"})}, "products.nosuch"),
        ({"models": (Product,)}, "seeds shelves"),
        ({"seeds": (SeedTable(model=Shelf, schema="shop_samples:ShelfRow", natural_key=("nosuch",)),)}, "'nosuch'"),
    ],
)
def test_a_domain_that_could_not_be_served_is_refused_when_it_is_registered(shop, changes, why):
    """The error names what does not fit."""
    with pytest.raises(ConfigurationError, match=why):
        shop(**changes)


def test_a_seed_tables_schema_that_is_not_there_is_told(shop, write):
    """Seeding says which name it could not find."""
    shop(seeds=(SeedTable(model=Shelf, schema="shop_samples:NoSuch", natural_key=("number",)),))
    with pytest.raises(ConfigurationError, match="NoSuch"):
        seed(files=write("shelves", [{"number": 1, "label": "one"}]))
