"""Commands that installed packages bring: click commands named by the entry point group ``datapkg.commands``."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

import click

__all__ = ["ENTRY_POINT_GROUP", "described", "load", "names"]

ENTRY_POINT_GROUP = "datapkg.commands"


@cache
def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def names() -> list[str]:
    """Return the names of the commands, without importing any."""
    return list(_points())


def load(name: str) -> click.Command:
    """Return a command.

    Raises:
        ConfigurationError: it cannot be imported, or is no click command.
    """
    from datapkg.kit.errors import ConfigurationError

    point = _points()[name]
    place = f"entry point {point.name!r} ({point.value})"
    try:
        found: object = point.load()
    except Exception as error:  # somebody else's code, which may fail in any way
        raise ConfigurationError(
            f"The command of the {place} cannot be loaded: {type(error).__name__}: {error}.",
            fix="Mend or uninstall the package that brings it.",
        ) from error
    if not isinstance(found, click.Command):
        raise ConfigurationError(f"The {place} is no command.", fix="Let it name a click command or group.")
    return found


def described(name: str) -> str:
    """Return one line about a command for a list of them, also where it cannot be loaded."""
    try:
        return load(name).get_short_help_str(limit=80)
    except Exception:  # somebody else's; calling the command tells what is wrong with it
        return "(cannot be loaded)"
