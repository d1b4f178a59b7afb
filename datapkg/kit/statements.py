"""SQL text compiled once for each query shape; compiling is half the cost of reading one row by its key."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import peewee as pw

from datapkg.kit.database import current, run_statement
from datapkg.kit.dialect import SQLITE, Dialect
from datapkg.kit.engines import KitDatabase
from datapkg.kit.jsontext import Encoded
from datapkg.kit.rows import instance_builder

__all__ = ["Param", "Statement", "insert", "insert_many"]

M = TypeVar("M", bound=pw.Model)

_BATCH = 1000


class Param(pw.Node):
    """A value that a :class:`Statement` is given each time it runs.

    Args:
        name: the keyword it is given by.
        convert: makes the driver's value of it; usually a field's ``db_value``.
    """

    def __init__(self, name: str, convert: Callable[[Any], Any] | None = None) -> None:
        self.name = name
        self.convert = convert

    def __sql__(self, ctx: Any) -> Any:
        # Into the list of values as it is; the statement puts the value in its place.
        ctx._values.append(self)
        return ctx.literal(ctx.state.param or "?")


class Statement(Generic[M]):
    """A query that is compiled once for each engine and run with parameters.

    Args:
        build: makes the query (or a pair of SQL text and parameters) for an engine; :class:`Param` marks the values.
        model: the model that rows turn into, where the first columns are all of its own.
    """

    def __init__(self, build: Callable[[Dialect], Any], *, model: type[M] | None = None) -> None:
        self._build = build
        self._model = model
        self._compiled: dict[str, tuple[str, tuple[Any, ...]]] = {}

    def _prepare(self, database: KitDatabase, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        compiled = self._compiled.get(database.dialect.name)
        if compiled is None:
            query = self._build(database.dialect)
            sql, params = query if isinstance(query, tuple) else _compile(database, query)
            compiled = self._compiled[database.dialect.name] = (sql, tuple(params))
        sql, template = compiled
        bound = []
        for item in template:
            if type(item) is Param:
                value = values[item.name]
                item = value if item.convert is None or value is None else item.convert(value)
            bound.append(item)
        return sql, bound

    def tuples(self, **values: Any) -> list[Any]:
        """Run the query and return the driver's rows."""
        database = current()
        return database.fetch(*self._prepare(database, values))

    def all(self, **values: Any) -> list[M]:
        """Run the query and return model instances."""
        assert self._model is not None, "a statement without a model has only tuples"
        database = current()
        rows = database.fetch(*self._prepare(database, values))
        return list(map(instance_builder(self._model, database.dialect), rows))

    def one(self, **values: Any) -> M | None:
        """Run the query and return its first row as a model instance, or None."""
        assert self._model is not None, "a statement without a model has only tuples"
        database = current()
        rows = database.fetch(*self._prepare(database, values))
        return instance_builder(self._model, database.dialect)(rows[0]) if rows else None

    def run(self, **values: Any) -> int:
        """Run a writing statement, retried like every write, and return how many rows it changed."""
        database = current()
        sql, bound = self._prepare(database, values)
        return run_statement(lambda: database.change(sql, bound))

    def returning(self, **values: Any) -> list[Any]:
        """Run a writing statement with RETURNING, retried like every write, and return the driver's rows."""
        database = current()
        sql, bound = self._prepare(database, values)
        return run_statement(lambda: database.fetch(sql, bound))


def _compile(database: KitDatabase, query: Any) -> tuple[str, Sequence[Any]]:
    context: Any = database.get_sql_context()
    sql, params = context.sql(query).query()
    return sql, params


_inserts: dict[tuple[type[pw.Model], str], tuple[tuple[Any, ...], str, list[Any]]] = {}


def _insert_plan(model: type[pw.Model], dialect: Dialect) -> tuple[str, list[Any]]:
    fields = tuple(model._meta.sorted_fields)
    plan = _inserts.get((model, dialect.name))
    if plan is None or plan[0] != fields:
        columns = ", ".join(f'"{field.column_name}"' for field in fields)
        marks = ", ".join([dialect.param] * len(fields))
        sql = f'INSERT INTO "{model._meta.table_name}" ({columns}) VALUES ({marks})'
        converters = [(field.name, field.db_value, model._meta.defaults.get(field)) for field in fields]
        plan = _inserts[model, dialect.name] = (fields, sql, converters)
    return plan[1], plan[2]


def _bound(converters: list[Any], values: Mapping[str, Any]) -> list[Any]:
    bound = []
    for name, convert, default in converters:
        value = values[name] if name in values else default() if callable(default) else default
        value = None if value is None else convert(value)
        # The drivers take exact text as it stands, and look for adapters of a subclass.
        bound.append(str(value) if type(value) is Encoded else value)
    return bound


def insert(model: type[M], values: Mapping[str, Any]) -> M:
    """Insert one row and return it as an instance; columns left out take their defaults.

    Args:
        model: the table.
        values: by field name; document columns may be content or encoded text.

    Raises:
        ConflictError: a constraint refused the row.
        ValidationError: a value does not fit its column.
    """
    database = current()
    sql, converters = _insert_plan(model, database.dialect)
    bound = _bound(converters, values)
    run_statement(lambda: database.change(sql, bound))
    # What was bound is spelled as SQLite gives it back, whatever the engine.
    return instance_builder(model, SQLITE)(bound)


def insert_many(model: type[pw.Model], rows: Iterable[Mapping[str, Any]], *, unless: Sequence[str] = ()) -> int:
    """Insert rows inside the caller's transaction, a batch at a time, and return how many.

    Args:
        model: the table.
        rows: values by field name, as for :func:`insert`; consumed once.
        unless: the fields of a unique constraint; a row that it would refuse is left out instead.

    Raises:
        ConflictError: a constraint refused a row; the caller's transaction must be undone.
        ConfigurationError: no transaction is open.
    """
    database = current()
    converters = _insert_plan(model, database.dialect)[1]
    fields = model._meta.fields
    columns = [fields[name].column_name for name, _, _ in converters]
    key = [fields[name].column_name for name in unless]
    table, waiting, inserted = model._meta.table_name, iter(rows), 0
    while batch := [_bound(converters, row) for row in itertools.islice(waiting, _BATCH)]:
        inserted += database.insert_rows(table, columns, batch, unless=key)
    return inserted
