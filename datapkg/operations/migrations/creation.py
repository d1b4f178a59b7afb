"""Writes new migration files: an empty frame, or what turns the tables of the migrations into those of the models."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datapkg import registry
from datapkg.kit.dialect.tables import describe
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import MigrationError
from datapkg.operations.migrations.autodetect import Renames, Writer, differing
from datapkg.operations.migrations.files import BUILT_IN, FILE_NAME, History, MigrationFile, histories, scan
from datapkg.operations.migrations.migrator import KitMigrator
from datapkg.operations.migrations.model_source import guards_of
from datapkg.operations.migrations.recorder import collecting
from datapkg.operations.migrations.runner import Runner
from datapkg.operations.migrations.scratch import offline

__all__ = ["create_migration", "migration_text", "next_number", "pending_text", "written"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}\Z")
_HEAD = "def {}(migrator: Any, database: Any, *, fake: bool = False) -> None:"
_KIT = "datapkg.kit.models"
_MODELS = ("Model", "MutableModel", "now")


def create_migration(
    name: str,
    *,
    auto: bool = False,
    renames: Sequence[str] | Mapping[str, str] = (),
    drops: Sequence[str] = (),
    domain: str | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Path:
    """Write the next migration file of a history, and return its path. No database is needed.

    Args:
        name: what it does, in lower-case words with underscores: ``add_colour``.
        auto: write the operations that turn the tables, as the migrations make them, into those of the registered
            models, and a rollback that undoes them; otherwise an empty frame.
        renames: what is the same by another name: ``"old_table:new_table"``, ``"table.old_field:table.new_field"``
            (the table by its new name), or a mapping of the former to the latter.
        drops: tables, and ``"table.field"``, that are really gone, where something new looks just like them.
        domain: the registered domain whose migration it is; the built-in history unless given.
        folder: where to write it, instead of the history's own folder.

    Raises:
        MigrationError: the name or the folder will not do; the models and the migrations agree already; something may
            have been renamed or dropped, and nobody said which; or a change cannot be written safely (a new column
            that may not be empty and has no default, for one). No file is written then.

    Example:
        ``create_migration("rename_note_kind", auto=True, renames=["notes.kind:notes.sort"], domain="notes")``
    """
    if not isinstance(name, str) or not _NAME.match(name):
        raise MigrationError(
            f"{name!r} is no name for a migration.", fix="Use lower-case letters, digits and _: add_colour_to_notes."
        )
    history = _history(domain)
    where = _own_folder(history) if folder is None else _folder(folder)
    if (renames or drops) and not auto:
        raise MigrationError("Renames and drops are for --auto.", fix="Give auto=True (--auto), or leave them out.")
    file = MigrationFile(history.name, f"{next_number([history.folder, where])}_{name}", where)
    text = migration_text(file.name, history=history, renames=renames, drops=drops) if auto else _frame(file.name)
    path = where / f"{file.name}.py"
    try:
        where.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as opened:
            opened.write(text)
    except OSError as error:
        raise MigrationError(
            f"{path} cannot be written: {error.strerror or error}.", fix="Name a folder that can be written."
        ) from error
    return path


def _folder(given: str | os.PathLike[str]) -> Path:
    try:
        if b"\0" not in os.fsencode(given):
            return Path(os.fsdecode(given))
    except (TypeError, ValueError):  # no path, or a lone surrogate
        pass
    raise MigrationError(f"{given!r} is no folder.", fix="Name a folder that can be written.")


def _history(domain: str | None) -> History:
    for each in histories():
        if each.name == (domain or BUILT_IN):
            return each
    names = ", ".join(each.name for each in histories() if each.name != BUILT_IN) or "(none)"
    raise MigrationError(
        f"There is no domain {domain!r} with migrations of its own.", fix=f"There are: {names}; register yours first."
    )


def _own_folder(history: History) -> Path:
    if history.name == BUILT_IN and {"site-packages", "dist-packages"} & set(history.folder.parts):
        raise MigrationError(
            f"The built-in migrations belong to the installed package ({history.folder}).",
            fix="Name the domain of yours that the migration is for, or a folder to write it to.",
        )
    return history.folder


def next_number(folders: Sequence[Path]) -> str:
    """Return the three digits after the highest of the migrations in these folders."""
    names = [path.name for folder in folders if folder.is_dir() for path in folder.iterdir()]
    number = max((int(name[:3]) for name in names if FILE_NAME.match(name)), default=0) + 1
    if number > 999:
        raise MigrationError("The history has 999 migrations.", fix="Begin another history in a new domain.")
    return f"{number:03d}"


def _title(name: str) -> str:
    words = name[4:].replace("_", " ").strip()
    return f"{words[:1].upper()}{words[1:]}."


def _frame(name: str) -> str:
    return "\n".join(
        [
            f'"""{_title(name)}"""',
            "",
            "from __future__ import annotations",
            "",
            "from typing import Any",
            "",
            "",
            _HEAD.format("migrate"),
            '    pass  # such as: migrator.add_fields("notes", colour=TextField(max_length=20, null=True))',
            "",
            "",
            _HEAD.format("rollback"),
            "    pass  # what undoes it; without this function it cannot be undone",
            "",
        ]
    )


# From the difference ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Tables:
    """The tables that all migrations together make.

    Attributes:
        runner: what collected them.
        migrator: their model state.
        files: the migrations, in order.
        owners: the history of each table.
    """

    runner: Runner
    migrator: KitMigrator
    files: Sequence[MigrationFile]
    owners: Mapping[str, str]


def _replay(database: KitDatabase) -> _Tables:
    runner = Runner(database)
    files: list[MigrationFile] = []
    owners: dict[str, str] = {}
    for history in histories():
        for file in scan(history):
            files.append(file)
        runner.models_after(files)
        there = runner.state.orm.__tables__
        owners = {name: owners.get(name, history.name) for name in there}
    return _Tables(runner, runner.state, files, owners)


def _models(history: History) -> dict[str, Any]:
    return {
        model._meta.table_name: model
        for domain in registry.domains()
        for model in domain.models
        if (domain.name if domain.migrations else BUILT_IN) == history.name
    }


def pending_text(history: History) -> str | None:
    """Return the migration that the models of a history lack, as :func:`create_migration` would write it, or None."""
    try:
        return migration_text(f"{next_number([history.folder])}_adopt_models", history=history)
    except _Agreed:
        return None


class _Agreed(MigrationError):
    """Models and migrations agree."""


def migration_text(
    name: str, *, history: History, renames: Sequence[str] | Mapping[str, str] = (), drops: Sequence[str] = ()
) -> str:
    """Return the source of a migration that turns the migrations' tables into the models'.

    Args:
        name: of the file, its number included.
        history: whose models and migrations.
        renames, drops: as for :func:`create_migration`.

    Raises:
        MigrationError: they agree already, or a change cannot be written.
    """
    with offline("sqlite") as database:
        models = _models(history)
        state, before = _replay(database), _replay(database).migrator
        owned = {table for table, owner in state.owners.items() if owner == history.name}
        parsed = parse_renames(renames, drops, before=before, models=models, owned=owned)
        target = {table: before.orm[table] for table in before.orm.__tables__ if table in owned}
        with collecting(state.runner.recorder):
            state.migrator.begin_file(name, f"datapkg_migration_{history.name}_{name}")
            up = Writer(state.migrator, models, owned=owned, renames=parsed)
            up.write()
            if not up.lines:
                raise _Agreed(
                    "The models and the migrations agree: there is nothing to write.",
                    fix="Change a model first, or leave --auto out for an empty frame.",
                )
            down = Writer(state.migrator, target, owned=set(models), renames=parsed.back(), down=True)
            down.write()
    text = _source(name, up, down)
    _try(text, MigrationFile(history.name, name, history.folder / f"{name}.py"), models, owned)
    return text


def _source(name: str, up: Writer, down: Writer) -> str:
    notes = ["Breaking:", "", *(f"- {note}" for note in up.notes), ""] if up.notes else []
    return written(name, notes, up.lines, down.lines, up.used | down.used)


def written(name: str, notes: Sequence[str], up: Sequence[str], down: Sequence[str] | None, used: set[str]) -> str:
    """Return the source of a migration.

    Args:
        name: of the file, its number included.
        notes: more lines of its docstring.
        up, down: the bodies of its functions, indented; no ``rollback`` at all where the latter is None.
        used: the names that they take from imports.
    """
    docstring = "\n".join([_title(name), "", *notes]).rstrip("\n") + ("\n" if notes else "")
    fields = sorted(used - {"migrator", "pw", *_MODELS}, key=_natural)
    models = sorted(used & set(_MODELS), key=_natural)
    # In whoever's project this is read, Peewee and datapkg are both somebody else's.
    imports = ["import peewee as pw"] if "pw" in used else []
    imports += [_import("datapkg.kit.fields", fields)] if fields else []
    imports += [_import(_KIT, models)] if models else []
    docstring = docstring.replace("\\", "\\\\").replace('"""', r"\"\"\"")
    lines = [f'"""{docstring}"""', "", "from __future__ import annotations", "", "from typing import Any", ""]
    lines += [*imports, *([""] if imports else []), ""]
    lines += [_HEAD.format("migrate"), *_body(up)]
    if down is not None:
        lines += ["", "", _HEAD.format("rollback"), *_body(down)]
    return "\n".join([*lines, ""])


