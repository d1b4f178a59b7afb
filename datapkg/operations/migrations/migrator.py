"""What a migration file is given: peewee-migrate's Migrator and model state, with our own statements.

Every operation changes the model state as peewee-migrate does; what it means for the database is then worked out from
the table's state before and after, in the engine's words. So names of indexes, CHECKs and foreign keys follow the
models, and a table that SQLite has to rebuild is rebuilt from the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import peewee as pw
from peewee_migrate.migrator import Migrator

from datapkg.kit.dialect.alterations import Alteration, alter_table, create_table, drop_table
from datapkg.kit.dialect.tables import Tag, constraint_name, describe
from datapkg.kit.errors import MigrationError, UnsafeMigrationError
from datapkg.operations.migrations.concurrent import build_concurrently
from datapkg.operations.migrations.model_state import (
    bind_again,
    forget_attributes,
    is_on,
    name_foreign_keys,
    names_of,
    refuse_index_name,
    rename_guarded,
    renaming_indexes,
)
from datapkg.operations.migrations.recorder import Recorder
from datapkg.operations.migrations.steps import CollectedStep, FunctionStep, RawStep, ends_transaction, line_in

__all__ = ["KitMigrator"]


class KitMigrator(Migrator):
    """Collects what a migration does. Models may be given as classes, by table name or by class name.

    Args:
        database: the recorder that the migration's models are bound to.

    Attributes:
        orm: the model state: ``migrator.orm["users"]`` is the table as it is at this point.
    """

    def __init__(self, database: Recorder) -> None:
        super().__init__(database)
        self.recorder = database
        self.path = self.module = ""
        self._only_state = False
        self._created: set[str] = set()

    def begin_file(self, path: str, module: str, *, only_state: bool = False) -> None:
        """Get ready for the operations of a file.

        Args:
            path, module: the file, and the name that its code runs under.
            only_state: work out no statements, which takes most of the time.
        """
        self.path, self.module, self._only_state = path, module, only_state
        self._created = set()
        self.__ops__ = []

    def take(self) -> list[CollectedStep]:
        """Return what was collected, and forget it."""
        steps, self.__ops__ = list[Any](self.__ops__), []
        return steps

    def __call__(self) -> None:
        """Refuse: only the runner runs steps, in the migration's transaction."""
        raise UnsafeMigrationError("A migration must not run its own operations.", fix="Remove the call of migrator().")

    # Data steps -------------------------------------------------------------------------------------------

    def sql(self, sql: str, *params: object) -> None:
        """Run a statement, once.

        Args:
            sql: as it is written, where no values follow; with values ``%s`` marks each on both engines and
                ``%%`` is ``%``.
            params: the values, as the driver takes them.
        """
        if ends_transaction(sql):
            raise UnsafeMigrationError(
                f"The migration would end its own transaction ({sql.strip()[:40]}).",
                fix="Remove the statement: a migration is one transaction, committed with its history row.",
            )
        self.__ops__.append(RawStep(line_in(self.path), sql, params))

    def run(self, func: Callable[..., object], *args: object, **kwargs: object) -> None:
        """Run a function, once; in it SQL, models and the package's public functions work as usual.

        To write to an append-only table the function opens its gate: ``with database.open_gate("audit_logs"):``.
        """
        self.__ops__.append(FunctionStep(line_in(self.path), func, args, kwargs))

    # Tables -----------------------------------------------------------------------------------------------

    def create_model(self, model: Any) -> Any:
        """Create the table of a model that the migration defines, with its indexes and triggers."""
        if model.__module__ != self.module:
            raise UnsafeMigrationError(
                f"{model.__name__} is a model of {model.__module__}, which will change while migrations must not.",
                fix="Define the model, as it is now, inside migrate().",
            )
        name_foreign_keys(model)
        super().create_model(model)
        self._created.add(model._meta.table_name)
        self._replace_op([] if self._only_state else create_table(describe(model)))
        return model

    def remove_model(self, model: Any, *, cascade: bool = False) -> None:
        """Drop a table; with ``cascade``, on PostgreSQL, also the foreign keys that refer to it."""
        model = self.__get_model__(model)
        super().remove_model(model)
        self._replace_op(drop_table(describe(model), cascade=cascade, engine=self._engine))

    def rename_table(self, model: Any, new_name: str) -> Any:
        """Rename a table, and what is named after it."""
        model = self.__get_model__(model)
        with self._altering(model), renaming_indexes(model):
            self.orm.remove(model)
            model._meta.set_table_name(new_name)
            self.orm.add(model)
            for field in model._meta.sorted_fields:
                if isinstance(field, pw.ForeignKeyField):
                    field.constraint_name = None  # named anew, after the table
        return model

    def set_append_only(self, model: Any, append_only: bool = True) -> Any:
        """Make a table append-only by triggers, or take them away."""
        return self.set_guards(model, append_only=append_only)

    def set_guards(self, model: Any, **guards: Any) -> Any:
        """Change what a table's triggers refuse.

        Args:
            model: the table.
            guards: any of ``append_only``, ``gated``, ``immutable`` and ``frozen_by``, with what ``Meta`` would say.
        """
        model = self.__get_model__(model)
        if unknown := guards.keys() - {"append_only", "gated", "immutable", "frozen_by"}:
            raise MigrationError(
                f"There is no guard {', '.join(sorted(unknown))}.",
                fix="Use append_only, gated, immutable and frozen_by, as in a model's Meta.",
            )
        with self._altering(model):
            vars(model._meta).update(guards)
        return model

    # Columns ----------------------------------------------------------------------------------------------

    def add_fields(self, model: Any, *, allow_not_null: bool = False, **fields: Any) -> Any:
        """Add columns; rows that are there get the field's default, all of them the same value.

        Args:
            model: the table.
            allow_not_null: add a column that may not be empty and has no default; only an empty table takes it.
            fields: by name.
        """
        model = self.__get_model__(model)
        for name, field in fields.items():
            if not (field.null or allow_not_null) and field.default is None:
                raise MigrationError(
                    f"{model._meta.table_name}.{name} may not be empty and has no default for rows that are there.",
                    fix="Give the field a default, or null=True, or say allow_not_null=True for an empty table.",
                )
            with self._altering(model) as fill:
                model._meta.add_field(name, field)
                if field.default is not None:
                    value = field.default() if callable(field.default) else field.default
                    fill[field.column_name] = field.db_value(value)
        return model

    def change_fields(self, model: Any, **fields: Any) -> Any:
        """Give columns a new definition: type, bounds, nullability, reference, index and all."""
        model = self.__get_model__(model)
        for name, field in fields.items():
            old = self._field(model, name)
            renames: dict[str, str] = {}
            with self._altering(model, renames):
                forget_attributes(model, old)
                model._meta.add_field(name, field)
                if old.column_name != field.column_name:
                    renames[old.column_name] = field.column_name
                # A change of uniqueness is the field's own, so an index of the same column must not bring it back.
                if old.unique != field.unique:
                    model._meta.indexes = [each for each in model._meta.indexes if names_of(each) != (name,)]
        return model

    def remove_fields(self, model: Any, *names: str, cascade: bool = False, **params: Any) -> Any:
        """Drop columns, and the indexes that hold them. ``cascade`` is peewee-migrate's and changes nothing here."""
        model = self.__get_model__(model)
        for name in names:
            field = self._field(model, name)
            with self._altering(model):
                gone = {field.name, field.column_name}
                model._meta.indexes = [each for each in model._meta.indexes if not gone & {*names_of(each)}]
                forget_attributes(model, field)
                model._meta.remove_field(name)
                rename_guarded(model, field.column_name, None)
        return model

    def rename_field(self, model: Any, old_name: str, new_name: str) -> Any:
        """Rename a field and its column, and what is named after it."""
        model = self.__get_model__(model)
        field = self._field(model, old_name)
        renames: dict[str, str] = {}
        with self._altering(model, renames), renaming_indexes(model):
            old = {field.name, field.column_name}
            before = field.column_name
            forget_attributes(model, field)
            model._meta.remove_field(old_name)
            # bind() works these out anew; an explicit column name goes with the old name.
            field.column_name = field.constraint_name = field.object_id_name = None
            bind_again(model, new_name, field)
            renames[before] = field.column_name
            rename_guarded(model, before, field.column_name)
            model._meta.indexes = [
                each
                if isinstance(each, pw.Node)
                else (tuple(new_name if part in old else part for part in each[0]), each[1])
                for each in model._meta.indexes
            ]
        return model

    def add_not_null(self, model: Any, *names: str, null: bool = False) -> Any:
        """Refuse empty values from now on; there must be none, unless ``null``."""
        model = self.__get_model__(model)
        for name in names:
            field = self._field(model, name)
            with self._altering(model):
                field.null = null
        return model

    def drop_not_null(self, model: Any, *names: str) -> Any:
        """Allow empty values."""
        return self.add_not_null(model, *names, null=True)

    def add_default(self, model: Any, name: str, default: Any) -> Any:
        """Set the default that Python applies to new rows of the model state; the database and its rows stay."""
        model = self.__get_model__(model)
        field = self._field(model, name)
        model._meta.remove_field(name)
        field.default = default
        bind_again(model, name, field)
        return model

    # Indexes and constraints ------------------------------------------------------------------------------

    def add_index(
        self,
        model: Any,
        *columns: str,
        unique: bool = False,
        where: Any = None,
        name: str | None = None,
        concurrently: bool = False,
        **others: Any,
    ) -> Any:
        """Create an index ``ix_…`` or ``uq_…`` on fields.

        Args:
            model: the table.
            columns: names of fields.
            unique: refuse duplicates.
            where: a Peewee expression, for a partial index; it needs a name.
            name: the index's own name.
            concurrently: on PostgreSQL let others write meanwhile; the index then needs a migration of its own.
            others: what ``peewee.ModelIndex`` takes besides.
        """
        model = self.__get_model__(model)
        fields = [self._field(model, column) for column in columns]
        refuse_index_name(name, unique=unique)
        count = len(self.__ops__)
        with self._altering(model):
            if where is None and name is None and not others:
                model._meta.indexes = [*model._meta.indexes, (tuple(columns), unique)]
            else:
                index = pw.ModelIndex(model, fields, unique=unique, where=where, name=name, **others)
                model._meta.indexes = [*model._meta.indexes, index]
        if concurrently and self._engine == "postgresql" and model._meta.table_name not in self._created:
            build_concurrently(self.__ops__[count:])
        return model

    def drop_index(self, model: Any, *columns: str, name: str | None = None) -> Any:
        """Drop the index on these fields, or the one with this name."""
        model = self.__get_model__(model)
        wanted = {part for column in columns for part in (column, self._field(model, column).column_name)}
        before = describe(model).indexes
        with self._altering(model):
            model._meta.indexes = [
                each
                for each in model._meta.indexes
                if (getattr(each, "_name", None) != name if name else not is_on(each, wanted, len(columns)))
            ]
            if len(columns) == 1:
                field = self._field(model, columns[0])
                field.unique = field.index = False
        if before.keys() == describe(model).indexes.keys():
            raise MigrationError(
                f"{model._meta.table_name} has no index {name or 'on ' + ', '.join(columns)}.",
                fix=f"Its indexes are: {', '.join(before) or '(none)'}.",
            )
        return model

    def add_constraint(self, model: Any, name: str, constraint: Any) -> Any:
        """Add a constraint of the whole table.

        Args:
            model: the table.
            name: its name, ``ck_<table>_…``.
            constraint: ``"CHECK (a < b)"``, as text or a Peewee node.
        """
        model = self.__get_model__(model)
        node = pw.SQL(constraint) if isinstance(constraint, str) else constraint
        with self._altering(model):
            model._meta.constraints = [
                *(model._meta.constraints or ()),
                pw.NodeList((pw.SQL("CONSTRAINT"), pw.Entity(name), node)),
            ]
        return model

    def drop_constraints(self, model: Any, *names: str) -> Any:
        """Drop constraints of the whole table; those of a column change with ``change_fields``."""
        model = self.__get_model__(model)
        for name in names:
            known = list(describe(model).constraints)
            if name not in known:
                raise MigrationError(
                    f"{model._meta.table_name} has no table constraint {name}.",
                    fix=f"Its table constraints are: {', '.join(known) or '(none)'}; a column's go by change_fields.",
                )
            with self._altering(model):
                model._meta.constraints = [
                    each for each in model._meta.constraints if constraint_name(self._render(each)) != name
                ]
        return model

    # How --------------------------------------------------------------------------------------------------

    @property
    def _engine(self) -> str:
        return self.recorder.dialect.name

    def __get_model__(self, model: Any) -> Any:
        if not isinstance(model, str):
            return model
        try:
            return super().__get_model__(model)
        except ValueError:
            known = ", ".join(sorted(self.orm.__tables__)) or "(none)"
            raise MigrationError(f"There is no table {model} at this point.", fix=f"There are: {known}.") from None

    def _field(self, model: Any, name: str) -> Any:
        field = model._meta.combined.get(name)
        if field is None:
            raise MigrationError(
                f"{model._meta.table_name} has no field {name} at this point.",
                fix=f"Its fields are: {', '.join(model._meta.fields)}.",
            )
        return field

    @contextmanager
    def _altering(self, model: Any, renames: Mapping[str, str] | None = None) -> Iterator[dict[str, object]]:
        """Collect what turns the table as it is now into what it is after the block."""
        fill: dict[str, object] = {}
        if self._only_state:
            yield fill
            name_foreign_keys(model)
            return
        before = describe(model)
        yield fill
        name_foreign_keys(model)
        after = describe(model)
        if before.name in self._created:
            self._created.add(after.name)
        self._collect(alter_table(before, after, engine=self._engine, renames=renames or {}, fill=fill), after.name)

    def _replace_op(self, alterations: list[Alteration]) -> None:
        del self.__ops__[-1]
        self._collect(alterations, "")

    def _collect(self, alterations: list[Alteration], table: str) -> None:
        # Whatever happens to a table that this very migration made hurts nobody.
        made: Tag | None = "additive" if table in self._created else None
        self.__ops__ += [CollectedStep(line_in(self.path), each, made or each.tag) for each in alterations]

    def _render(self, node: Any) -> str:
        context: Any = self.recorder.get_sql_context()
        return str(context.sql(node).query()[0])
