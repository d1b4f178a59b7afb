"""The migration that adopts what somebody changed in a database by hand.

It is written in operations of the migrator where there are any, so that later migrations know of the change, and else
in the engine's own SQL. It is tried out in a scratch place: what it cannot say stands in its docstring.
"""

from __future__ import annotations

import copy
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import peewee as pw

from datapkg.kit.dialect.base import quote
from datapkg.kit.dialect.catalog import Catalog, ColumnFacts, ForeignKeyFacts, IndexFacts, TableFacts, difference
from datapkg.kit.dialect.tables import describe
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import MigrationError
from datapkg.operations.bookkeeping import BOOKKEEPING
from datapkg.operations.migrations.creation import written
from datapkg.operations.migrations.files import MigrationFile
from datapkg.operations.migrations.layout import Call, Listed, Named, Node, Quoted, layout
from datapkg.operations.migrations.model_source import field_node, names_used
from datapkg.operations.migrations.runner import Runner
from datapkg.operations.migrations.scratch import catalog_of_migrations

__all__ = ["adopting_text"]

_ROUNDS = 3
_TYPES = {
    "TEXT": "TextField",
    "INTEGER": "IntegerField",
    "BIGINT": "BigIntegerField",
    "SMALLINT": "SmallIntegerField",
    "REAL": "FloatField",
    "DOUBLE PRECISION": "DoubleField",
    "BLOB": "BlobField",
    "BYTEA": "BlobField",
    "BOOLEAN": "BooleanField",
    "DATE": "DateField",
    "UUID": "UUIDField",
    "TIMESTAMP WITHOUT TIME ZONE": "DateTimeField",
}
_SIZED = {
    r"NUMERIC\((\d+),(\d+)\)": ("DecimalField", ("max_digits", "decimal_places")),
}


def adopting_text(
    name: str, database: KitDatabase, done: Sequence[MigrationFile], live: Catalog, tables: Sequence[str]
) -> str:
    """Return the source of a migration that makes of what the migrations made what is really there.

    Args:
        name: of the file, its number included.
        database: the database; only its words and scratch places are used.
        done: the migrations that it has been through.
        live: its catalog.
        tables: those to look at.
    """
    lines: list[Node] = []
    wanted = _only(live, tables)
    found = before = _only(catalog_of_migrations(database, done, BOOKKEEPING), tables)
    for _ in range(_ROUNDS):
        # What one operation leaves to do, only running it tells: a column of another type loses its CHECK.
        state = _state(database, done, _source(name, lines, []))
        more = [*_Drift(database, state).operations(found, wanted)]
        if not more:
            break
        lines, made = _possible(name, database, done, lines, more)
        made = _only(made, tables)
        if difference(made, wanted) == difference(found, wanted):
            break
        found = made
    return _source(name, lines, difference(found, wanted)) if lines or before != wanted else ""


def _possible(
    name: str, database: KitDatabase, done: Sequence[MigrationFile], lines: Sequence[Node], more: Sequence[Node]
) -> tuple[list[Node], Catalog]:
    """Add the operations that can be done, and return all with what they make."""
    chosen = [*lines, *more]
    while True:
        text = _source(name, chosen, [])
        try:
            return chosen, _tried(database, done, text)
        except MigrationError as error:
            line = error.meta.get("line")
            starts = [number for number, each in enumerate(text.splitlines(), 1) if each.startswith("    migrator.")]
            at = sum(start <= line for start in starts) - 1 if isinstance(line, int) else -1
            if at < len(lines):  # one that was fine before, so that nobody knows what is in whose way
                return list(lines), _tried(database, done, _source(name, lines, []))
            del chosen[at]


def _only(catalog: Catalog, tables: Sequence[str]) -> Catalog:
    return Catalog({name: facts for name, facts in catalog.tables.items() if name in tables})


def _file(folder: str, text: str) -> MigrationFile:
    path = Path(folder) / "adopted.py"
    path.write_text(text, encoding="utf-8")
    return MigrationFile("adopted", "adopted", path)


