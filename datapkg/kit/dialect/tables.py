"""One table as its model describes it, in one engine's words, and how two such states differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import peewee as pw

from datapkg.kit.dialect import dialect_of
from datapkg.kit.dialect.base import quote
from datapkg.kit.errors import MigrationError
from datapkg.kit.fields import Column
from datapkg.kit.models import named_index

__all__ = [
    "Change",
    "ColumnState",
    "IndexState",
    "TableState",
    "Tag",
    "changes",
    "constraint_name",
    "describe",
    "worst",
]

Tag = Literal["additive", "widening", "data", "destructive"]
_NAME = re.compile(r'CONSTRAINT "((?:[^"]|"")+)"')
_LIMITS = ("max_length", "min_length", "min", "max", "values", "max_digits", "scale")


@dataclass(frozen=True)
class ColumnState:
    """A column.

    Attributes:
        name: its name.
        kind: the field's own type, the same on both engines.
        type: the engine's type.
        null: whether it may be empty.
        extra: what stands beside the type, such as ``DEFAULT 0``.
        check: its named CHECK, or an empty text.
        foreign_key: its named foreign key, or an empty text.
        ddl: the whole definition, the foreign key left out.
        limits: bounds that Python enforces too, to tell a wider column from a narrower one.
    """

    name: str
    kind: str
    type: str
    null: bool
    extra: str
    check: str
    foreign_key: str
    ddl: str
    limits: Mapping[str, Any] = field(compare=False, default_factory=dict)


@dataclass(frozen=True)
class IndexState:
    """An index: its name, whether it is unique, and the statement that makes it."""

    name: str
    unique: bool
    sql: str
    params: tuple[object, ...] = ()

    def shape(self) -> tuple[object, ...]:
        """What the index is, its name apart."""
        return (self.unique, self.sql.replace(quote(self.name), "", 1), self.params)


@dataclass(frozen=True)
class TableState:
    """A table: everything that makes it, as statements of one engine.

    Attributes:
        name: the table.
        create: its CREATE TABLE.
        columns, constraints, indexes: by name; constraints are those of the table, not of a column.
        triggers: the statements that make them.
        trigger_names: their names.
    """

    name: str
    create: str
    columns: Mapping[str, ColumnState]
    constraints: Mapping[str, str]
    indexes: Mapping[str, IndexState]
    triggers: tuple[str, ...] = ()
    trigger_names: tuple[str, ...] = ()


def describe(model: type[pw.Model]) -> TableState:
    """Return what the model stands for on the engine of its database; nothing is run."""
    schema: Any = model._schema  # type: ignore[attr-defined]  # not in Peewee's stubs
    meta = model._meta
    dialect = dialect_of(schema.database)

    def render(node: object) -> str:
        sql, params = schema._create_context().sql(node).query()
        if params:
            raise MigrationError(
                f"The table {meta.table_name} has a default or constraint with a bound value: {sql}.",
                fix="Write the value into the SQL text of the constraint.",
            )
        return str(sql)

    columns = {}
    for each in meta.sorted_fields:
        columns[each.column_name] = ColumnState(
            name=each.column_name,
            kind=each.field_type,
            type=render(each.ddl_datatype(schema._create_context())),
            null=each.null,
            extra=" ".join(render(constraint) for constraint in each.constraints or ()),
            check=each.named_check(dialect) if isinstance(each, Column) else "",
            foreign_key=render(each.foreign_key_constraint()) if isinstance(each, pw.ForeignKeyField) else "",
            ddl=render(each.ddl(schema._create_context())),
            limits={name: getattr(each, name) for name in _LIMITS if getattr(each, name, None) is not None},
        )
    constraints = {}
    for constraint in meta.constraints or ():
        text = render(constraint)
        if not _NAME.match(text):
            raise MigrationError(
                f"The table {meta.table_name} has a constraint without a name: {text}.",
                fix=f'Name it: peewee.Check("…", name="ck_{meta.table_name}_…").',
            )
        constraints[constraint_name(text)] = text
    indexes = {}
    for index in meta.fields_to_index():
        named = named_index(model, index)
        sql, params = schema._create_context().sql(_with_literals(schema.database, named.safe(False))).query()
        indexes[named._name] = IndexState(named._name, bool(named._unique), sql, tuple(params))
    sql, params = schema._create_table(safe=False).query()
    return TableState(
        name=meta.table_name,
        create=sql,
        columns=columns,
        constraints=constraints,
        indexes=indexes,
        triggers=tuple(schema.trigger_ddl()),
        trigger_names=tuple(schema.trigger_names()),
    )


def constraint_name(text: str) -> str:
    """Return the name in ``CONSTRAINT "name" …``, or the text itself where it has none."""
    match = _NAME.match(text)
    return match[1].replace('""', '"') if match else text


def _with_literals(database: Any, index: Any) -> Any:
    return pw.ValueLiterals(index) if database.index_value_literals else index


@dataclass(frozen=True)
class Change:
    """One difference between two states of a table.

    Attributes:
        kind: what differs: drop_triggers, rename_table, rename_column, drop_index and so on.
        tag: what the change does to data and to code that runs at the same time.
        old, new: the column, index, constraint or name before and after; None where there is none.
    """

    kind: str
    tag: Tag
    old: Any = None
    new: Any = None


def worst(found: list[Change]) -> Tag:
    """Return the tag of the most dangerous change; additive where there is none."""
    order: list[Tag] = ["additive", "widening", "data", "destructive"]
    return max((change.tag for change in found), key=order.index, default="additive")


_ORDER = (
    "drop_triggers",
    "rename_table",
    "rename_column",
    "drop_index",
    "rename_index",
    "drop_foreign_key",
    "drop_constraint",
    "rename_constraint",
    "drop_column",
    "type",
    "default",
    "add_column",
    "null",
    "add_constraint",
    "add_index",
    "add_foreign_key",
    "add_triggers",
)


def changes(before: TableState, after: TableState, renames: Mapping[str, str]) -> list[Change]:
    """Return how a table changes, in an order in which it can be done.

    Args:
        before, after: the two states.
        renames: old column names to new ones.
    """

    def renamed(sql: str) -> str:
        # The statement as the renames alone would leave it.
        for old, new in renames.items():
            sql = sql.replace(quote(old), quote(new))
        return sql.replace(quote(before.name), quote(after.name))

    found = [Change("rename_column", "destructive", old, new) for old, new in renames.items() if old != new]
    if before.name != after.name:
        found.append(Change("rename_table", "destructive", before.name, after.name))
    if before.triggers != after.triggers:
        if before.triggers:
            found.append(Change("drop_triggers", "additive" if after.triggers else "widening", before, after))
        if after.triggers:
            found.append(Change("add_triggers", "additive" if before.triggers else "destructive", before, after))
    found += _index_changes(before, after, renamed)
    old_columns = {renames.get(name, name): column for name, column in before.columns.items()}
    for name, column in after.columns.items():
        found += _column_changes(old_columns.get(name), column, renamed)
    found += [Change("drop_column", "destructive", name, None) for name in old_columns if name not in after.columns]
    for name in {*before.constraints, *after.constraints}:
        old, new = before.constraints.get(name, ""), after.constraints.get(name, "")
        found += _constraint_changes(old, new, renamed, "constraint", "destructive")
    return sorted(found, key=lambda change: _ORDER.index(change.kind))


def _column_changes(was: ColumnState | None, column: ColumnState, renamed: Callable[[str], str]) -> list[Change]:
    if was is None:
        found = [Change("add_column", "additive", None, column)]
        if column.foreign_key:
            found.append(Change("add_foreign_key", "additive", None, column.foreign_key))
        return found
    tag = _narrowing(was, column)
    found = _constraint_changes(was.check, column.check, renamed, "constraint", tag)
    found += _constraint_changes(was.foreign_key, column.foreign_key, renamed, "foreign_key", "destructive")
    if was.type != column.type or was.kind != column.kind or was.limits.get("scale") != column.limits.get("scale"):
        found.append(Change("type", tag, was, column))
    if was.extra != column.extra:
        found.append(Change("default", "widening", was, column))
    if was.null != column.null:
        found.append(Change("null", "widening" if column.null else "destructive", was, column))
    return found


def _index_changes(before: TableState, after: TableState, renamed: Callable[[str], str]) -> list[Change]:
    found = []
    new_by_shape = {index.shape(): index for index in after.indexes.values()}
    kept = set()
    for index in before.indexes.values():
        same = new_by_shape.get(IndexState(index.name, index.unique, renamed(index.sql), index.params).shape())
        if same is None:
            found.append(Change("drop_index", "widening", index, None))
            continue
        kept.add(same.name)
        if same.name != index.name:
            found.append(Change("rename_index", "additive", index, same))
    for name, index in after.indexes.items():
        if name not in kept:
            found.append(Change("add_index", "destructive" if index.unique else "additive", None, index))
    return found


def _constraint_changes(old: str, new: str, renamed: Callable[[str], str], kind: str, tag: Tag) -> list[Change]:
    if old == new:
        return []
    if old and new and _body(renamed(old)) == _body(new):
        return [Change("rename_constraint", "additive", constraint_name(old), constraint_name(new))]
    found = [Change(f"drop_{kind}", "additive" if new else "widening", constraint_name(old), None)] if old else []
    return [*found, Change(f"add_{kind}", tag, None, new)] if new else found


def _body(constraint: str) -> str:
    return _NAME.sub("", constraint, count=1)


def _narrowing(old: ColumnState, new: ColumnState) -> Tag:
    """Whether every value of the old column fits the new one, as far as the fields' own bounds tell."""
    if (old.kind, new.kind) not in {
        (old.kind, old.kind),
        ("INT", "BIGINT"),
        ("SMALLINT", "INT"),
        ("SMALLINT", "BIGINT"),
    }:
        return "destructive"
    was, now = old.limits, new.limits
    if "values" in was or "values" in now:
        return "widening" if {*was.get("values", ())} <= {*now.get("values", ())} and "values" in was else "destructive"
    if was.get("scale", 0) > now.get("scale", 0):
        return "destructive"
    if was.get("max_digits", 0) - was.get("scale", 0) > now.get("max_digits", 0) - now.get("scale", 0):
        return "destructive"
    for name in ("max_length", "max"):
        if name in now and (name not in was or now[name] < was[name]):
            return "destructive"
    for name in ("min_length", "min"):
        if name in now and (name not in was or now[name] > was[name]):
            return "destructive"
    return "widening"
