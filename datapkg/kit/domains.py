"""What a domain tells the operations about itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datapkg.kit.documents import Document
from datapkg.kit.models import Model

__all__ = ["Domain", "Exemption", "RetentionPolicy", "SeedTable"]


@dataclass(frozen=True, kw_only=True)
class SeedTable:
    """How seed files write one table.

    Attributes:
        model: the table.
        schema: ``"package.module:Class"`` of the marshmallow schema for one row.
        natural_key: the fields that tell one row from another; empty where a seed row carries a ``key``.
        insert_only: fields that a seed sets once and never again, so that an operator's change survives.
        comes_with: the reference to the row that a seed row is a part of; where that one was there before, the part is
            not inserted any more, because the whole may have gone on without it.
    """

    model: type[Model]
    schema: str
    natural_key: tuple[str, ...] = ()
    insert_only: tuple[str, ...] = ()
    comes_with: str | None = None


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """What keeps a row in its table, however old it is.

    Attributes:
        why: what reports call it, such as ``open escalation``.
        condition: an SQL condition that both engines take, with the row's table as ``this``; never NULL (``EXISTS``).
        locks: references of the row; the rows that they lead to are locked while it is decided, so that what is being
            written about them at that moment counts.
    """

    why: str
    condition: str
    locks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RetentionPolicy:
    """How long a table's rows stay, and what they are archived as.

    Whatever refers to an archived row needs a place in it: a table that goes with the row stands in ``parts``, one that
    stays must refer with ``ON DELETE SET NULL``; the archive then holds the references that were cut.

    Attributes:
        name: what it is called in ``keep``, on the command line and in archives.
        model: the table.
        by: the field that ages: an instant or a date.
        keep: how long after that a row stays.
        format: ``"json"`` (JSON lines), ``"csv"`` or ``"json.gz"`` (compressed JSON lines).
        period: what one file holds: a ``"month"``, ``"quarter"`` or ``"year"``.
        parts: the tables whose rows go with a row, each with its reference to it.
        exempt: what keeps a row.
        withheld: rows that are not restored, by a reference of the row: an SQL condition on the row that it leads to.
        prefix: ``"package.module:Class"`` for a table whose rows only go from the beginning, in an order; see
            ``datapkg.operations.retention.layouts.Prefix``.
    """

    name: str
    model: type[Model]
    by: str
    keep: dt.timedelta
    format: str = "json"
    period: str = "month"
    parts: tuple[tuple[type[Model], str], ...] = ()
    exempt: tuple[Exemption, ...] = ()
    withheld: Mapping[str, str] = field(default_factory=dict)
    prefix: str | None = None


@dataclass(frozen=True, kw_only=True)
class Domain:
    """One data domain: what the operations need to know to serve it.

    Attributes:
        name: a folder-like name, also its migration history's name.
        models: its tables, parents before children.
        documents: its versioned document types, by the columns that hold them: ``{"definitions.content": …}``.
        seeds: how seed files write its tables.
        migrations: the folder of its own migrations; None for the built-in ones, which share one history.
        fixtures: the folder of its own seed profiles; None for the built-in ones.
        immutable_documents: those of ``documents`` whose rows are never rewritten.
        retention: which rows are archived, and when.
    """

    name: str
    models: tuple[type[Model], ...]
    documents: Mapping[str, Document[Any]] = field(default_factory=dict)
    seeds: tuple[SeedTable, ...] = ()
    migrations: Path | None = None
    fixtures: Path | None = None
    immutable_documents: frozenset[str] = frozenset()
    retention: tuple[RetentionPolicy, ...] = ()
