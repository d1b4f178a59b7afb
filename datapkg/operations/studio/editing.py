"""Editing rows by the rules that seeds and loads follow: which tables, a form of texts, one transaction a change."""

from __future__ import annotations

import datetime as dt
import getpass
import os
import re
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from flask_admin.form import SecureForm  # type: ignore[import-untyped]  # it does not say that it has types
from wtforms import HiddenField, SelectChoice, SelectField, StringField, TextAreaField  # type: ignore[import-untyped]
from wtforms.widgets import TextArea  # type: ignore[import-untyped]

from datapkg import audit, registry
from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.differences import ABSENT, differences
from datapkg.kit.domains import Domain, SeedTable
from datapkg.kit.errors import DatapkgError, NotFoundError, StaleWriteError, ValidationError
from datapkg.kit.fields import (
    BigIntegerField,
    BooleanField,
    DocumentField,
    EnumField,
    FloatField,
    ForeignKey,
    IntegerField,
    JSONField,
    TextField,
)
from datapkg.kit.json_values import parse_json
from datapkg.kit.models import Model, MutableModel
from datapkg.operations.migrations.environments import guard
from datapkg.operations.moving.checks import for_stored_rows
from datapkg.operations.moving.targets import require_current
from datapkg.operations.row_writer import RowWriter
from datapkg.operations.studio.values import as_text, document_text

__all__ = ["Editor", "editor_of", "input_name", "parsed"]

_LONG = 300
"""Characters that a column may hold for its text to get more than a line."""
_STAMP = "row_updated_at"
_NEWLINE = re.compile(r"\r\n?")
_ACTOR = 200
"""Characters that an audit entry has for who did it."""
_INTEGER = re.compile(r"[+-]?[0-9]{1,30}\Z")


def editor_of(domain: Domain, model: type[Model]) -> Editor | None:
    """Return what edits a table's rows, or None where nothing may.

    A table can be edited if its rows change at all, no gate and no frozen column protects them, no append-only table
    of its domain keeps their history, which an edit would contradict, and the domain has a schema for stored rows.
    """
    meta: Any = model._meta
    protected = meta.append_only or meta.gated or meta.frozen_by or meta.immutable
    table = next((table for table in domain.seeds if table.model is model), None)
    if protected or table is None or _has_history(domain, model) or not issubclass(model, MutableModel):
        return None
    editor = Editor(domain, table)
    return editor if editor.fields else None


def _has_history(domain: Domain, model: type[Model]) -> bool:
    tables: list[Any] = [other._meta for other in domain.models]
    return any(
        isinstance(field, ForeignKey) and field.rel_model is model
        for other in tables
        if other.append_only
        for field in other.sorted_fields
    )


