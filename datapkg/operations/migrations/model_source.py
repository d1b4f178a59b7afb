"""A model, and parts of it, as the frozen source that a migration holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import peewee as pw

from datapkg.kit import fields as kit
from datapkg.kit.dialect.catalog_sqlite import closing_bracket
from datapkg.kit.dialect.tables import TableState, describe
from datapkg.kit.errors import MigrationError
from datapkg.kit.models import Model, MutableModel, named_index, now
from datapkg.operations.migrations.layout import Call, Listed, Named, Node, Quoted, flat, layout, literal_node
from datapkg.operations.migrations.model_state import names_of

__all__ = ["GUARDS", "class_source", "constraint_text", "field_node", "guards_of", "index_node", "object_indexes"]

GUARDS: Mapping[str, Any] = {"append_only": False, "gated": False, "immutable": (), "frozen_by": {}}
"""What ``Meta`` says about triggers, and what it means where it says nothing."""


def guards_of(model: Any) -> dict[str, Any]:
    """Return what a model's ``Meta`` says about triggers, as plain values."""
    meta = model._meta
    return {
        "append_only": bool(getattr(meta, "append_only", False)),
        "gated": bool(getattr(meta, "gated", False)),
        "immutable": tuple(getattr(meta, "immutable", ())),
        "frozen_by": {name: tuple(by) for name, by in getattr(meta, "frozen_by", {}).items()},
    }


# Fields -------------------------------------------------------------------------------------------------------


def field_node(field: Any, refer: Callable[[Any], str], *, default: bool = True, null: bool | None = None) -> Node:
    """Return the call that makes a field.

    Args:
        field: of a model.
        refer: how the migration names another model.
        default: whether to write the field's default.
        null: instead of the field's own.
    """
    name, items = _kind(field, refer)
    if field.null if null is None else null:
        items.append(Named("null", "True"))
    if field.primary_key:
        items.append(Named("primary_key", "True"))
    is_reference = isinstance(field, pw.ForeignKeyField)
    if field.unique:
        items.append(Named("unique", "True"))
    elif bool(field.index) != is_reference and not field.primary_key:
        items.append(Named("index", repr(bool(field.index))))
    usual = field.name if not is_reference or field.name.endswith("_id") else f"{field.name}_id"
    if field.column_name != usual:
        items.append(Named("column_name", Quoted(field.column_name)))
    if field.constraints:
        items.append(Named("constraints", Listed("[]", [_sql(field, each) for each in field.constraints])))
    if default and (value := _default(field)) is not None:
        items.append(Named("default", value))
    if getattr(field, "secret", False):
        items.append(Named("secret", "True"))
    return Call(name, items)


def _kind(field: Any, refer: Callable[[Any], str]) -> tuple[str, list[Node]]:
    items: list[Node] = []
    known = next((each for each in type(field).__mro__ if getattr(kit, each.__name__, None) is each), None)
    if known is None or known is kit.Column:
        if type(field).__module__ != "peewee":
            raise MigrationError(
                f"{field.model._meta.table_name}.{field.name} is a {type(field).__name__}; no migration can spell it.",
                fix="Derive it from a field of datapkg.kit.fields, or write the migration by hand.",
            )
        bounds = [each for each in ("max_length", "max_digits", "decimal_places") if hasattr(field, each)]
        return f"pw.{type(field).__name__}", [Named(each, repr(getattr(field, each))) for each in bounds]
    if isinstance(field, kit.IntegerField):
        limit = 2 ** (field.bits - 1)
        items += [Named("min", repr(field.min))] if field.min != -limit else []
        items += [Named("max", repr(field.max))] if field.max != limit - 1 else []
    elif isinstance(field, kit.FloatField):
        items += [Named(end, repr(getattr(field, end))) for end in ("min", "max") if getattr(field, end) is not None]
    elif isinstance(field, kit.DecimalField):
        items += [Named("max_digits", repr(field.max_digits)), Named("scale", repr(field.scale))]
    elif isinstance(field, kit.EnumField):
        items.append(Named("choices", literal_node(tuple(map(str, field.values)))))
    elif isinstance(field, kit.TextField):
        items += [Named("max_length", repr(field.max_length))] if field.max_length is not None else []
        items += [Named("min_length", repr(field.min_length))] if field.min_length else []
    elif isinstance(field, kit.ForeignKey):
        items.append(Quoted("self") if field.rel_model is field.model else refer(field.rel_model))
        if not field.rel_field.primary_key:
            items.append(Named("field", Quoted(field.rel_field.name)))
        items.append(Named("on_delete", Quoted(field.on_delete)))
        items += [Named("on_update", Quoted(field.on_update))] if field.on_update else []
    # A document's versions are the code's business; for the table it is JSON.
    return ("JSONField" if known is kit.DocumentField else known.__name__), items


def _sql(field: Any, constraint: Any) -> Node:
    context = field.model._schema._create_context()
    sql, params = context.sql(constraint).query()
    if params:
        raise MigrationError(
            f"{field.model._meta.table_name}.{field.name} has a constraint with a bound value: {sql}.",
            fix="Write the value into the SQL text of the constraint.",
        )
    return Call("pw.SQL", [Quoted(sql)])


