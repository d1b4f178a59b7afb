"""How functions are told which feature: its key, its number, FEAT-005, or the row itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from datapkg.kit.database import current, run_statement
from datapkg.kit.errors import NotFoundError, ValidationError
from datapkg.kit.rows import instance_builder
from datapkg.workqueue.models import Feature, feature_label

__all__ = ["COLUMNS", "FeatureRef", "Ref", "as_ref", "find_row", "get_row", "locked_row", "update_row"]

FeatureRef = UUID | str | int | Feature
"""A feature's key (a UUID or its text), its number (5, ``"5"`` or ``"FEAT-005"``), or the feature itself."""

COLUMNS = ", ".join(f'"{field.column_name}"' for field in Feature._meta.sorted_fields)

_LABEL = re.compile(r"(?:FEAT-)?0*([1-9][0-9]{0,9})\Z", re.IGNORECASE | re.ASCII)
_MOST = 2**31 - 1


class Ref(NamedTuple):
    """A column that tells features apart, and the driver's value."""

    column: str
    value: str | int

    @property
    def label(self) -> str:
        """How errors name the feature."""
        return feature_label(self.value) if isinstance(self.value, int) else self.value


def as_ref(feature: FeatureRef, name: str = "feature") -> Ref:
    """Return what a feature is looked up by.

    Args:
        feature: its key, its number, ``"FEAT-005"``, or the row.
        name: the argument it was given as, for the error.

    Raises:
        ValidationError: it is none of these.
    """
    if isinstance(feature, Feature):
        return Ref("id", str(feature.id))
    if isinstance(feature, UUID):
        return Ref("id", str(feature))
    if isinstance(feature, str):
        if match := _LABEL.match(feature):
            feature = int(match[1])
        else:
            try:
                return Ref("id", str(UUID(feature)))
            except ValueError:
                pass
    if isinstance(feature, int) and not isinstance(feature, bool) and 1 <= feature <= _MOST:
        return Ref("feature_number", int(feature))
    raise ValidationError({name: ["Not a feature: give its UUID, its number, or FEAT-005."]}, what="reference")


def find_row(ref: Ref, *, lock: str = "") -> Feature | None:
    """Return a feature, or None.

    Args:
        ref: which.
        lock: what the SELECT ends with to lock it.
    """
    database = current()
    sql = f"SELECT {COLUMNS} FROM feature_queue WHERE {ref.column} = {database.dialect.param}{lock}"
    rows = database.fetch(sql, (ref.value,))
    return instance_builder(Feature, database.dialect)(rows[0]) if rows else None


def get_row(ref: Ref) -> Feature:
    """Return a feature.

    Raises:
        NotFoundError: it is not there.
    """
    row = find_row(ref)
    if row is None:
        raise NotFoundError("feature", ref.label)
    return row


def locked_row(ref: Ref) -> Feature:
    """Return a feature that nobody else can change until the transaction ends.

    Raises:
        NotFoundError: it is not there.
    """
    row = find_row(ref, lock=current().dialect.for_update)
    if row is None:
        raise NotFoundError("feature", ref.label)
    return row


def update_row(ref: Ref, values: Mapping[str, Any], *, held_with: UUID | None = None) -> Feature | None:
    """Write columns of a feature and return it as it is then, or None where there is no such row.

    Args:
        ref: which.
        values: by field name.
        held_with: the token of the claim that must hold it.
    """
    database = current()
    param, fields = database.dialect.param, Feature._meta.fields
    sets = ", ".join(f"{name} = {param}" for name in values)
    bound: list[Any] = [fields[name].db_value(value) for name, value in values.items()]
    sql = f"UPDATE feature_queue SET {sets} WHERE {ref.column} = {param}"
    bound.append(ref.value)
    if held_with is not None:
        sql += f" AND status = 'IN_PROGRESS' AND claim_token = {param}"
        bound.append(str(held_with))
    sql += f" RETURNING {COLUMNS}"
    rows = run_statement(lambda: database.fetch(sql, bound))
    return instance_builder(Feature, database.dialect)(rows[0]) if rows else None
