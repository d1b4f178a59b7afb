"""Books, and who took them when."""

from __future__ import annotations

from typing import Any

from datapkg.kit.fields import EnumField, ForeignKey, JSONField, TextField
from datapkg.kit.models import Model, MutableModel


def migrate(migrator: Any, database: Any, *, fake: bool = False) -> None:
    users = migrator.orm["users"]

    @migrator.create_model
    class Book(MutableModel):
        isbn = TextField(max_length=13, min_length=13, unique=True)
        title = TextField(max_length=300, min_length=1)
        details = JSONField()
        original = ForeignKey("self", on_delete="RESTRICT", null=True)
        lent_to = ForeignKey(users, on_delete="RESTRICT", null=True)

        class Meta:
            table_name = "books"

    @migrator.create_model
    class LoanEvent(Model):
        book = ForeignKey(Book, on_delete="RESTRICT")
        reader = ForeignKey(users, on_delete="RESTRICT")
        event = EnumField(choices=("LENT", "RETURNED"))

        class Meta:
            table_name = "loan_events"
            append_only = True


def rollback(migrator: Any, database: Any, *, fake: bool = False) -> None:
    migrator.remove_model("loan_events")
    migrator.remove_model("books")