def _tried(database: KitDatabase, done: Sequence[MigrationFile], text: str) -> Catalog:
    with tempfile.TemporaryDirectory() as folder:
        return catalog_of_migrations(database, [*done, _file(folder, text)], BOOKKEEPING)


def _state(database: KitDatabase, done: Sequence[MigrationFile], text: str) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return {model._meta.table_name: model for model in Runner(database).models_after([*done, _file(folder, text)])}


def _source(name: str, lines: Sequence[Node], left: Sequence[str]) -> str:
    notes = ["Adopted: what was changed in a database by hand. There it is only marked, elsewhere it runs:", ""]
    notes += [f"    datapkg migrate --resolve-applied {name}", ""]
    if left:
        notes += ["Not adopted, for no operation says it; undo it by hand, or write it:", ""]
        notes += [f"- {line}" for line in left] + [""]
    used = {each for line in lines for each in names_used(line)}
    return written(name, notes, [f"    {layout(line, indent=4)}" for line in lines], None, used)


class _Drift:
    """Spells the way from one catalog to another.

    Args:
        database: the engine.
        state: the models of the migrations' tables.
    """

    def __init__(self, database: KitDatabase, state: Mapping[str, Any]) -> None:
        self._database, self._state = database, state
        self._sqlite = database.dialect.name == "sqlite"

    def operations(self, a: Catalog, b: Catalog) -> Iterator[Node]:
        """Yield the operations from one to the other."""
        for table in a.tables:
            if table not in b.tables:
                yield Call("migrator.remove_model", [Quoted(table)])
            elif table in self._state and a.tables[table] != b.tables[table]:
                yield from self._table(table, a.tables[table], b.tables[table])

    def _table(self, table: str, a: TableFacts, b: TableFacts) -> Iterator[Node]:
        on = "" if self._sqlite else f" ON {quote(table)}"
        for name in _gone(a.triggers, b.triggers):
            yield _sql(f"DROP TRIGGER {quote(name)}{on}")
        for name in _gone(a.checks, b.checks):
            yield from self._drop_check(table, name, a, b)
        for name in _gone(a.columns, b.columns):
            if name not in b.columns and (field := self._field(table, name)) is not None:
                yield Call("migrator.remove_fields", [Quoted(table), Quoted(field.name)])
        for name, facts in b.columns.items():
            if a.columns.get(name) != facts:
                yield from self._column(table, name, a.columns.get(name), facts)
        for name in _gone(a.indexes, b.indexes):
            # After the columns: a field that changed has brought its index back, one that is gone took it along.
            if all(column.removesuffix(" DESC") in b.columns for column in a.indexes[name].columns):
                yield self._drop_index(table, name)
        for name in _gone(b.checks, a.checks):
            text = b.checks[name]
            if not name.startswith("(unnamed)"):
                text = text if text.startswith("CHECK ") else f"CHECK ({text})"
                yield Call("migrator.add_constraint", [Quoted(table), Quoted(name), Quoted(text)])
        for name in _gone(a.foreign_keys, b.foreign_keys) | _gone(b.foreign_keys, a.foreign_keys):
            yield from self._foreign_key(table, a.foreign_keys.get(name), b.foreign_keys.get(name))
        for name in _gone(b.indexes, a.indexes):
            yield self._add_index(table, name, b.indexes[name])
        for name in _gone(b.triggers, a.triggers):
            yield from self._add_trigger(table, name)

    def _field(self, table: str, column: str) -> Any:
        return self._state[table]._meta.columns.get(column)

    # Columns ----------------------------------------------------------------------------------------------

    def _column(self, table: str, name: str, was: ColumnFacts | None, facts: ColumnFacts) -> Iterator[Node]:
        field = self._field(table, name)
        if was is not None and field is not None and was.type == facts.type and was.default == facts.default:
            verb = "drop_not_null" if facts.nullable else "add_not_null"
            yield Call(f"migrator.{verb}", [Quoted(table), Quoted(field.name)])
            return
        if was is not None and field is not None and was.type == facts.type:
            node = field_node(self._with_default(field, facts), _refer, default=False, null=facts.nullable)
        else:
            plain = _plain(name if field is None else field.name, name, facts, like=field)
            if plain is None:
                yield from self._in_sql(table, name, was, facts)
                return
            node = plain
        if was is None:
            items: list[Node] = [Quoted(table), Named(name, node)]
            yield Call("migrator.add_fields", [*items, *([] if facts.nullable else [Named("allow_not_null", "True")])])
        elif field is not None:
            yield Call("migrator.change_fields", [Quoted(table), Named(field.name, node)])

    def _in_sql(self, table: str, name: str, was: ColumnFacts | None, facts: ColumnFacts) -> Iterator[Node]:
        """A type that no field has; SQLite knows none."""
        alter, column = f"ALTER TABLE {quote(table)}", quote(name)
        default = f" DEFAULT {facts.default}" if facts.default is not None else ""
        if was is None:
            yield _sql(f"{alter} ADD COLUMN {column} {facts.type}{'' if facts.nullable else ' NOT NULL'}{default}")
            return
        if was.type != facts.type:
            yield _sql(f"{alter} ALTER COLUMN {column} TYPE {facts.type} USING {column}::{facts.type}")
        if was.default != facts.default:
            yield _sql(f"{alter} ALTER COLUMN {column} {f'SET{default}' if default else 'DROP DEFAULT'}")
        if was.nullable != facts.nullable:
            yield _sql(f"{alter} ALTER COLUMN {column} {'DROP' if facts.nullable else 'SET'} NOT NULL")

    def _with_default(self, field: Any, facts: ColumnFacts) -> Any:
        made = copy.copy(field)
        made.constraints = [pw.SQL(f"DEFAULT {facts.default}")] if facts.default is not None else []
        return made

    def _drop_check(self, table: str, name: str, a: TableFacts, b: TableFacts) -> Iterator[Node]:
        if name in describe(self._state[table]).constraints:
            yield Call("migrator.drop_constraints", [Quoted(table), Quoted(name)])
            return
        for field in self._state[table]._meta.sorted_fields:
            column = field.column_name
            if name == f"ck_{table}_{column}" and column in b.columns and a.columns.get(column) == b.columns[column]:
                plain = _plain(field.name, column, b.columns[column], like=field)
                if plain is not None:
                    yield Call("migrator.change_fields", [Quoted(table), Named(field.name, plain)])

    def _foreign_key(self, table: str, was: ForeignKeyFacts | None, facts: ForeignKeyFacts | None) -> Iterator[Node]:
        chosen = facts or was
        if chosen is None or len(chosen.columns) != 1:
            return
        field = self._field(table, chosen.columns[0])
        if field is None:
            return
        name = field.name
        if facts is None:
            items: list[Node] = [Named("null", "True")] if field.null else []
            node: Node = Call("pw.UUIDField", [*items, Named("column_name", Quoted(field.column_name))])
        elif facts.extra or facts.targets != ("id",) or facts.table not in self._state:
            return
        else:
            items = [_refer(self._state[facts.table]), Named("on_delete", Quoted(facts.on_delete))]
            items += [Named("on_update", Quoted(facts.on_update))] if facts.on_update != "NO ACTION" else []
            items += [Named("null", "True")] if field.null else []
            items += [Named("index", "False")] if not field.index else []
            items += [Named("column_name", Quoted(field.column_name))]
            node = Call("ForeignKey", items)
        yield Call("migrator.change_fields", [Quoted(table), Named(name, node)])

    # Indexes and triggers ---------------------------------------------------------------------------------

    def _drop_index(self, table: str, name: str) -> Node:
        for each in self._state[table]._meta.fields_to_index():
            index: Any = each
            fields = [part.name for part in vars(index)["_expressions"] if isinstance(part, pw.Field)]
            columns = [self._state[table]._meta.fields[field].column_name for field in fields]
            if name in (f"ix_{table}_{'_'.join(columns)}", f"uq_{table}_{'_'.join(columns)}"):
                return Call("migrator.drop_index", [Quoted(table), *map(Quoted, fields)])
            if index._name == name:
                return Call("migrator.drop_index", [Quoted(table), Named("name", Quoted(name))])
        return _sql(f"DROP INDEX {quote(name)}")

    def _add_index(self, table: str, name: str, facts: IndexFacts) -> Node:
        fields = [self._field(table, column) for column in facts.columns]
        usual = "_".join(["uq" if facts.unique else "ix", table, *facts.columns])
        plain = facts.using in ("", f"btree ({', '.join(facts.columns)})")
        if plain and all(fields) and facts.where is None and name == usual:
            items: list[Node] = [Quoted(table), *(Quoted(field.name) for field in fields)]
            return Call("migrator.add_index", [*items, *([Named("unique", "True")] if facts.unique else [])])
        kind = "CREATE UNIQUE INDEX" if facts.unique else "CREATE INDEX"
        parts = ", ".join(quote(column) if re.fullmatch(r"\w+", column) else column for column in facts.columns)
        what = f"USING {facts.using}" if facts.using else f"({parts})"
        where = f" WHERE {facts.where}" if facts.where else ""
        return _sql(f"{kind} {quote(name)} ON {quote(table)} {what}{where}")

    def _add_trigger(self, table: str, name: str) -> Iterator[Node]:
        if self._sqlite:
            sql = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = ?"
            yield from (_sql(text) for (text,) in self._database.fetch(sql, (name,)))
            return
        rows = self._database.fetch(
            "SELECT pg_get_functiondef(t.tgfoid), pg_get_triggerdef(t.oid, true), t.tgenabled, current_schema() "
            "FROM pg_trigger t WHERE t.tgname = %s AND t.tgrelid = to_regclass(%s)",
            (name, quote(table)),
        )
        for function, trigger, enabled, schema in rows:
            yield _sql(function.replace(f"FUNCTION {schema}.", "FUNCTION ", 1).rstrip())
            yield _sql(trigger.replace(f" ON {schema}.", " ON ", 1))
            if enabled != "O":
                word = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}[enabled]
                yield _sql(f"ALTER TABLE {quote(table)} {word} TRIGGER {quote(name)}")