def _default(field: Any) -> Node | None:
    """Return the default's source, or None where there is none that a migration can freeze."""
    given = field.default
    if given is None or (field.primary_key and callable(given)):
        return None
    if given in (now, dict, list):
        return str(given.__name__)
    try:
        one, two = (given(), given()) if callable(given) else (given, given)
        if isinstance(field, kit.DocumentField):
            one = two = json.loads(field.encode(one))
        plain = json.loads(json.dumps(one))
        steady: bool = plain == json.loads(json.dumps(two))
    except Exception:  # somebody else's function, or a value that is no JSON
        return None
    return literal_node(plain) if steady else None  # another value each time is none to freeze


# Indexes and constraints --------------------------------------------------------------------------------------


def object_indexes(model: Any) -> list[Any]:
    """Return the indexes that were added as objects, which may be partial."""
    return [each for each in model._meta.indexes if isinstance(each, pw.Index)]


def index_node(model: Any, name: str) -> Node:
    """Return the operation that makes an index of a model, by the index's name."""
    table = model._meta.table_name
    index: Any = next(each for each in model._meta.fields_to_index() if named_index(model, each)._name == name)
    parts = [part for part in vars(index)["_expressions"] if isinstance(part, pw.Field)]
    items: list[Node] = [Quoted(table), *(Quoted(part.name) for part in parts)]
    unique = bool(index._unique)
    items += [Named("unique", "True")] if unique else []
    usual = "_".join(["uq" if unique else "ix", table, *(part.column_name for part in parts)])
    items += [Named("name", Quoted(name))] if name != usual else []
    if index._where is not None:
        items.append(Named("where", Call("pw.SQL", [Quoted(_where(describe(model), name))])))
    return Call("migrator.add_index", items)


def _where(table: TableState, name: str) -> str:
    sql = table.indexes[name].sql
    end = closing_bracket(sql, sql.index("(", sql.index(" ON ")))
    return sql[end + 1 :].strip().removeprefix("WHERE ")


def constraint_text(table: TableState, name: str) -> str:
    """Return a table constraint without its name: ``CHECK (…)``."""
    return table.constraints[name].partition('" ')[2]


# Whole models -------------------------------------------------------------------------------------------------


def class_source(model: Any, *, name: str, refer: Callable[[Any], str], indent: int) -> tuple[str, set[str]]:
    """Return the class that makes a model's table in a migration, and the names it needs.

    Args:
        model: the model.
        name: the class's name.
        refer: how the migration names another model.
        indent: how far the class is indented.
    """
    meta, table = model._meta, describe(model)
    base = _base(model, refer)
    inherited = set(base._meta.fields)
    inner = indent + 4
    lines = [f"class {name}({base.__name__}):"]
    used = {base.__name__}
    for field in meta.sorted_fields:
        if field.name not in inherited:
            node = field_node(field, refer)
            used |= names_used(node)
            lines.append(" " * inner + layout(Named(field.name, node, spaced=True), indent=inner))
    body: list[Node] = [Named("table_name", Quoted(meta.table_name), spaced=True)]
    plain = [(names_of(each), bool(each[1])) for each in meta.indexes if not isinstance(each, pw.Index)]
    if plain:
        body.append(Named("indexes", literal_node(tuple(plain)), spaced=True))
    checks: list[Node] = []
    for each in table.constraints:
        text = constraint_text(table, each)
        if not (text.startswith("CHECK (") and text.endswith(")")):
            raise MigrationError(
                f"{each} of {meta.table_name} is no CHECK: {text}.",
                fix="Write the migration by hand: create the table, then migrator.add_constraint.",
            )
        checks.append(Call("pw.Check", [Quoted(text[7:-1]), Quoted(each)]))
        used.add("pw")
    if checks:
        body.append(Named("constraints", Listed("[]", checks), spaced=True))
    body += [
        Named(key, literal_node(value), spaced=True) for key, value in guards_of(model).items() if value != GUARDS[key]
    ]
    lines += ["", " " * inner + "class Meta:"]
    lines += [" " * (inner + 4) + layout(each, indent=inner + 4) for each in body]
    return "\n".join([lines[0], *lines[1:]]), used


def _base(model: Any, refer: Callable[[Any], str]) -> Any:
    mine = {field.name: flat(field_node(field, refer, default=False)) for field in model._meta.sorted_fields}
    for base in (MutableModel, Model):
        wanted: dict[str, str] = {
            field.name: flat(field_node(field, refer, default=False)) for field in base._meta.sorted_fields
        }
        if wanted.items() <= mine.items():
            return base
    raise MigrationError(
        f"{model._meta.table_name} has not the columns id and created_at of datapkg.Model.",
        fix="Derive the model from datapkg.Model or MutableModel, or write the migration by hand.",
    )


def names_used(node: Node) -> set[str]:
    """Return the names that a piece of source takes from its imports."""
    if isinstance(node, str):
        return {node} if node in ("now",) else set()
    if isinstance(node, Named):
        return names_used(node.value)
    if isinstance(node, (Call, Listed)):
        found = set().union(*map(names_used, node.items)) if node.items else set()
        return found | ({node.head.partition(".")[0]} if isinstance(node, Call) else set())
    return set()
