"""The pages of a table: its rows, one row, the form to edit it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import peewee as pw
from flask import abort, flash, request, url_for
from flask_admin.form import SecureForm  # type: ignore[import-untyped]  # it does not say that it has types
from flask_admin.helpers import get_form_data  # type: ignore[import-untyped]
from flask_admin.model import BaseModelView  # type: ignore[import-untyped]
from flask_admin.model.filters import BaseFilter  # type: ignore[import-untyped]

from datapkg.kit.database import current
from datapkg.kit.domains import Domain
from datapkg.kit.errors import DatapkgError, ValidationError
from datapkg.kit.fields import (
    BooleanField,
    DateField,
    EnumField,
    ForeignKey,
    JSONField,
    TextField,
    TimestampField,
    UUIDField,
)
from datapkg.kit.models import Model
from datapkg.operations.studio.editing import editor_of, input_name, parsed
from datapkg.operations.studio.values import shown

if TYPE_CHECKING:
    from datapkg.operations.studio.app import Studio

__all__ = ["TableView"]

_COUNTED = 10_000
"""Rows that are counted; a longer list has pages without a last one."""
_DEEPEST = 100_000
"""Rows that can be paged through; the engine would read and drop all of those before."""
_FILTERS = 20
"""Filters that a list takes; nobody chooses more, and the engines' parsers have a limit."""

Row = dict[str, Any]