def _body(given: Sequence[str]) -> list[str]:
    lines = list(given)
    while lines and not lines[-1]:
        lines.pop()
    return lines or ["    pass"]


def _natural(name: str) -> tuple[bool, str]:
    return (name[0].islower(), name)


def _import(module: str, names: Sequence[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= 120:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _try(text: str, file: MigrationFile, models: Mapping[str, Any], owned: set[str]) -> None:
    """See on both engines that the migration makes the models' tables, and its rollback those from before.

    Raises:
        MigrationError: it does not, because a model says something that no operation can.
    """
    for engine in ("sqlite", "postgresql"):
        with offline(engine) as database:
            there, wanted = _replay(database), _replay(database).migrator
            scope: dict[str, Any] = {"__name__": file.module, "__file__": str(file.path)}
            exec(compile(text, str(file.path), "exec", dont_inherit=True), scope)
            with collecting(there.runner.recorder):
                there.migrator.begin_file(str(file.path), file.module)
                scope["migrate"](there.migrator, there.runner.recorder)
                _compare(there.migrator, models, engine)
                scope["rollback"](there.migrator, there.runner.recorder)
                _compare(there.migrator, {table: wanted.orm[table] for table in owned}, engine)


def _compare(migrator: KitMigrator, models: Mapping[str, Any], engine: str) -> None:
    for table, model in models.items():
        there = migrator.orm[table]
        found = differing(describe(there), describe(model))
        if guards_of(there) != guards_of(model):
            found.append("triggers")
        if found:
            raise MigrationError(
                f"No operation makes {table} what its model says on {engine}: {', '.join(found)} would differ.",
                fix="Write this migration by hand (leave --auto out), with migrator.sql for what no operation says.",
            )


def parse_renames(
    given: Sequence[str] | Mapping[str, str],
    drops: Sequence[str],
    *,
    before: KitMigrator,
    models: Mapping[str, Any],
    owned: set[str],
) -> Renames:
    """Return declared renames, each end seen to be there.

    Args:
        given, drops: as for :func:`create_migration`.
        before: the tables as they are.
        models: the tables as they should be.
        owned: which of the former belong to the latter.

    Raises:
        MigrationError: one of them names something that is not there, or still is.
    """
    pairs = [tuple(each) for each in given.items()] if isinstance(given, Mapping) else [_pair(each) for each in given]
    tables: dict[str, str] = {}
    fields: dict[str, dict[str, str]] = {}
    for old, new in (pair for pair in pairs if "." not in pair[0]):
        _must(old in owned and old not in models, f"{old} is no table that the models lack", sorted(owned - {*models}))
        _must(new in models and new not in owned, f"{new} is no new table", sorted({*models} - owned))
        tables[old] = new
    was = {new: old for old, new in tables.items()}
    for old, new in (pair for pair in pairs if "." in pair[0]):
        table, _, old_field = old.partition(".")
        new_table, _, new_field = new.partition(".")
        table = tables.get(table, table)
        _must(table == tables.get(new_table, new_table), f"{old} and {new} are of two tables", [table])
        _must(table in models and was.get(table, table) in owned, f"{table} is no table of before and after", [])
        there, wanted = before.orm[was.get(table, table)]._meta.fields, models[table]._meta.fields
        gone, fresh = sorted({*there} - {*wanted}), sorted({*wanted} - {*there})
        _must(old_field in gone, f"{table} has no field {old_field} that its model lacks", gone)
        _must(new_field in fresh, f"The model of {table} has no new field {new_field}", fresh)
        fields.setdefault(table, {})[old_field] = new_field
    for dropped in drops:
        table, _, name = dropped.partition(".")
        if not name:
            _must(
                table in owned and table not in models,
                f"{table} is no table that the models lack",
                sorted(owned - {*models}),
            )
            continue
        _must(table in models and was.get(table, table) in owned, f"{table} is no table of before and after", [])
        there, wanted = before.orm[was.get(table, table)]._meta.fields, models[table]._meta.fields
        gone = sorted({*there} - {*wanted})
        _must(name in gone, f"{table} has no field {name} that its model lacks", gone)
    return Renames(tables, fields, frozenset(drops))


def _pair(text: str) -> tuple[str, str]:
    old, colon, new = text.partition(":")
    if not colon or not old or not new or ("." in old) != ("." in new):
        raise MigrationError(
            f"{text!r} is no rename.", fix="Write old_table:new_table, or table.old_field:table.new_field."
        )
    return old, new


def _must(right: bool, why: str, names: Sequence[str]) -> None:
    if not right:
        raise MigrationError(f"{why}.", fix=f"There are: {', '.join(names) or '(none)'}.")
