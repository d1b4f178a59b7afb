"""Which tables and columns a legacy database has, and a mapping file for those that go by other names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datapkg.kit.errors import ValidationError
from datapkg.scripts.models import CHAT_ROLES, ELEMENT_KINDS

__all__ = ["LAYOUT", "Layout", "TableLayout", "read_mapping"]

MappingSource = Mapping[str, object] | str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class TableLayout:
    """One legacy table.

    Attributes:
        table: its name in the legacy database.
        columns: for each column of the layout the names it may have there, the first that exists is taken.
        required: columns without which the table cannot be read.
        needed: whether the database has to have the table.
        named: what the mapping file names: these columns have to exist, whether required or not.
    """

    table: str
    columns: Mapping[str, tuple[str, ...]]
    required: frozenset[str]
    needed: bool = False
    named: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A legacy database's tables, and what its words stand for.

    Attributes:
        tables: by the names of the layout; a table that a mapping leaves out is missing.
        roles: chat roles by the legacy word in lower case.
        kinds: kinds of elements by the legacy word in lower case.
    """

    tables: Mapping[str, TableLayout]
    roles: Mapping[str, str]
    kinds: Mapping[str, str]


def _table(table: str, required: str, optional: str, *, needed: bool = False) -> TableLayout:
    columns = {}
    for spelled in f"{required} {optional}".split():
        first, *others = spelled.split("|")
        columns[first] = (first, *others)
    names = frozenset(spelled.split("|")[0] for spelled in required.split())
    return TableLayout(table=table, columns=columns, required=names, needed=needed)


_ROLES = {
    **{role.lower(): role for role in CHAT_ROLES},
    "human": "USER",
    "ai": "ASSISTANT",
    "bot": "ASSISTANT",
    "model": "ASSISTANT",
    "function": "TOOL",
}
_KINDS = {
    **{kind.lower(): kind for kind in ELEMENT_KINDS},
    "heading": "SCENE",
    "scene_heading": "SCENE",
    "dialog": "DIALOGUE",
}
_VERSIONS = "script_id version_number content", "created_at"

LAYOUT = Layout(
    tables={
        "users": _table("users", "id email", "name created_at", needed=True),
        "sessions": _table("sessions", "id user_id", "created_at expires_at last_seen_at"),
        "chat_messages": _table("chat_messages", "id role content", "session_id user_id script_id created_at"),
        "scripts": _table("scripts", "id user_id title content", "version_number created_at", needed=True),
        "script_versions": _table("script_versions", *_VERSIONS),
        "script_edits": _table("script_edits", *_VERSIONS),
        "script_elements": _table(
            "script_elements", "id script_id text|content", "position kind|type|element_type persona_id"
        ),
        "personas": _table("personas", "id name", "script_id user_id description"),
    },
    roles=_ROLES,
    kinds=_KINDS,
)
"""The layout that a database is read by where no mapping says otherwise."""


def read_mapping(mapping: MappingSource | None) -> Layout:
    """Return the layout with a mapping's names in it.

    Args:
        mapping: None, the mapping itself, or the path of a JSON file with one.

    Raises:
        ValidationError: with every complaint about the mapping; paths begin with ``mapping``.
    """
    if mapping is None:
        return LAYOUT
    from datapkg.kit.schemas import load
    from datapkg.scripts.legacy.schemas import MappingSchema

    given = dict(mapping) if isinstance(mapping, Mapping) else _parsed(mapping)
    checked: dict[str, Any] = load(MappingSchema, given, what="mapping", path="mapping")
    problems: dict[str, list[str]] = {}
    tables: dict[str, TableLayout] = dict(LAYOUT.tables)
    for name, wanted in checked.get("tables", {}).items():
        path = f"mapping.tables.{name}"
        if name not in LAYOUT.tables:
            problems[path] = [f"There is no such table; there are: {', '.join(LAYOUT.tables)}."]
        elif wanted is None:
            if LAYOUT.tables[name].needed:
                problems[path] = ["Cannot be left out."]
            del tables[name]
        else:
            tables[name] = _renamed(LAYOUT.tables[name], wanted, path, problems)
    if problems:
        raise ValidationError(problems, what="mapping")
    words = {part: {word.lower(): to for word, to in checked.get(part, {}).items()} for part in ("roles", "kinds")}
    return Layout(tables=tables, roles={**_ROLES, **words["roles"]}, kinds={**_KINDS, **words["kinds"]})


def _renamed(table: TableLayout, wanted: Mapping[str, Any], path: str, problems: dict[str, list[str]]) -> TableLayout:
    columns = dict(table.columns)
    named = set()
    for column, name in wanted.get("columns", {}).items():
        at = f"{path}.columns.{column}"
        if column not in table.columns:
            problems[at] = [f"There is no such column; there are: {', '.join(table.columns)}."]
        elif name is None:
            if column in table.required:
                problems[at] = ["Cannot be left out."]
            del columns[column]
        else:
            columns[column] = (name,)
            named.add(column)
    return TableLayout(
        table=wanted.get("table", table.table),
        columns=columns,
        required=table.required,
        needed=table.needed or "table" in wanted,
        named=frozenset(named),
    )


def _parsed(path: str | os.PathLike[str]) -> object:
    from datapkg.kit.json_values import parse_json

    if not isinstance(path, (str, os.PathLike)):
        raise ValidationError({"mapping": ["Neither a mapping nor a path."]}, what="mapping")
    try:
        return parse_json(Path(path).read_bytes())
    except OSError as error:
        raise ValidationError({"mapping": [f"The file cannot be read: {error}."]}, what="mapping") from error
    except ValueError as error:
        raise ValidationError({"mapping": [f"Not valid JSON: {error}."]}, what="mapping") from error
