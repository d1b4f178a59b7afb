"""A domain as a user would write one: natural keys of every kind, a document, a reference to the package's users."""

from __future__ import annotations

from pathlib import Path

from datapkg import Document, Domain, MutableModel, SeedTable
from datapkg.accounts.models import User
from datapkg.kit.fields import DateField, DecimalField, DocumentField, ForeignKey, IntegerField, TextField
from datapkg.kit.schemas import Date, Decimal, Integer, Json, Schema, Text, Uuid

__all__ = ["Product", "Shelf", "domain"]


class NoteSchema(Schema):
    """Version 1 of ``shop-note``."""

    text = Text(0, 100, required=True)
    pinned = Json()


def v0_to_v1(content):
    """Call the note a text."""
    return {"text": content.get("note", "")}


NOTE = Document("shop-note", NoteSchema, upcasters=(v0_to_v1,))


class Shelf(MutableModel):
    """Known by its number, or in some tests by its label."""

    number = IntegerField(unique=True)
    label = TextField(max_length=50)

    class Meta:
        table_name = "shelves"


class Product(MutableModel):
    """Known by its shelf and its code."""

    shelf = ForeignKey(Shelf, on_delete="RESTRICT")
    code = TextField(max_length=50, min_length=1)
    price = DecimalField(max_digits=10, scale=2, null=True)
    since = DateField(null=True)
    replaces = ForeignKey("self", on_delete="RESTRICT", null=True)
    note = DocumentField(NOTE, null=True)

    class Meta:
        table_name = "products"
        indexes = ((("shelf", "code"), True),)


class Keeper(MutableModel):
    """Known by the user."""

    user = ForeignKey(User, on_delete="CASCADE", unique=True)
    favourite = ForeignKey(Product, on_delete="RESTRICT", null=True)

    class Meta:
        table_name = "keepers"


class ShelfRow(Schema):
    """A shelf in a seed file."""

    number = Integer(-1000, 1000, required=True)
    label = Text(0, 50, required=True)


class ProductRow(Schema):
    """A product in a seed file."""

    shelf = Uuid(required=True)
    code = Text(1, 50, required=True)
    price = Decimal(10, 2, allow_none=True)
    since = Date(allow_none=True)
    replaces = Uuid(allow_none=True)
    note = Json(allow_none=True)


class KeeperRow(Schema):
    """A keeper in a seed file."""

    user = Uuid(required=True)
    favourite = Uuid(allow_none=True)


MIGRATION = """
def migrate(migrator, database, *, fake=False):
    from datapkg.kit.fields import DateField, DecimalField, ForeignKey, IntegerField, JSONField, TextField
    from datapkg.kit.models import MutableModel

    users = migrator.orm["users"]

    @migrator.create_model
    class Shelf(MutableModel):
        number = IntegerField(unique=True)
        label = TextField(max_length=50)

        class Meta:
            table_name = "shelves"

    @migrator.create_model
    class Product(MutableModel):
        shelf = ForeignKey(Shelf, on_delete="RESTRICT")
        code = TextField(max_length=50, min_length=1)
        price = DecimalField(max_digits=10, scale=2, null=True)
        since = DateField(null=True)
        replaces = ForeignKey("self", on_delete="RESTRICT", null=True)
        note = JSONField(null=True)

        class Meta:
            table_name = "products"
            indexes = ((("shelf", "code"), True),)

    @migrator.create_model
    class Keeper(MutableModel):
        user = ForeignKey(users, on_delete="CASCADE", unique=True)
        favourite = ForeignKey(Product, on_delete="RESTRICT", null=True)

        class Meta:
            table_name = "keepers"


def rollback(migrator, database, *, fake=False):
    for table in ("keepers", "products", "shelves"):
        migrator.remove_model(table)
"""


def domain(folder: Path, **changes: object) -> Domain:
    """Return the domain, with its migrations and its profile ``shop`` in a folder.

    Args:
        folder: where to put them.
        changes: arguments of :class:`Domain` to put in place of the usual ones.
    """
    for name in ("migrations", "fixtures/shop"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "migrations" / "001_shop.py").write_text(MIGRATION)
    (folder / "fixtures" / "shop" / "profile.json").write_text('{"description": "A shop.", "extends": ["base"]}')
    (folder / "fixtures" / "shop" / "shelves.json").write_text(
        '{"table": "shelves", "rows": [{"number": 1, "label": "one"}, {"number": -2, "label": "zwei"}]}'
    )
    options: dict[str, object] = {
        "name": "shop",
        "models": (Shelf, Product, Keeper),
        "documents": {"products.note": NOTE},
        "seeds": (
            SeedTable(model=Shelf, schema="shop_samples:ShelfRow", natural_key=("number",)),
            SeedTable(model=Product, schema="shop_samples:ProductRow", natural_key=("shelf", "code")),
            SeedTable(model=Keeper, schema="shop_samples:KeeperRow", natural_key=("user",)),
        ),
        "migrations": folder / "migrations",
        "fixtures": folder / "fixtures",
        **changes,
    }
    return Domain(**options)  # type: ignore[arg-type]
