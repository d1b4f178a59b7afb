"""Stored documents: which versions there are, bringing old ones up to date, and their JSON Schemas."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any
from uuid import UUID

from datapkg import registry
from datapkg.kit.database import current, run_in_transaction, run_statement
from datapkg.kit.dialect.base import quote
from datapkg.kit.documents import Document, json_schema
from datapkg.kit.errors import DatapkgError, NotFoundError, StaleWriteError, ValidationError
from datapkg.kit.failpoints import reach
from datapkg.kit.models import Model
from datapkg.kit.results import Rows
from datapkg.kit.words import did_you_mean

__all__ = [
    "DocumentColumn",
    "UpgradeReport",
    "document_columns",
    "documents_schema",
    "documents_status",
    "documents_upgrade",
]

logger = logging.getLogger(__name__)

_AT_ONCE = 500
"""Rows in one statement: three parameters each, of which SQLite takes 32,766."""
_SHOWN = 1000
"""Refused documents that a report names; a table of a million of them has to fit into memory too."""


@dataclass(frozen=True)
class DocumentColumn:
    """A column that holds versioned documents.

    Attributes:
        model: its table.
        column: its name in the database.
        document: the document type.
        immutable: whether stored documents must stay as they are.
        frozen: a condition in SQL for rows whose document must stay as it is; empty where there are none.
    """

    model: type[Model]
    column: str
    document: Document[Any]
    immutable: bool
    frozen: str = ""

    @property
    def name(self) -> str:
        """``table.column``."""
        return f"{self.model._meta.table_name}.{self.column}"

    @property
    def unfrozen(self) -> str:
        """What a WHERE ends with to leave out rows whose document must stay as it is."""
        return f" AND NOT {self.frozen}" if self.frozen else ""


@dataclass(frozen=True)
class UpgradeReport:
    """What ``documents_upgrade`` did.

    Attributes:
        upgraded: documents rewritten.
        skipped: documents that changed meanwhile, and were left to their writer.
        refused: rows of ``column``, ``id`` and ``why`` for documents that cannot be upgraded; the first 1,000.
        refused_count: how many there are in all.
    """

    upgraded: int
    skipped: int
    refused: Rows[dict[str, object]]
    refused_count: int = 0


def document_columns() -> list[DocumentColumn]:
    """Return every column of every domain that holds versioned documents."""
    found = []
    for domain in registry.domains():
        tables = {model._meta.table_name: model for model in domain.models}
        for name, document in domain.documents.items():
            table, _, column = name.partition(".")
            immutable = name in domain.immutable_documents
            found.append(DocumentColumn(tables[table], column, document, immutable, _frozen(tables[table], column)))
    return found


def _frozen(model: type[Model], column: str) -> str:
    """The condition under which the database keeps a row's document as it is."""
    by = getattr(model._meta, "frozen_by", {}).get(column)
    if by is None:
        return ""
    table, reference = map(quote, by)
    return f"EXISTS (SELECT 1 FROM {table} WHERE {table}.{reference} = {quote(model._meta.table_name)}.id)"


_STATUS = {"column": str, "document": str, "version": str, "current": int, "rows": int, "state": str}


def documents_status() -> Rows[dict[str, object]]:
    """Count the stored versions of every document column, in SQL.

    Returns:
        Rows of ``column``, ``document``, ``version``, ``current``, ``rows`` and ``state`` (``current``, ``old``,
        ``immutable`` for an old one that upgrades only when read, ``newer`` than this code, or ``corrupt``).
    """
    database = current()
    found: Rows[dict[str, object]] = Rows(of=_STATUS)
    for each in document_columns():
        version = database.dialect.json_version(quote(each.column))
        # What can be current needs no look at what freezes it, and mostly all are.
        frozen = f"CASE WHEN {version} <> '{each.document.version}' AND {each.frozen} THEN 1 ELSE 0 END"
        sql = (
            f"SELECT {version} AS version, {frozen if each.frozen else '0'} AS frozen, count(*) "
            f"FROM {quote(each.model._meta.table_name)} WHERE {quote(each.column)} IS NOT NULL "
            "GROUP BY 1, 2 ORDER BY 1, 2"
        )
        for stored, is_frozen, count in database.fetch(sql, ()):
            found.append(
                {
                    "column": each.name,
                    "document": each.document.name,
                    "version": stored,
                    "current": each.document.version,
                    "rows": count,
                    "state": _state(each, stored, immutable=each.immutable or bool(is_frozen)),
                }
            )
    return found


