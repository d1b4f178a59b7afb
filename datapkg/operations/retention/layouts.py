"""A policy, ready to work with: its tables, how their rows are read and written, and what refers to them."""

from __future__ import annotations

import datetime as dt
import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import peewee as pw

from datapkg import registry
from datapkg.kit.dialect.base import quote
from datapkg.kit.domains import Domain, RetentionPolicy
from datapkg.kit.errors import ConfigurationError, ValidationError
from datapkg.kit.fields import DateField, ForeignKey, TimestampField
from datapkg.kit.models import Model
from datapkg.kit.words import did_you_mean
from datapkg.operations.retention.lines import Lines, lines_of

__all__ = ["Layout", "Policies", "Prefix", "Table", "find_layout", "layouts", "period_of"]

Policies = Sequence[str | RetentionPolicy] | None
"""Names of policies, or policies of your own; None for those of every domain."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_FORMATS = {"json": ".jsonl", "json.gz": ".jsonl.gz", "csv": ".csv"}


class Prefix(Protocol):
    """What a policy's ``prefix`` class answers: its table's rows go from the beginning only, checked before."""

    order: str
    """The column, whole numbers without gaps, that rows follow each other by."""

    def last(self, before: dt.datetime) -> int:
        """The number up to which all rows are older than an instant."""

    def verify(self, entries: Sequence[Any]) -> None:
        """Raise unless the next rows, as model instances, may be archived."""

    def removed(self, last: Mapping[str, Any]) -> None:
        """Take note, in the same transaction, that all rows up to this one are deleted."""

    def returned(self, first: Mapping[str, Any], last: Mapping[str, Any]) -> None:
        """Take note, in the same transaction, that these rows are back, or raise."""

    def details(self) -> dict[str, object]:
        """What the audit log is told beside the counts."""


@dataclass(frozen=True)
class Table:
    """Rows, or references, that one file of an archive holds.

    Attributes:
        model: the table.
        column: the reference that leads to the archived row; empty for the rows themselves.
        fields: the columns that are archived.
        lines: how they are written.
        refers_to: the table that the reference leads to.
        cut: whether only the reference is archived, as the row stays.
    """

    model: type[Model]
    column: str
    fields: tuple[pw.Field[Any], ...]
    lines: Lines
    refers_to: str = ""
    cut: bool = False

    @property
    def name(self) -> str:
        """The table's name, with the reference's where only that is archived."""
        table: str = self.model._meta.table_name
        return f"{table}.{self.column}" if self.cut else table

    @property
    def select(self) -> str:
        """``SELECT … FROM …`` of those columns."""
        columns = ", ".join(f"this.{quote(field.column_name)}" for field in self.fields)
        return f"SELECT {columns} FROM {quote(self.model._meta.table_name)} AS this"


@dataclass(frozen=True)
class Layout:
    """A policy and what follows from it.

    Attributes:
        policy: the policy.
        keep: how long rows stay, which a caller may have said otherwise.
        history: the migration history that its domain belongs to.
        root: the policy's own table.
        parts: the tables whose rows go with a row, then those whose references are cut.
    """

    policy: RetentionPolicy
    keep: dt.timedelta
    history: str
    root: Table
    parts: tuple[Table, ...]

    @property
    def suffix(self) -> str:
        """How the files' names end."""
        return _FORMATS[self.policy.format]

    def cutoff(self, now: dt.datetime) -> dt.datetime:
        """Return the instant before which rows are due.

        Raises:
            ValidationError: it is before the year 1.
        """
        try:
            return now - self.keep
        except OverflowError:
            raise ValidationError(
                {f"keep.{self.policy.name}": ["Leads beyond the year 1."]}, what="retention"
            ) from None

    def due(self, cutoff: dt.datetime) -> Any:
        """Return the driver's value of the cutoff."""
        field = self.policy.model._meta.fields[self.policy.by]
        return field.db_value(cutoff.date() if isinstance(field, DateField) else cutoff)

    def prefix(self) -> Prefix | None:
        """Return a fresh instance of the policy's prefix class, or None."""
        if self.policy.prefix is None:
            return None
        module, _, attribute = self.policy.prefix.partition(":")
        try:
            return cast(Prefix, getattr(importlib.import_module(module), attribute)())
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigurationError(
                f"The prefix {self.policy.prefix!r} of a retention policy cannot be found: {error}.",
                fix='Write it as "package.module:Class".',
            ) from error


def period_of(day: str, period: str) -> str:
    """Return the period of a day ``YYYY-MM-…``: ``2026-08``, ``2026-Q3`` or ``2026``."""
    if period == "month":
        return day[:7]
    return day[:4] if period == "year" else f"{day[:4]}-Q{(int(day[5:7]) + 2) // 3}"


