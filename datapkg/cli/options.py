"""Options that several commands have, alike in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from datapkg.cli.completion import environments

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["following", "guarded", "paged"]


def paged(function: F) -> F:
    """Add --limit."""
    return click.option(
        "--limit",
        type=click.IntRange(1, 1000),
        metavar="N",
        default=50,
        show_default=True,
        help="Rows at the most, 1 to 1,000.",
    )(function)


def following(what: str, complete: Any) -> Callable[[F], F]:
    """Add --after.

    Args:
        what: what is listed: ``run``.
        complete: completes its ids.
    """
    return click.option(
        "--after",
        metavar="ID",
        shell_complete=complete,
        help=f"Go on after this {what}, the last of the page before.",
    )


def guarded(when: str) -> Callable[[F], F]:
    """Add --i-know-this-is.

    Args:
        when: where it is needed.
    """
    return click.option("--i-know-this-is", metavar="ENVIRONMENT", shell_complete=environments, help=f"Needed {when}.")
