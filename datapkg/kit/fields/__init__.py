"""Columns that both engines enforce alike: every value written is accepted by both or refused by both.

Each column carries one named CHECK (``ck_<table>_<column>``), generated for the engine while the DDL is compiled.
Python refuses first, with a :class:`~datapkg.kit.errors.ValidationError`, what an engine would silently change.
"""

from __future__ import annotations

from datapkg.kit.fields.base import Column
from datapkg.kit.fields.json import DocumentField, JSONField
from datapkg.kit.fields.keys import ForeignKey, UUIDField
from datapkg.kit.fields.numbers import BigIntegerField, BooleanField, DecimalField, FloatField, IntegerField, total
from datapkg.kit.fields.texts import EnumField, TextField
from datapkg.kit.fields.times import DateField, TimestampField

__all__ = [
    "BigIntegerField",
    "BooleanField",
    "Column",
    "DateField",
    "DecimalField",
    "DocumentField",
    "EnumField",
    "FloatField",
    "ForeignKey",
    "IntegerField",
    "JSONField",
    "TextField",
    "TimestampField",
    "UUIDField",
    "total",
]
