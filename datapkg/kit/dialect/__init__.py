"""Every difference between SQLite and PostgreSQL, decided in one place.

A column type, a CHECK, a trigger, a lock or an error that the engines spell differently is asked of a
:class:`Dialect`. What still differs for SQL that does not come through this package is :data:`KNOWN_GAPS`.
"""

from __future__ import annotations

from datapkg.kit.dialect.base import Dialect
from datapkg.kit.dialect.postgresql import POSTGRESQL
from datapkg.kit.dialect.sqlite import SQLITE

__all__ = ["KNOWN_GAPS", "POSTGRESQL", "SQLITE", "Dialect", "dialect_of"]

KNOWN_GAPS = {
    "integer_rounding": "PostgreSQL rounds 1.5 into an integer column; SQLite's STRICT tables refuse it.",
    "boolean_spellings": "PostgreSQL takes 't', 'yes', 'on' as booleans; SQLite takes 0 and 1.",
    "uuid_spellings": "PostgreSQL takes upper case, braces and no dashes in a UUID; SQLite the dashed lower-case text.",
    "date_spellings": "PostgreSQL takes many spellings of dates and times; SQLite only the fixed-width UTC text.",
    "json_escapes": "SQLite takes an escaped NUL or a lone surrogate inside JSON; PostgreSQL's jsonb refuses both.",
    "json_depth": "Foreign SQL may nest JSON 1,000 deep on SQLite and deeper on PostgreSQL; the kit stops at 100.",
    "nan_null": "SQLite turns a bound NaN into NULL, so a nullable number takes it; PostgreSQL refuses it.",
    "number_spellings": "SQLite takes '5.0' as an integer and 1e-400 as zero; PostgreSQL refuses both.",
    "decimal_scaling": "A decimal is a scaled integer on SQLite: 1.25 with two digits after the point is 125 there.",
    "foreign_key_name": "SQLite does not say which foreign key failed; PostgreSQL names it.",
}
"""What each engine does differently with SQL that was not written through the kit, by name."""


def dialect_of(database: object) -> Dialect:
    """Return the dialect of a Peewee database, the kit's own or any other.

    Raises:
        ConfigurationError: the engine is neither SQLite nor PostgreSQL (nor speaks PostgreSQL's dialect).
    """
    import peewee as pw

    known = getattr(database, "dialect", None)
    if isinstance(known, Dialect):
        return known
    if isinstance(database, pw.SqliteDatabase):
        return SQLITE
    if isinstance(database, pw.PostgresqlDatabase):
        return POSTGRESQL
    from datapkg.kit.errors import ConfigurationError

    raise ConfigurationError(
        f"datapkg's tables need SQLite or PostgreSQL; this is {type(database).__name__}.",
        fix="Use a sqlite:/// or postgresql:// URL.",
    )
