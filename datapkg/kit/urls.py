"""Database URLs: what they mean, and how to show them without the password."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from datapkg.kit.errors import ConfigurationError
from datapkg.kit.words import did_you_mean

__all__ = ["DEFAULT_URL", "DatabaseUrl", "parse_url", "redact"]

DEFAULT_URL = "sqlite:///datapkg.db"
MEMORY = ":memory:"
_KNOWN = ("sqlite", "postgresql")


@dataclass(frozen=True)
class DatabaseUrl:
    """A parsed URL.

    Attributes:
        scheme: ``sqlite``, ``postgresql``, or another scheme of ``playhouse.db_url``.
        database: a file's path, ``:memory:``, or the database's name.
        arguments: what goes to the driver (user, password, host, port and the query's pairs), decoded.
        raw: the URL as given.
    """

    scheme: str
    database: str
    raw: str = field(repr=False)
    arguments: dict[str, str | int] = field(default_factory=dict, repr=False)

    @property
    def safe(self) -> str:
        """The URL without its password."""
        return redact(self.raw)


def parse_url(url: str) -> DatabaseUrl:
    """Parse a database URL; user and password may be percent-encoded.

    Raises:
        ConfigurationError: no scheme, no database name, or a port that is no number.

    >>> parse_url("postgresql://me:p%40ss@db.example/app").arguments["password"]
    'p@ss'
    """
    if not isinstance(url, str) or "://" not in url:
        meant = (
            f" Did you mean sqlite:///{url.removeprefix('sqlite:').lstrip('/')}?"
            if str(url).endswith((".db", ".sqlite", ".sqlite3"))
            else ""
        )
        raise ConfigurationError(
            f"The database URL has no scheme.{meant}",
            fix="Write sqlite:///file.db, sqlite:///:memory: or postgresql://user:password@host/name.",
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"The database URL cannot be read: {error}.", fix="Check host and port.") from None
    scheme = {"postgres": "postgresql"}.get(parts.scheme, parts.scheme)
    database = unquote(parts.path[1:])
    if scheme == "sqlite":
        return _sqlite(url, parts, database)
    arguments: dict[str, str | int] = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name, value in (("user", parts.username), ("password", parts.password)):
        if value:
            arguments[name] = unquote(value)
    if parts.hostname:
        arguments["host"] = unquote(parts.hostname)
    if port:
        arguments["port"] = port
    if not database:
        raise ConfigurationError(
            f"The URL {redact(url)} names no database.{did_you_mean(scheme, _KNOWN) if scheme not in _KNOWN else ''}",
            fix="End it with the database's name: postgresql://host/name.",
        )
    return DatabaseUrl(scheme, database, url, arguments)


def _sqlite(url: str, parts: SplitResult, database: str) -> DatabaseUrl:
    if parts.netloc:
        raise ConfigurationError(
            f"The URL {redact(url)} has two slashes, so its first part reads as a host.",
            fix=f"Write three slashes for a file: sqlite:///{parts.netloc}{parts.path}.",
        )
    if not database or database.endswith("/"):
        raise ConfigurationError(
            f"The URL {redact(url)} names no file.", fix="Write sqlite:///file.db, or sqlite:///:memory:."
        )
    if parts.query or parts.fragment or database.startswith("file:"):
        raise ConfigurationError(
            f"The URL {redact(url)} has more than a path, and SQLite would not heed it.",
            fix="Give options to connect(); write %3F for ? and %23 for # in a file's name, and no file: before it.",
        )
    if "\0" in database:
        raise ConfigurationError("The SQLite path contains a NUL character.", fix="Remove it.")
    return DatabaseUrl("sqlite", database, url)


def redact(url: str) -> str:
    """Return the URL with the password (also one in the query) replaced by ``***``."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(unreadable URL)"
    netloc = parts.netloc
    if "@" in netloc:
        login, _, host = netloc.rpartition("@")
        netloc = f"{login.partition(':')[0]}{':***' if ':' in login else ''}@{host}"
    query = "&".join(
        f"{pair.partition('=')[0]}=***" if "password" in pair.lower() else pair for pair in parts.query.split("&")
    )
    # urlunsplit drops the empty host of sqlite:///, so put it together by hand.
    return f"{parts.scheme}://{netloc}{parts.path}{'?' + query if query else ''}"
