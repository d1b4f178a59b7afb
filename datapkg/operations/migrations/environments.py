"""The environment stamp: a database says by itself that it is production, and dangerous work then asks twice."""

from __future__ import annotations

import difflib
import re

from datapkg.kit.database import current, override, run_in_transaction
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import EnvironmentGuardError, ValidationError
from datapkg.operations.bookkeeping import Setting
from datapkg.operations.migrations.history import ensure_bookkeeping, has_books, refuse_foreign, setting

__all__ = ["DEFAULT_ENVIRONMENT", "ENVIRONMENT_KEY", "environment", "guard", "set_environment"]

DEFAULT_ENVIRONMENT = "development"
ENVIRONMENT_KEY = "environment"
"""Of the setting that holds the stamp."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}\Z")


def environment(*, database: KitDatabase | None = None) -> str:
    """Return the environment that the database is stamped with; ``development`` unless set."""
    value = setting(database or current(), ENVIRONMENT_KEY)
    return value if isinstance(value, str) else DEFAULT_ENVIRONMENT


def set_environment(name: str, *, i_know_this_is: str | None = None, database: KitDatabase | None = None) -> str:
    """Stamp the database, and return the name.

    A production database stays one unless the caller says that it is meant: without its stamp nothing is guarded.

    Args:
        name: ``production``, ``staging``, ``development`` or another lower-case word.
        i_know_this_is: ``"production"``, to give a production database another stamp.
        database: instead of the database in force.

    Raises:
        ValidationError: the name is no such word, or looks like ``production`` without being it.
        ForeignDatabaseError: the database is not ours.
        EnvironmentGuardError: it is production, and the caller did not say so.
    """
    if not isinstance(name, str) or not _NAME.match(name):
        raise ValidationError(
            {"environment": ["Must be lower-case letters, digits, - and _, at most 50, starting with a letter."]}
        )
    if _looks_like_production(name):
        raise ValidationError(
            {"environment": [f"Only 'production' is guarded, and {name!r} would not be. Did you mean 'production'?"]}
        )
    with override(database or current()) as chosen:
        refuse_foreign(chosen)

        @run_in_transaction
        def write() -> None:
            if not has_books(chosen):
                ensure_bookkeeping(chosen)
            if name != "production":
                guard(f"the environment {name}", i_know_this_is=i_know_this_is, database=chosen)
            if not Setting.update(value=name).where(Setting.key == ENVIRONMENT_KEY).execute():
                Setting.create(key=ENVIRONMENT_KEY, value=name)

        write()
    return name


def _looks_like_production(name: str) -> bool:
    """Tell a slip or a short form from another name, such as ``pre-production``."""
    near = abs(len(name) - len("production")) < 2 and difflib.get_close_matches(name, ["production"], cutoff=0.8)
    return name != "production" and (name.startswith("prod") or bool(near))


def guard(action: str, *, i_know_this_is: str | None = None, database: KitDatabase | None = None) -> None:
    """Refuse an action in production unless the caller names the environment.

    Args:
        action: what is about to be done, for the message: ``"seed --profile demo"``.
        i_know_this_is: ``"production"``, where that is meant.
        database: instead of the database in force.

    Raises:
        EnvironmentGuardError: the database is production, and the caller did not say so; or it is not what was said.
    """
    name = environment(database=database)
    if i_know_this_is is not None and i_know_this_is != name:
        raise EnvironmentGuardError(
            f"This database is {name}, and not {i_know_this_is}; {action} is refused.",
            fix=f"Look at which database it is; if it is meant: --i-know-this-is {name}.",
            environment=name,
            action=action,
        )
    if name == "production" and i_know_this_is is None:
        raise EnvironmentGuardError(
            f"This database is {name}; {action} is refused there.", environment=name, action=action
        )