class Editor:
    """Edits the rows of one table.

    Args:
        domain: whose table it is.
        table: the table and its schema for stored rows.
    """

    def __init__(self, domain: Domain, table: SeedTable) -> None:
        self.model = table.model
        self._writer = RowWriter(table.model, table.schema)
        self._writer.schema = for_stored_rows(self._writer.schema)
        self._declared = self._writer.schema._declared_fields
        name = self.model._meta.table_name
        left = {"id", "created_at", "updated_at"}
        # A reference that freezes a row of another table would set it free by pointing elsewhere.
        freezing = {each for model in registry.models() for each in cast(Any, model._meta).frozen_by.values()}
        self.fields = {
            field.name: field
            for field in self.model._meta.sorted_fields
            if field.name in self._declared
            and field.name not in left
            and not getattr(field, "secret", False)
            and (name, field.column_name) not in freezing
            and f"{name}.{field.column_name}" not in domain.immutable_documents
        }
        inputs = {input_name(each): _input(field) for each, field in self.fields.items()}
        self.form = type("RowForm", (SecureForm,), {**inputs, _STAMP: HiddenField()})

    def filled(self, sent: Any, row: dict[str, Any]) -> Any:
        """Return the form with a row's values, or with what was sent.

        Args:
            sent: the request's form, None unless it was sent.
            row: the row, by field; JSON as the stored text.
        """
        texts, unreadable = self._texts(row)
        values = {input_name(name): text for name, text in texts.items()}
        # A form that is sent without its stamp has none: WTForms would put that of the row as it is now.
        form = self.form(sent, data={**values, _STAMP: as_text(row["updated_at"]) if sent is None else ""})
        for name in unreadable:
            del form[input_name(name)]  # what newer code wrote cannot be edited, nor can the rest of its row
        for name in values:
            if isinstance(form[name], StringField) and "\n" in _as_sent(form[name].data or ""):
                form[name].widget = TextArea()  # an input of one line would drop the others
        return form

    def _texts(self, row: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
        texts, unreadable = {}, []
        for name, field in self.fields.items():
            try:
                json = isinstance(field, JSONField) and row[name] is not None
                texts[name] = document_text(field, row[name]) if json else as_text(row[name])
            except DatapkgError:
                unreadable.append(name)
        return texts, unreadable

    def save(self, form: Any, key: UUID, *, i_know_this_is: str | None, timeout_ms: int) -> None:
        """Write what differs from the stored row, and an audit entry about it, or nothing.

        Args:
            form: the form that was sent.
            key: of the row.
            i_know_this_is: as for :func:`datapkg.studio`.
            timeout_ms: how long a statement may take where the engine can bound it, waiting for others included.

        Raises:
            ValidationError: with every complaint, by field.
            StaleWriteError: somebody else has changed the row since the form was shown.
            NotFoundError: the row is gone.
            ConflictError: a constraint refused the change.
            DatabaseBusyError: somebody else holds the row.
            EnvironmentGuardError: the database has become production meanwhile.
            SchemaOutdatedError, SchemaAheadError, MigrationError, CopyError: it would not be connected to any more.
        """

        @run_in_transaction
        def write() -> None:
            with current().bounded(timeout_ms):
                guard("studio --write", i_know_this_is=i_know_this_is)
                require_current(current(), role="database")
                self._write(form, key)

        write()

    def _write(self, form: Any, key: UUID) -> None:
        query = self.model.select().where(self.model.id == key)
        row = (query.for_update() if current().dialect.for_update else query).first()
        if row is None:
            raise NotFoundError(self.model.__name__.lower(), key)
        if as_text(row.updated_at) != form[_STAMP].data:
            raise StaleWriteError(
                "The row was changed since the form was opened.", fix="Open the row again and repeat the change."
            )
        stored = {each.name: _held(row, each) for each in self.model._meta.sorted_fields}
        changed = self._changed(form, stored)
        values = self._validated(stored, changed)
        found = self._writer.changes(row, values)
        if not found:
            return
        self._writer.update(key, {name: values[name] for name in found})
        audit.record(
            self.model._meta.table_name,
            entity_id=key,
            action="studio_edit",
            actor=_actor(),
            details={"changes": _told(found)},
        )

    def _changed(self, form: Any, stored: dict[str, Any]) -> dict[str, Any]:
        """Return the values of the inputs that say something else than the row."""
        texts, _ = self._texts(stored)
        changed: dict[str, Any] = {}
        problems: dict[str, list[str]] = {}
        for name, field in self.fields.items():
            if name not in texts:
                continue
            given = _as_sent(form[input_name(name)].data or "")
            if given == _as_sent(texts[name]):
                continue
            try:
                changed[name] = None if given == "" and field.null else parsed(field, given)
            except ValidationError as error:
                problems |= error.errors
            except ValueError as error:
                problems[name] = [f"Not JSON: {error}."]
        if problems:
            raise ValidationError(problems, what=f"row of {self.model._meta.table_name}")
        return changed

    def _validated(self, stored: dict[str, Any], changed: dict[str, Any]) -> dict[str, object]:
        """Return the changed values ready to be written, after the whole row has passed the schema."""
        whole = {
            name: _parsed_json(name, value) if isinstance(self.model._meta.fields[name], JSONField) and value else value
            for name, value in stored.items()
        } | changed
        # As for a load: an empty column is left to the schema's default, unless it wants to be told.
        given = {
            name: value
            for name, value in whole.items()
            if name in self._declared and (value is not None or self._declared[name].required)
        }
        values = self._writer.validate(given)
        return {name: None if changed[name] is None else values[name] for name in changed}


def input_name(name: str) -> str:
    """Return what a field's input is called: a field's own name may be one that WTForms needs, such as ``data``."""
    return f"value_{name}"


def _input(field: Any) -> Any:
    label = field.column_name
    if isinstance(field, (EnumField, BooleanField)):
        words = field.values if isinstance(field, EnumField) else ("true", "false")
        empty = [SelectChoice("", "nothing")] if field.null else []
        return SelectField(label, choices=[*empty, *map(SelectChoice, words)])
    long = isinstance(field, TextField) and (getattr(field, "max_length", None) or _LONG + 1) > _LONG
    return (TextAreaField if isinstance(field, JSONField) or long else StringField)(label)


def parsed(field: Any, text: str) -> Any:
    """Return what a text means in a column, for the schema to judge.

    Raises:
        ValueError: it is not JSON, or no instant or day, where it should be.
        ValidationError: it is no document of its column.
    """
    if isinstance(field, DocumentField):
        content = field.document.validate(parse_json(text), path=field.name)
        return parse_json(field.document.dumps(content))
    if isinstance(field, JSONField):
        return parse_json(text)
    if isinstance(field, (IntegerField, BigIntegerField)):
        return int(text) if _INTEGER.match(text) else text
    if isinstance(field, FloatField):
        try:
            return float(text)
        except ValueError:
            return text
    if isinstance(field, BooleanField):
        return {"true": True, "false": False}.get(text, text)
    return text


def _as_sent(text: str) -> str:
    """Return a text with its newlines alike: a browser sends each as CR LF, whatever they were in the page."""
    return _NEWLINE.sub("\n", text)


def _parsed_json(name: str, text: str) -> object:
    try:
        return parse_json(text)
    except ValueError as error:
        problem = f"What is stored cannot be read ({error}), so the row cannot be edited."
        raise ValidationError({name: [problem]}) from error


def _actor() -> str:
    """Return who edits, as the operating system calls them; a user without a name, as in a container, by number."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return f"studio:{name.encode(errors='replace').decode()}"[:_ACTOR]


def _held(row: Model, field: Any) -> Any:
    """Return a column's value, JSON as the stored text."""
    raw_text = getattr(row.__data__, "raw_text", None)
    return raw_text(field.name) if isinstance(field, JSONField) and raw_text else row.__data__.get(field.name)


def _told(found: dict[str, tuple[object, object]]) -> list[dict[str, object]]:
    """Return changes as the audit log keeps them: JSON, parts of documents apart."""
    return [
        {"path": path, "before": _plain(before), "after": _plain(after)}
        for name, (old, new) in found.items()
        for path, before, after in differences(old, new, path=name)
    ]


def _plain(value: object) -> object:
    if value is ABSENT:
        return None
    return str(value) if isinstance(value, (UUID, Decimal, dt.date)) else value