def layouts(*, policies: Policies = None, keep: Mapping[str, dt.timedelta] | None = None) -> list[Layout]:
    """Return the policies to work by.

    Args:
        policies: which; None for those of every domain.
        keep: other spans, by the policy's name.

    Raises:
        ValidationError: a name is not known, or a span is none.
        ConfigurationError: a policy cannot work.
    """
    known: dict[str, tuple[RetentionPolicy, Domain]] = {}
    for domain in registry.domains():
        for policy in domain.retention:
            if policy.name in known:
                raise ConfigurationError(
                    f"Two domains have a retention policy {policy.name!r}.", fix="Give one of them another name."
                )
            known[policy.name] = (policy, domain)
    problems: dict[str, list[str]] = {}
    names = f"Use some of: {', '.join(known)}"
    chosen: list[tuple[RetentionPolicy, Domain | None]] = []
    for place, given in enumerate(known if policies is None else policies):
        if isinstance(given, RetentionPolicy):
            chosen.append((given, None))
        elif isinstance(given, str) and given in known:
            chosen.append(known[given])
        else:
            meant = did_you_mean(given, known) if isinstance(given, str) else ""
            problems[f"policies.{place}"] = [f"There is no such policy.{meant} {names}"]
    for name, span in (keep or {}).items():
        if name not in known and name not in {policy.name for policy, _ in chosen}:
            problems[f"keep.{name}"] = [f"There is no such policy.{did_you_mean(name, known)} {names}"]
        elif not isinstance(span, dt.timedelta) or span <= dt.timedelta(0):
            problems[f"keep.{name}"] = ["Must be a timedelta longer than nothing"]
    if problems:
        raise ValidationError(problems, what="retention", fix="Correct the named arguments; nothing was archived.")
    made = [_layout(policy, domain, (keep or {}).get(policy.name, policy.keep)) for policy, domain in chosen]
    # A chain that turns out to be broken must not keep the other tables from their archives.
    return sorted(made, key=lambda layout: layout.policy.prefix is not None)


def find_layout(name: str, policies: Policies = None) -> Layout:
    """Return the layout of the policy that an archive names, of the caller's own or of a domain.

    Raises:
        ConfigurationError: there is none.
    """
    own = [each for each in policies or () if isinstance(each, RetentionPolicy)]
    registered = [policy for domain in registry.domains() for policy in domain.retention]
    found = next((policy for policy in [*own, *registered] if policy.name == name), None)
    if found is None:
        raise ConfigurationError(
            f"An archive was made by the retention policy {name!r}, which nobody has.",
            fix="Register the domain that it belongs to, or pass the policy itself.",
        )
    return layouts(policies=[name if found in registered else found])[0]


def _layout(policy: RetentionPolicy, domain: Domain | None, keep: dt.timedelta) -> Layout:
    meta = policy.model._meta
    if not _NAME.fullmatch(policy.name):
        raise _wrong(policy, "its name is no name of a folder: letters, digits, _, - and . after the first")
    if policy.format not in _FORMATS or policy.period not in ("month", "quarter", "year"):
        raise _wrong(policy, f"the format {policy.format!r} or the period {policy.period!r} is not known")
    if not isinstance(meta.fields.get(policy.by), (TimestampField, DateField)):
        raise _wrong(policy, f"{meta.table_name} has no instant or date {policy.by!r}")
    root = _table(policy.model, policy.format)
    parts = []
    for model, name in policy.parts:
        field = model._meta.fields.get(name)
        if not isinstance(field, ForeignKey) or field.rel_model is not policy.model:
            raise _wrong(policy, f"{model._meta.table_name} has no reference {name!r} to {meta.table_name}")
        parts.append(_table(model, policy.format, field))
    gone = {policy.model, *(model for model, _ in policy.parts)}
    cuts = []
    for model in registry.models():
        for field in model._meta.sorted_fields:
            if not isinstance(field, ForeignKey) or field.rel_model not in gone or (model, field.name) in policy.parts:
                continue
            if field.on_delete != "SET NULL" or model in gone:
                raise _wrong(policy, f"{model._meta.table_name}.{field.column_name} refers to rows that would go")
            cuts.append(_table(model, policy.format, field, cut=True))
    history = "datapkg" if domain is None or domain.migrations is None else domain.name
    return Layout(policy, keep, history, root, (*parts, *cuts))


def _wrong(policy: RetentionPolicy, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The retention policy {policy.name!r} cannot work: {why}.",
        fix="Correct the policy; what refers to archived rows is one of its parts, or is ON DELETE SET NULL.",
    )


def _table(model: type[Model], file_format: str, reference: ForeignKey | None = None, *, cut: bool = False) -> Table:
    meta = model._meta
    fields = (meta.primary_key, reference) if cut and reference is not None else tuple(meta.sorted_fields)
    column = "" if reference is None else reference.column_name
    refers_to = "" if reference is None else reference.rel_model._meta.table_name
    return Table(model, column, fields, lines_of(file_format, fields), refers_to, cut)
