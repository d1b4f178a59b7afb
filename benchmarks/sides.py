"""The sides, in the order of the table's columns."""

from __future__ import annotations

from benchmarks.peers.base import Side
from benchmarks.peers.datapkg_itself import Datapkg, DatapkgStandardJson
from benchmarks.peers.django_orm import DjangoOrm
from benchmarks.peers.drizzle import Drizzle
from benchmarks.peers.plain_peewee import PlainPeewee
from benchmarks.peers.prisma import Prisma
from benchmarks.peers.raw import Best, Raw
from benchmarks.peers.sqlalchemy_orm import SqlalchemyOrm

__all__ = ["PEERS", "SIDES"]

SIDES: tuple[type[Side], ...] = (
    Raw,
    Best,
    PlainPeewee,
    SqlalchemyOrm,
    DjangoOrm,
    Prisma,
    Drizzle,
    Datapkg,
    DatapkgStandardJson,
)

PEERS = tuple(side.name for side in SIDES if not issubclass(side, Raw | Datapkg))
"""The names of the libraries that datapkg is held against."""