def _gone(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, None]:
    """The names whose values of one mapping are not those of the other."""
    return {name: None for name in a if a[name] != b.get(name)}


def _sql(text: str) -> Node:
    return Call("migrator.sql", [Quoted(text)])


def _refer(model: Any) -> str:
    return f'migrator.orm["{model._meta.table_name}"]'


def _plain(name: str, column: str, facts: ColumnFacts, *, like: Any = None) -> Node | None:
    """Return a field without bounds of its own for a column, or None where there is none of its type.

    Args:
        name: the field's.
        column: the column's.
        facts: what it is.
        like: the field so far, whose index stays.
    """
    kind, items = _TYPES.get(facts.type.upper()), []
    for pattern, (sized, names) in _SIZED.items():
        if match := re.fullmatch(pattern, facts.type.upper()):
            kind, items = sized, [Named(each, value) for each, value in zip(names, match.groups(), strict=True)]
    if kind is None:
        return None
    nodes: list[Node] = [*items, *([Named("null", "True")] if facts.nullable else [])]
    if like is not None and (like.unique or like.index):
        nodes.append(Named("unique" if like.unique else "index", "True"))
    if column != name:
        nodes.append(Named("column_name", Quoted(column)))
    if facts.default is not None:
        default = Call("pw.SQL", [Quoted(f"DEFAULT {facts.default}")])
        nodes.append(Named("constraints", Listed("[]", [default])))
    return Call(f"pw.{kind}", nodes)