class TableView(BaseModelView):  # type: ignore[misc]  # the base class is untyped
    """A table's pages. Columns that are secret are in none of its queries.

    Args:
        studio: the application.
        domain: whose table it is.
        model: the table.
    """

    can_create = can_delete = can_export = False
    can_view_details = True
    can_set_page_size = True
    page_size = 50
    page_size_options = (20, 50, 100)
    named_filter_urls = True
    details_template = "studio/details.html"

    def __init__(self, studio: Studio, domain: Domain, model: type[Model]) -> None:
        self.studio = studio
        self.editor = editor_of(domain, model) if studio.write else None
        self.table = model._meta.table_name
        self.summary = (model.__doc__ or "").strip().split("\n")[0]
        self.protection = _protection(model)
        self.can_edit = self.editor is not None
        fields = [field for field in model._meta.sorted_fields if not getattr(field, "secret", False)]
        fields.sort(key=lambda field: field.name in ("created_at", "updated_at"))
        self.fields = {field.name: field for field in fields}
        self.column_list = [name for name, field in self.fields.items() if not isinstance(field, JSONField)]
        self.column_details_list = list(self.fields)
        self.column_labels = {name: field.column_name for name, field in self.fields.items()}
        quick = _quick(model)
        self._quick = [field for field in self.fields.values() if field.column_name in quick]
        self.column_sortable_list = [field.name for field in self._quick if not isinstance(field, JSONField)]
        self.column_filters = _filters(self.fields.values(), quick)
        super().__init__(model, self.table, category=domain.name, endpoint=f"table_{self.table}")

    # Every page is answered in a transaction in which the engine refuses writes, but a form that is sent.

    def _handle_view(self, name: str, **kwargs: Any) -> Any:
        if request.method == "POST" and (name != "edit_view" or not self.can_edit):
            abort(403, f"Rows of {self.table} cannot be changed here; call the functions of its domain.")
        return super()._handle_view(name, **kwargs)

    def _run_view(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        with self.studio.session(writing=request.method == "POST"):
            return fn(self, *args, **kwargs)

    # What Flask-Admin asks a back end

    def get_pk_value(self, model: Row) -> str:
        """Return a row's key as it stands in addresses."""
        return str(model["id"])

    def scaffold_list_columns(self) -> list[str]:
        """Return the columns of the list."""
        return list(self.column_list)

    def scaffold_sortable_columns(self) -> dict[str, str]:
        """Return the columns that a list can be sorted by."""
        return {name: name for name in self.column_sortable_list}

    def scaffold_form(self) -> Any:
        """Return the form's class."""
        return SecureForm if self.editor is None else self.editor.form

    def init_search(self) -> bool:
        """Tell whether the list can be searched."""
        return True

    def search_placeholder(self) -> str:
        """Say what is searched."""
        return ", ".join(["id", *(field.column_name for field in self._searched())])

    def _searched(self) -> list[Any]:
        return [each for each in self._quick if isinstance(each, TextField) and not isinstance(each, EnumField)]

    def is_valid_filter(self, filter: object) -> bool:
        """Tell whether a filter is one of ours."""
        return isinstance(filter, _Comparison)

    def _get_field_value(self, model: Row, name: str) -> Any:
        return model[name]

    def _get_list_value(self, context: Any, model: Row, name: str, *formatters: Any) -> Any:
        field, value = self.fields[name], model[name]
        if name == "id" and request.endpoint != f"{self.endpoint}.details_view":
            return shown(field, value, whole=False, link=url_for(".details_view", id=str(value)))
        return shown(field, value, whole="details" in (request.endpoint or ""), link=self._link(field, value))

    def _link(self, field: Any, value: object) -> str | None:
        target = self.studio.views.get(field.rel_model._meta.table_name) if isinstance(field, ForeignKey) else None
        if target is None or value is None or not field.rel_field.primary_key:
            return None
        return url_for(f"{target.endpoint}.details_view", id=str(value))

    def referring(self, model: Row) -> list[tuple[str, str]]:
        """Return the lists of the rows that refer to one, as names and addresses."""
        found = []
        for view in self.studio.views.values():
            for field in view.fields.values():
                if isinstance(field, ForeignKey) and field.rel_model is self.model and field.rel_field.primary_key:
                    query = {f"flt0_{field.column_name}_equals": model["id"]}
                    found.append((f"{view.table}.{field.column_name}", url_for(f"{view.endpoint}.index_view", **query)))
        return found

    def get_list(
        self,
        page: int | None,
        sort_field: str | None,
        sort_desc: object,
        search: str | None,
        filters: Sequence[tuple[int, str, str]] | None,
        page_size: int | None = None,
    ) -> tuple[int | None, list[Row]]:
        """Return how many rows there are (None for very many) and those of a page, newest first unless asked."""
        size, page = page_size or self.page_size, max(page or 0, 0)
        if page * size >= _DEEPEST:
            raise ValidationError({"page": ["Too far from the beginning; narrow the list by a filter."]}, what="list")
        if filters and len(filters) > _FILTERS:
            raise ValidationError({"filters": [f"At most {_FILTERS} at once."]}, what="list")
        query = self.model.select(self.model.id)
        for index, _, value in filters or ():
            query = self._filters[index].apply(query, value)
        if search:
            query = query.where(self._matches(search.replace("\0", "").strip()))
        count = query.limit(_COUNTED + 1).count()
        key = self.model.id
        if sort_field in self._sortable_columns:
            column = self.fields[sort_field]
            order = [column.desc(), key.desc()] if sort_desc else [column.asc(), key.asc()]
        else:
            order = [key.desc()]
        columns = [self.fields[name] for name in self.column_list]
        rows = _rows(query.select(*columns).order_by(*order).limit(size).offset(page * size), columns)
        return (None if count > _COUNTED else count), rows

    def _matches(self, text: str) -> Any:
        conditions = [field.contains(text) for field in self._searched()]
        try:
            conditions.append(self.model.id == UUID(text))
        except ValueError:
            conditions.append(pw.SQL("1 = 0"))
        found = conditions[0]
        for each in conditions[1:]:
            found |= each
        return found

    def get_one(self, id: object) -> Row | None:
        """Return a row with every column that may be seen; JSON stays the stored text."""
        try:
            key = UUID(str(id))
        except ValueError:
            return None
        columns = list(self.fields.values())
        with current().bounded(self.studio.statement_ms):  # a form that is sent is in no transaction yet
            found = _rows(self.model.select(*columns).where(self.model.id == key), columns)
        return found[0] if found else None

    # Editing

    def edit_form(self, obj: Row | None = None) -> Any:
        """Return the form, filled from the row or from what was sent."""
        assert self.editor is not None and obj is not None
        return self.editor.filled(get_form_data(), obj)

    def validate_form(self, form: Any) -> bool:
        """Tell whether a form was sent, and by a page of ours."""
        valid: bool = super().validate_form(form)
        if "csrf_token" in form.errors:
            flash("The form is not from a page of this studio, or it was started anew; open the row again.", "error")
        return valid

    def update_model(self, form: Any, model: Row) -> bool:
        """Write what was changed in the form; show why if it is refused."""
        assert self.editor is not None
        try:
            self.editor.save(
                form, model["id"], i_know_this_is=self.studio.i_know_this_is, timeout_ms=self.studio.statement_ms
            )
        except ValidationError as error:
            for path, messages in error.errors.items():
                name, dot, _ = path.partition(".")
                field = form._fields.get(input_name(name))
                said = [f"{path}: {message}" if dot or field is None else message for message in messages]
                if field is None:
                    flash(" ".join(said), "error")
                else:
                    field.errors = [*field.errors, *said]
            flash("Nothing was written. Correct the named fields.", "error")
            return False
        except DatapkgError as error:
            fix = error.fix.replace("; nothing was written.", ".")
            flash(f"Nothing was written. {error.why} {fix}", "error")
            return False
        return True


def _rows(query: Any, columns: Sequence[Any]) -> list[Row]:
    """Run a query and return its rows; JSON is left as text, so that a document of newer code is still a row."""
    readers = [(field.name, None if isinstance(field, JSONField) else field.python_value) for field in columns]
    sql, params = query.sql()
    return [
        {name: value if read is None else read(value) for (name, read), value in zip(readers, raw, strict=True)}
        for raw in current().fetch(sql, params)
    ]


def _protection(model: type[Model]) -> str:
    meta: Any = model._meta
    if meta.append_only or meta.gated:
        return "write gate"
    return "frozen once used" if meta.frozen_by or meta.immutable else ""


def _quick(model: type[Model]) -> set[str]:
    """Return the columns that an index begins with."""
    found = {"id"}
    for index in model._meta.fields_to_index():
        first = index._expressions[0]
        found.add(getattr(first, "column_name", ""))
    return found


class _Comparison(BaseFilter):  # type: ignore[misc]  # the base class is untyped
    """A condition on one column."""

    def __init__(self, field: Any, word: str, options: Sequence[tuple[str, str]] | None = None) -> None:
        super().__init__(field.column_name, options=options)
        self._field, self._word = field, word

    def operation(self) -> str:
        return self._word

    def clean(self, value: str) -> Any:
        if isinstance(self._field, TimestampField):
            instant = dt.datetime.fromisoformat(value.strip())
            return instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)
        if isinstance(self._field, DateField):
            return dt.date.fromisoformat(value.strip())
        return parsed(self._field, value.strip())

    def validate(self, value: str) -> bool:
        try:
            self._field.db_value(self.clean(value))
        except (ValueError, DatapkgError):
            return False
        return True

    def apply(self, query: Any, value: str) -> Any:
        given = self.clean(value)
        if self._word == "from":
            return query.where(self._field >= given)
        return query.where(self._field < given if self._word == "before" else self._field == given)


def _filters(fields: Any, quick: set[str]) -> list[_Comparison]:
    found = []
    for field in fields:
        if isinstance(field, EnumField):
            found.append(_Comparison(field, "equals", [(each, each) for each in field.values]))
        elif isinstance(field, BooleanField):
            found.append(_Comparison(field, "equals", [("true", "true"), ("false", "false")]))
        elif isinstance(field, TimestampField):
            if field.column_name in quick:
                found += [_Comparison(field, "from"), _Comparison(field, "before")]
        elif isinstance(field, (ForeignKey, UUIDField)) or (
            field.column_name in quick and not isinstance(field, JSONField)
        ):
            found.append(_Comparison(field, "equals"))
    return found
