"""The table of contents: every domain, the built-in ones and those that a program or another package registers."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from datapkg.kit.domains import Domain, Exemption, RetentionPolicy, SeedTable
from datapkg.kit.errors import ConfigurationError
from datapkg.kit.models import Model

__all__ = [
    "ENTRY_POINT_GROUP",
    "Domain",
    "Exemption",
    "RetentionPolicy",
    "SeedTable",
    "domains",
    "models",
    "register",
    "unregister",
]

ENTRY_POINT_GROUP = "datapkg.domains"
_BUILT_IN = ("audit", "flags", "accounts", "evaluation", "workqueue", "planning", "scripts", "engagement")
_registered: dict[str, Domain] = {}


def register(domain: Domain) -> None:
    """Add a domain of your own; migrate, seed and the test fixtures then serve it like a built-in one.

    Raises:
        ConfigurationError: the name is taken, the domain has tables but no migrations folder, or its documents,
            seeds or retention policies name tables that it does not have.
    """
    others = (*_BUILT_IN, *(each.name for each in _from_entry_points()))
    if domain.name in others or _registered.get(domain.name, domain) is not domain:
        raise ConfigurationError(f"A domain {domain.name!r} exists already.", fix="Give yours another name.")
    _check(domain)
    _registered[domain.name] = domain


def _check(domain: Domain) -> None:
    """Refuse a domain that the operations could not serve."""
    if domain.models and domain.migrations is None:
        raise ConfigurationError(
            f"The domain {domain.name!r} has tables but no migrations folder.", fix="Set Domain(migrations=Path(…))."
        )
    columns = {
        f"{model._meta.table_name}.{field.column_name}"
        for model in domain.models
        for field in model._meta.sorted_fields
    }
    for name in [*domain.documents, *domain.immutable_documents]:
        if name not in columns:
            raise ConfigurationError(
                f"The domain {domain.name!r} lists documents in {name!r}, which is no column of its tables.",
                fix="Write table.column, of a table that stands in Domain(models=…).",
            )
    for policy in domain.retention:
        if policy.model not in domain.models or policy.by not in policy.model._meta.fields:
            raise ConfigurationError(
                f"The retention policy {policy.name!r} of {domain.name!r} needs a table of the domain, and one of its "
                "fields to go by.",
                fix="Add the model to Domain(models=…), and name an instant or a date of it.",
            )
    for table in domain.seeds:
        if table.model not in domain.models:
            raise ConfigurationError(
                f"The domain {domain.name!r} seeds {table.model._meta.table_name}, which is none of its tables.",
                fix="Add the model to Domain(models=…), or leave its seeds to its own domain.",
            )
        for name in (*table.natural_key, *table.insert_only):
            if name not in table.model._meta.fields:
                raise ConfigurationError(
                    f"The seeds of {table.model._meta.table_name} name the field {name!r}, which the model lacks.",
                    fix=f"Use some of: {', '.join(table.model._meta.fields)}.",
                )


def unregister(name: str) -> None:
    """Take a registered domain out again; its tables stay."""
    _registered.pop(name, None)


def domains() -> tuple[Domain, ...]:
    """Return every domain, the built-in ones first, parents before those that refer to them."""
    built_in = tuple(_built_in())
    return built_in + tuple(_from_entry_points()) + tuple(_registered.values())


def models() -> tuple[type[Model], ...]:
    """Return the tables of every domain, parents before children."""
    return tuple(model for domain in domains() for model in domain.models)


@cache
def _built_in() -> tuple[Domain, ...]:
    return tuple(_load(name) for name in _BUILT_IN)


def _load(name: str) -> Domain:
    domain: Any = importlib.import_module(f"datapkg.{name}.domain").DOMAIN
    assert isinstance(domain, Domain)
    return domain


@cache
def _from_entry_points() -> tuple[Domain, ...]:
    found: dict[str, Domain] = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        place = f"entry point {point.name!r} ({point.value})"
        try:
            domain: object = point.load()
        except Exception as error:  # somebody else's code, which may fail in any way
            raise ConfigurationError(
                f"The domain of the {place} cannot be loaded: {type(error).__name__}: {error}.",
                fix="Mend or uninstall the package that brings it.",
            ) from error
        if not isinstance(domain, Domain):
            raise ConfigurationError(f"The {place} is no Domain.", fix="Let it name a datapkg.Domain value.")
        if domain.name in found or domain.name in _BUILT_IN:
            raise ConfigurationError(
                f"The {place} brings a domain {domain.name!r}, which exists already.", fix="Give it another name."
            )
        _check(domain)
        found[domain.name] = domain
    return tuple(found.values())