def _state(column: DocumentColumn, version: str, *, immutable: bool) -> str:
    if not version.isdigit():
        return "corrupt"
    if int(version) > column.document.version:
        return "newer"
    if int(version) == column.document.version:
        return "current"
    return "immutable" if immutable else "old"


def documents_upgrade(*, batch_size: int = 500, progress: Callable[[int], None] | None = None) -> UpgradeReport:
    """Rewrite old documents in the current version, a batch a transaction.

    It can be stopped and run again at any time: what is done is not found again. A document that somebody changes
    meanwhile is left alone. Immutable ones are never touched, and ``updated_at`` stays.

    Args:
        batch_size: rows in one transaction.
        progress: called with the number of rows dealt with since the last call.

    Raises:
        ValidationError: ``batch_size`` is no whole number from 1.
    """
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise ValidationError({"batch_size": ["Must be a whole number from 1."]}, what="upgrade of documents")
    upgraded = skipped = count = 0
    refused: Rows[dict[str, object]] = Rows()
    for column in document_columns():
        if column.immutable:
            continue
        for batch in _old_rows(column, batch_size):
            done, left, bad = run_in_transaction(_upgrade_batch)(column, batch)
            reach("upgrade.after_batch")
            upgraded, skipped, count = upgraded + done, skipped + left, count + len(bad)
            refused.extend(bad[: _SHOWN - len(refused)])
            if progress is not None:
                progress(len(batch))
    logger.info("documents upgraded", extra={"upgraded": upgraded, "refused": count})
    return UpgradeReport(upgraded, skipped, refused, count)


def _old_rows(column: DocumentColumn, batch_size: int) -> Iterator[list[Any]]:
    """Yield batches of (id, text) of old documents, in key order."""
    database = current()
    mark, name = database.dialect.param, quote(column.column)
    known = ", ".join(f"'{number}'" for number in range(column.document.version))
    sql = (
        f"SELECT id, {name} FROM {quote(column.model._meta.table_name)} WHERE id > {mark} AND {name} IS NOT NULL "
        f"AND {database.dialect.json_version(name)} IN ({known}){column.unfrozen} ORDER BY id LIMIT {batch_size}"
    )
    last = str(UUID(int=0))
    while batch := database.fetch(sql, (last,)):
        yield batch
        last = batch[-1][0]


def _upgrade_batch(column: DocumentColumn, batch: list[Any]) -> tuple[int, int, list[dict[str, object]]]:
    made: list[tuple[str, str, str]] = []
    bad: list[dict[str, object]] = []
    for key, text in batch:
        try:
            content = column.document.validate(column.document.loads(text))
        except DatapkgError as error:
            bad.append({"column": column.name, "id": key, "why": error.why})
            continue
        made.append((key, text, column.document.dumps(content)))
    done = sum(_write(column, made[start : start + _AT_ONCE]) for start in range(0, len(made), _AT_ONCE))
    reach("upgrade.before_commit")
    return done, len(made) - done, bad


def _write(column: DocumentColumn, made: list[tuple[str, str, str]]) -> int:
    """Write new texts where there still is what was read, for a newer write wins; return how many."""
    database = current()
    dialect, table, name = database.dialect, quote(column.model._meta.table_name), quote(column.column)
    row = f"({', '.join([dialect.param] * 3)})"
    # A statement of its own for each row would take most of the time, going to a server and back.
    sql = (
        f"UPDATE {table} SET {name} = {dialect.json_value('made.column3')} "
        f"FROM (VALUES {', '.join([row] * len(made))}) AS made "
        f"WHERE {table}.id = {dialect.key_value('made.column1')} "
        # The batch is in key order: without its bounds PostgreSQL would rather read the whole of a smaller table.
        f"AND {table}.id BETWEEN {dialect.key_value(dialect.param)} AND {dialect.key_value(dialect.param)} "
        f"AND {table}.{name} = {dialect.json_value('made.column2')}{column.unfrozen}"
    )
    try:
        return run_statement(partial(database.change, sql, [*chain.from_iterable(made), made[0][0], made[-1][0]]))
    except StaleWriteError:  # frozen since the statement began
        return 0 if len(made) == 1 else sum(_write(column, [each]) for each in made)


def documents_schema(name: str) -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a document type's current version.

    Raises:
        NotFoundError: no domain has a document type of this name.
    """
    known = {column.document.name: column.document for column in document_columns()}
    if name not in known:
        meant = did_you_mean(name, known)
        raise NotFoundError("document type", name, fix=f"{meant} Use one of: {', '.join(sorted(known))}.".strip())
    return json_schema(known[name])
