"""What a domain tells the operations about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from datapkg.kit.documents import Document
from datapkg.kit.models import Model

__all__ = ["Domain", "SeedTable"]


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
    """

    name: str
    models: tuple[type[Model], ...]
    documents: Mapping[str, Document] = field(default_factory=dict)
    seeds: tuple[SeedTable, ...] = ()
    migrations: Path | None = None
    fixtures: Path | None = None
    immutable_documents: frozenset[str] = frozenset()
