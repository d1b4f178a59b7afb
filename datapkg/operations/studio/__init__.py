"""A browser page on the rows of every domain, for the one who sits at the machine: Flask-Admin on the kit's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datapkg.kit.database import current
from datapkg.kit.errors import ConfigurationError
from datapkg.operations.migrations.environments import guard

if TYPE_CHECKING:
    from datapkg.operations.studio.app import Studio

__all__ = ["studio"]


def studio(*, write: bool = False, i_know_this_is: str | None = None) -> Studio:
    """Return a WSGI application with pages on the database in force; its ``server()`` serves it.

    Args:
        write: whether rows may be edited, where their table allows it; without it the engine itself refuses writes.
        i_know_this_is: ``"production"``, to edit rows of a database that is stamped so.

    Raises:
        ConfigurationError: the extra ``studio`` is not installed.
        EnvironmentGuardError: ``write`` was asked for in production, and the caller did not say so.

    Example:
        >>> datapkg.studio().server(port=8001).run()  # doctest: +SKIP
    """
    try:
        from datapkg.operations.studio.app import Studio
    except ImportError as error:
        raise ConfigurationError(
            f"The studio needs {error.name}, which is not installed.", fix="Run: pip install Flask-Admin."
        ) from error
    database = current()
    if write:
        guard("studio --write", i_know_this_is=i_know_this_is)
    return Studio(database, write=write, i_know_this_is=i_know_this_is)
