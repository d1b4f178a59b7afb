"""The operations that turn one state of the tables into another, found by comparing and trying them out.

Each operation is written down and at once applied to a model state of our own, so that the next comparison starts from
what the operation really leaves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import peewee as pw

from datapkg.kit import fields as kit
from datapkg.kit.dialect.base import literal
from datapkg.kit.dialect.tables import ColumnState, IndexState, TableState, describe
from datapkg.kit.errors import MigrationError
from datapkg.kit.models import Model, MutableModel, named_index, now
from datapkg.operations.migrations.layout import Call, Listed, Named, Node, Quoted, flat, layout, literal_node
from datapkg.operations.migrations.migrator import KitMigrator
from datapkg.operations.migrations.model_source import (
    GUARDS,
    class_source,
    constraint_text,
    field_node,
    guards_of,
    index_node,
    names_used,
    object_indexes,
)

__all__ = ["Renames", "Writer", "differing"]

INDENT = 4


@dataclass(frozen=True)
class Renames:
    """What is the same thing by another name.

    Attributes:
        tables: old names to new ones.
        fields: by the table's new name, old fields to new ones.
        drops: tables, and ``table.field``, that are really gone, though something new looks just like them.
    """

    tables: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    drops: frozenset[str] = frozenset()

    def back(self) -> Renames:
        """Return the renames that undo these."""
        old = {new: old for old, new in self.tables.items()}
        return Renames(
            old,
            {old.get(table, table): {new: was for was, new in each.items()} for table, each in self.fields.items()},
        )


def differing(a: TableState, b: TableState) -> list[str]:
    """Return the names of what differs between two states of a table, the order of columns apart."""
    found = [name for name in {*a.columns, *b.columns} if not _same_column(a.columns.get(name), b.columns.get(name))]
    found += [name for name in {*a.constraints, *b.constraints} if a.constraints.get(name) != b.constraints.get(name)]
    found += [name for name in {*a.indexes, *b.indexes} if _shape(a.indexes.get(name)) != _shape(b.indexes.get(name))]
    return sorted(found + (["triggers"] if set(a.triggers) != set(b.triggers) else []))


def _same_column(a: ColumnState | None, b: ColumnState | None) -> bool:
    sizes = ("max_digits", "scale")
    return a == b and (a is None or b is None or all(a.limits.get(size) == b.limits.get(size) for size in sizes))


def _shape(index: IndexState | None) -> tuple[object, ...] | None:
    if index is None or not index.params:
        return None if index is None else index.shape()
    return (index.unique, index.shape()[1] % tuple(literal(str(each)) for each in index.params))  # type: ignore[operator]


class Writer:
    """Writes the operations from a state to a target.

    Args:
        state: the model state to start from; it goes along.
        target: the models to arrive at, by table.
        owned: which of the state's tables the target speaks of.
        renames: what is the same by another name.
        down: whether this is a rollback, which has no values for columns that were removed.

    Attributes:
        lines: what was written, indented for a function's body.
        used: the imported names that it needs.
        notes: what people have to know: what is lost, what old code misses.
    """

    def __init__(
        self,
        state: KitMigrator,
        target: Mapping[str, Any],
        *,
        owned: set[str],
        renames: Renames,
        down: bool = False,
    ) -> None:
        self.state, self.target, self.owned, self.renames, self.down = state, target, set(owned), renames, down
        self.lines: list[str] = []
        self.used: set[str] = set()
        self.notes: list[str] = []
        self._classes: dict[str, str] = {}
        imported = {name: getattr(kit, name) for name in kit.__all__}
        self._scope: dict[str, Any] = {
            **imported,
            "__name__": state.module,
            "migrator": state,
            "pw": pw,
            "Model": Model,
            "MutableModel": MutableModel,
            "now": now,
        }

    def write(self) -> None:
        """Write everything, in an order in which it can be done."""
        for old, new in self.renames.tables.items():
            self._emit(Call("migrator.rename_table", [Quoted(old), Quoted(new)]))
            self.owned = {*self.owned - {old}, new}
            self.notes.append(f"the table {old} is called {new}")
        for table, fields in self.renames.fields.items():
            for old, new in fields.items():
                self._rename_field(table, old, new)
        gone = self._gone_tables()
        fresh = self._new_tables()
        if not self.down:
            self._refuse_likeness(gone, fresh)
        for table in fresh:
            self._create(table)
        kept = [name for name in self.target if name in self.owned]
        for table in kept:
            self._drop_parts(table)
        for table in kept:
            self._change_fields(table)
        for table in gone:
            self._emit(Call("migrator.remove_model", [Quoted(table)]))
            self.notes.append(f"the table {table} goes, with its rows")

    # Tables -----------------------------------------------------------------------------------------------

    def _new_tables(self) -> list[str]:
        waiting = [name for name in self.target if name not in self.owned]
        for name in waiting:
            if name in self.state.orm.__tables__:
                raise MigrationError(
                    f"The table {name} belongs to another history already.", fix="Give one of the two another name."
                )
        found: list[str] = []
        while waiting:
            ready = [
                name
                for name in waiting
                if not {each for each in _parents(self.target[name]) if each != name} & set(waiting)
            ]
            if not ready:
                raise MigrationError(
                    f"The new tables {', '.join(waiting)} refer to each other in a circle.",
                    fix="Leave one reference out of the model, create this migration, and add it in the next.",
                )
            found += ready
            waiting = [name for name in waiting if name not in ready]
        return found

    def _gone_tables(self) -> list[str]:
        waiting = [name for name in self.state.orm.__tables__ if name in self.owned and name not in self.target]
        found: list[str] = []
        while waiting:
            held = {p for name in waiting for p in _parents(self.state.orm[name]) if p != name}
            ready = [name for name in waiting if name not in held] or waiting[:1]
            found += ready
            waiting = [name for name in waiting if name not in ready]
        return found

    def _create(self, table: str) -> None:
        model = self.target[table]
        name = model.__name__
        while name in self.state.orm.__models__ or name in self._scope:
            name += "Table"
        source, used = class_source(model, name=name, refer=self._refer, indent=INDENT)
        self._run(f"@migrator.create_model\n{source.replace(chr(10) + ' ' * INDENT, chr(10))}")
        if self.lines and self.lines[-1]:
            self.lines.append("")
        self.lines += ["    @migrator.create_model", f"    {source}", ""]
        self.used |= used
        self._classes[table] = name
        self.owned.add(table)
        self._add_indexes(table, objects=True)

    # Fields -----------------------------------------------------------------------------------------------

    def _rename_field(self, table: str, old: str, new: str) -> None:
        model = self._state_of(table)
        column = model._meta.fields[old].column_name
        word = re.compile(rf"\b{re.escape(column)}\b")
        there, wanted = describe(model), describe(self.target[table])
        # What names the column in text of its own does not follow it, and comes back under its new name later.
        for name in there.constraints:
            if word.search(there.constraints[name]) and there.constraints[name] != wanted.constraints.get(name):
                self._emit(Call("migrator.drop_constraints", [Quoted(table), Quoted(name)]))
        for index in object_indexes(model):
            where = there.indexes[index._name].sql.partition(" WHERE ")[2]
            if word.search(where):
                self._emit(Call("migrator.drop_index", [Quoted(table), Named("name", Quoted(index._name))]))
        self._emit(Call("migrator.rename_field", [Quoted(table), Quoted(old), Quoted(new)]))
        self.notes.append(f"{table}.{old} is called {new}")

    def _change_fields(self, table: str) -> None:
        target = self.target[table]
        for name, wanted in target._meta.fields.items():
            there = self._state_of(table)._meta.fields.get(name)
            if there is None:
                self._add_field(table, wanted)
            else:
                self._change_field(table, there, wanted)
        state = describe(target)
        for name in state.constraints.keys() - describe(self._state_of(table)).constraints.keys():
            self._comment("rows that break it refuse the migration")
            self._emit(
                Call("migrator.add_constraint", [Quoted(table), Quoted(name), Quoted(constraint_text(state, name))])
            )
        self._add_indexes(table)
        self._guard(table)

    def _add_field(self, table: str, wanted: Any) -> None:
        # One default for all rows is nothing that a unique column could take.
        node = field_node(wanted, self._refer, default=not (wanted.unique and wanted.null))
        assert isinstance(node, Call)
        items: list[Node] = [Quoted(table), Named(wanted.name, node)]
        if not wanted.null and not any(isinstance(item, Named) and item.name == "default" for item in node.items):
            if not self.down:
                raise MigrationError(
                    f"{table}.{wanted.name} may not be empty, and the rows that are there would have no value for it.",
                    fix="Give the field a constant default; or in three migrations: null=True now, fill the rows "
                    "(migrator.run), then take null=True away.",
                )
            self._comment("its values are gone, so only an empty table takes it back")
            items.append(Named("allow_not_null", "True"))
        elif wanted.unique and not wanted.null:
            raise MigrationError(
                f"{table}.{wanted.name} is unique, and all rows that are there would get the same default.",
                fix="In three migrations: null=True now, fill the rows (migrator.run), then take null=True away.",
            )
        self._emit(Call("migrator.add_fields", items))

    def _change_field(self, table: str, there: Any, wanted: Any) -> None:
        mine, theirs = describe(there.model).columns[there.column_name], describe(wanted.model)
        goal = theirs.columns[wanted.column_name]
        if _same_column(mine, goal):
            return
        if mine.null and not goal.null:
            self._comment("rows without a value refuse it; fill them in a migration before this one")
            self.notes.append(f"{table}.{wanted.name} may not be empty any more")
        if _source(there, self._refer, wanted.null) == _source(wanted, self._refer, wanted.null):
            verb = "drop_not_null" if goal.null else "add_not_null"
            self._emit(Call(f"migrator.{verb}", [Quoted(table), Quoted(wanted.name)]))
            return
        node = field_node(wanted, self._refer)
        self._emit(Call("migrator.change_fields", [Quoted(table), Named(wanted.name, node)]))

    # Parts ------------------------------------------------------------------------------------------------

    def _drop_parts(self, table: str) -> None:
        there, wanted = describe(self._state_of(table)), describe(self.target[table])
        guards, goal = guards_of(self._state_of(table)), guards_of(self.target[table])
        if (guards["append_only"] or guards["gated"]) and not goal["append_only"]:
            self._guard(table)
        for name, text in there.constraints.items():
            if wanted.constraints.get(name) != text:
                self._emit(Call("migrator.drop_constraints", [Quoted(table), Quoted(name)]))
        gone = [name for name in self._state_of(table)._meta.fields if name not in self.target[table]._meta.fields]
        for name in there.indexes:
            if _shape(there.indexes[name]) != _shape(wanted.indexes.get(name)):
                self._drop_index(table, name, gone)
        if gone:
            for name in gone:
                self.notes.append(f"{table}.{name} goes, with its values")
                if not self.down:
                    self._refuse_like_field(table, name)
            self._emit(Call("migrator.remove_fields", [Quoted(table), *map(Quoted, gone)]))

    def _drop_index(self, table: str, name: str, gone: list[str]) -> None:
        model = self._state_of(table)
        if name not in describe(model).indexes:
            return  # it went with another one
        if any(index._name == name for index in object_indexes(model)):
            self._emit(Call("migrator.drop_index", [Quoted(table), Named("name", Quoted(name))]))
            return
        index: Any = next(each for each in model._meta.fields_to_index() if named_index(model, each)._name == name)
        parts = [part.name for part in vars(index)["_expressions"]]
        # A field that goes, or is about to change, takes its own index along.
        if not set(parts) & set(gone):
            self._emit(Call("migrator.drop_index", [Quoted(table), *map(Quoted, parts)]))

    def _add_indexes(self, table: str, *, objects: bool = False) -> None:
        wanted = describe(self.target[table]).indexes
        for name, index in wanted.items():
            there = describe(self._state_of(table)).indexes.get(name)
            if _shape(there) == _shape(index):
                continue
            if index.unique and not objects:
                self._comment("rows with the same values refuse it")
            node = index_node(self.target[table], name)
            self._emit(node)

    def _guard(self, table: str) -> None:
        there, wanted = guards_of(self._state_of(table)), guards_of(self.target[table])
        changed = {name: wanted[name] for name in GUARDS if there[name] != wanted[name]}
        if changed:
            items: list[Node] = [Named(name, literal_node(value)) for name, value in changed.items()]
            self._emit(Call("migrator.set_guards", [Quoted(table), *items]))
            if any(changed[name] for name in changed):
                self.notes.append(f"{table} refuses writes that it took before ({', '.join(changed)})")

    def _refuse_like_field(self, table: str, name: str) -> None:
        there = self._state_of(table)._meta.fields
        for other, wanted in self.target[table]._meta.fields.items():
            if other not in there and self._alike(there[name], wanted):
                self._refuse_to_guess(f"{table}.{name}", f"{table}.{other}")

    def _refuse_likeness(self, gone: Sequence[str], fresh: Sequence[str]) -> None:
        for table in gone:
            mine = self._state_of(table)._meta.fields
            own = {name for name in mine if name not in MutableModel._meta.fields}
            for other in fresh:
                theirs = self.target[other]._meta.fields
                same = [name for name in own & {*theirs} if self._alike(mine[name], theirs[name])]
                if own and 2 * len(same) >= len(own):
                    self._refuse_to_guess(table, other)

    def _refuse_to_guess(self, old: str, new: str) -> None:
        if old not in self.renames.drops:
            raise MigrationError(
                f"{old} is gone and {new} is new, and the two look alike: renamed, or dropped with what it holds?",
                fix=f"Say which: --rename {old}:{new} (renames=) keeps what it holds, --drop {old} (drops=) does not.",
                old=old,
                new=new,
            )

    def _alike(self, a: Any, b: Any) -> bool:
        def nobody(model: Any) -> str:
            return str(model._meta.table_name)

        return _source(a, nobody, a.null) == _source(b, nobody, b.null)

    # How --------------------------------------------------------------------------------------------------

    def _state_of(self, table: str) -> Any:
        return self.state.orm[table]

    def _refer(self, model: Any) -> str:
        table = model._meta.table_name
        return self._classes.get(table) or f"migrator.orm[{flat(Quoted(table))}]"

    def _emit(self, node: Call | Node) -> None:
        self._run(flat(node))
        self.used |= names_used(node)
        self.lines.append(f"    {layout(node, indent=INDENT)}")

    def _comment(self, text: str) -> None:
        self.lines.append(f"    # {text[0].upper()}{text[1:]}.")

    def _run(self, source: str) -> None:
        exec(compile(source, "<migration>", "exec", dont_inherit=True), self._scope)


def _parents(model: Any) -> set[str]:
    return {
        str(each.rel_model._meta.table_name)
        for each in model._meta.sorted_fields
        if isinstance(each, pw.ForeignKeyField)
    }


def _source(each: Any, refer: Callable[[Any], str], null: bool) -> str:
    node = field_node(each, refer, default=False, null=null)
    assert isinstance(node, Call)
    plain: list[Node] = [
        item for item in node.items if not (isinstance(item, Named) and item.name in ("index", "unique", "secret"))
    ]
    return flat(Call(node.head, plain or [Listed("()", [])]))
