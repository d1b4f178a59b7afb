"""The table of contents: every domain, the built-in ones and those that a program or another package registers."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from datapkg.kit.domains import Domain, SeedTable
from datapkg.kit.errors import ConfigurationError
from datapkg.kit.models import Model

__all__ = ["ENTRY_POINT_GROUP", "Domain", "SeedTable", "domains", "models", "register", "unregister"]

ENTRY_POINT_GROUP = "datapkg.domains"
_BUILT_IN = ("audit", "flags", "accounts", "evaluation")
_registered: dict[str, Domain] = {}


def register(domain: Domain) -> None:
    """Add a domain of your own; migrate, seed and the test fixtures then serve it like a built-in one.

    Raises:
        ConfigurationError: the name is taken, or the domain has tables but no migrations folder.
    """
    if domain.name in _BUILT_IN or _registered.get(domain.name, domain) is not domain:
        raise ConfigurationError(f"A domain {domain.name!r} exists already.", fix="Give yours another name.")
    if domain.models and domain.migrations is None:
        raise ConfigurationError(
            f"The domain {domain.name!r} has tables but no migrations folder.", fix="Set Domain(migrations=Path(…))."
        )
    _registered[domain.name] = domain


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
    found: Iterable[Any] = (point.load() for point in entry_points(group=ENTRY_POINT_GROUP))
    return tuple(domain for domain in found if isinstance(domain, Domain))
