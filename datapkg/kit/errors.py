"""The error family: one root, and for every error what happened and how to fix it.

Every error carries ``code`` (a stable, machine-readable name), ``why`` (what happened), ``fix`` (what to do
about it) and ``meta`` (the typed facts, also readable as attributes where a class names them). The errors
that stand for a failing statement also inherit Peewee's class for it, so that ``except peewee.IntegrityError``
and Peewee's own ``get_or_create`` go on working.
"""

from __future__ import annotations

from collections.abc import Mapping

import peewee as pw

__all__ = [
    "ArchiveError",
    "ConfigurationError",
    "ConflictError",
    "CopyError",
    "CorruptTreeError",
    "DatabaseBusyError",
    "DatabaseUnavailableError",
    "DatapkgError",
    "DocumentError",
    "EnvironmentGuardError",
    "ForeignDatabaseError",
    "InvalidTransitionError",
    "LeaseLostError",
    "MigrationError",
    "NotConnectedError",
    "NotFoundError",
    "ReadOnlyError",
    "SchemaAheadError",
    "SchemaOutdatedError",
    "SeedError",
    "StaleWriteError",
    "StatementError",
    "StorageError",
    "TransactionOwnerError",
    "UnknownSchemaVersionError",
    "UnsafeMigrationError",
    "ValidationError",
    "WriteGateError",
]


class DatapkgError(Exception):
    """The root of every error that this package raises on purpose.

    Args:
        why: what happened, one sentence.
        fix: what to do about it, one sentence.
        meta: facts about the error, JSON-ready; never a secret.
    """

    code = "error"
    default_fix = "Read the message; if it is not clear, run again with --log-level debug."

    def __init__(self, why: str, *, fix: str | None = None, **meta: object) -> None:
        self.why = why
        self.fix = fix or self.default_fix
        self.meta = meta
        super().__init__(f"{why} {self.fix}" if self.fix else why)

    def as_dict(self) -> dict[str, object]:
        """Return the error as the JSON object that ``--json`` prints: code, why, fix, meta."""
        return {"code": self.code, "why": self.why, "fix": self.fix, "meta": dict(self.meta)}

    def locate(self, column: str, key: object) -> None:
        """Say in which row the document stands that it is about.

        Args:
            column: the document's column.
            key: the row's.
        """
        self.why = f"{self.why.removesuffix('.')} (column {column}, row {key})."
        self.meta |= {"column": column, "row": str(key)}
        self.args = (f"{self.why} {self.fix}",)

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: what a notebook shows in the place of a traceback."""
        from datapkg.kit.error_display import error_text

        return error_text(self)

    def _repr_html_(self) -> str:
        from datapkg.kit.error_display import error_html

        return error_html(self)

    def __reduce__(self) -> tuple[object, tuple[object, ...], dict[str, object]]:
        # Keyword arguments do not survive the default pickling of exceptions (process pools, xdist).
        return (_rebuild, (type(self), self.args), self.__dict__)


def _rebuild(kind: type[DatapkgError], args: tuple[object, ...]) -> DatapkgError:
    error = kind.__new__(kind)
    error.args = args
    return error


class ConfigurationError(DatapkgError):
    """A URL, an option or a registered domain that cannot work as given."""

    code = "configuration"


class NotConnectedError(DatapkgError):
    """A function that needs the database was called before ``connect``."""

    code = "not_connected"
    default_fix = "Call datapkg.connect(...) first, or work inside `with datapkg.using(...)`."


class NotFoundError(DatapkgError):
    """No row has this key.

    Attributes:
        entity: the kind of thing looked for, such as ``"definition"``.
        key: what it was looked up by.
    """

    code = "not_found"

    def __init__(self, entity: str, key: object, *, fix: str | None = None) -> None:
        self.entity, self.key = entity, key
        super().__init__(
            f"There is no {entity} {key!s}.",
            fix=fix or f"Check the key, or list what is there (a {entity} may have been deleted).",
            entity=entity,
            key=str(key),
        )


class ValidationError(DatapkgError):
    """Input that a schema or a column refuses; nothing was written.

    Attributes:
        errors: every complaint, as ``{path: [message, …]}``; a path reads ``content.dimensions.2.name``,
            in bulk functions it starts with the row's number.
        what: what was given, such as ``"definition"``.
    """

    code = "validation"
    default_fix = "Correct the named fields; nothing was written."

    def __init__(self, errors: Mapping[str, list[str]], *, what: str = "input", fix: str | None = None) -> None:
        self.what = what
        self.errors: dict[str, list[str]] = {path: list(messages) for path, messages in errors.items()}
        listed = "; ".join(f"{path}: {' '.join(messages)}" for path, messages in list(self.errors.items())[:8])
        more = f" (and {len(self.errors) - 8} more)" if len(self.errors) > 8 else ""
        super().__init__(f"The {what} is not valid: {listed.rstrip('.')}{more}.", fix=fix, errors=self.errors)


class CorruptTreeError(DatapkgError):
    """Rows that should form a tree form a cycle; only a write that went around this package can do that.

    Attributes:
        table: the table.
        key: the row from which the cycle was reached.
    """

    code = "corrupt_tree"

    def __init__(self, table: str, key: object) -> None:
        self.table, self.key = table, key
        super().__init__(
            f"The parents in {table} form a cycle that {key!s} leads into.",
            fix="Set the parent of one row of the cycle to NULL by hand; nothing in this package could have made it.",
            table=table,
            key=str(key),
        )


class UnknownSchemaVersionError(DatapkgError):
    """A stored document whose version this code does not know, usually one written by newer code.

    Attributes:
        document: the document type's name.
        version: the version found.
        newest: the newest version this code knows.
    """

    code = "unknown_schema_version"

    def __init__(self, document: str, version: object, newest: int) -> None:
        self.document, self.version, self.newest = document, version, newest
        super().__init__(
            f"A {document!r} document has schema_version {version!r}; this code knows 0 to {newest}.",
            fix="Upgrade datapkg (or the package that owns the document) before reading or overwriting it.",
            document=document,
            version=repr(version),
            newest=newest,
        )


class DocumentError(DatapkgError):
    """A stored document that is corrupt: it cannot be read, or its upcaster fails on it.

    Attributes:
        document: the document type's name.
        version: the version it says it has, or ``None`` where that could not be read.
        path: the dotted path of the value that is wrong, or ``""`` for the document as a whole.
    """

    code = "document"

    def __init__(self, document: str, why: str, *, version: int | None = None, path: str = "") -> None:
        self.document, self.version, self.path = document, version, path
        at = f" at {path}" if path else ""
        of = "" if version is None else f" of version {version}"
        super().__init__(
            f"Corrupt document: this {document!r} document{of} cannot be read{at}: {why}.",
            fix="Restore the row from a backup, or correct its JSON by hand; nothing was written.",
            document=document,
            version=version,
            path=path,
        )


class InvalidTransitionError(DatapkgError):
    """A change of state that the rules do not allow."""

    code = "invalid_transition"


class StaleWriteError(DatapkgError):
    """The row changed, or became immutable, since it was read."""

    code = "stale_write"


class WriteGateError(DatapkgError):
    """A write to a table that only its own function may write, or that is append-only."""

    code = "write_gate"
    default_fix = "Use the domain's public function; these tables refuse direct writes."


class LeaseLostError(DatapkgError):
    """A claim whose lease ended or was taken over; nothing was changed."""

    code = "lease_lost"


class TransactionOwnerError(DatapkgError):
    """Another task of the same thread has a transaction open on this connection."""

    code = "transaction_owner"
    default_fix = "Run the transaction in `asyncio.to_thread`, or await nothing while it is open."


class ForeignDatabaseError(DatapkgError):
    """The database holds tables, but not ours."""

    code = "foreign_database"


class SchemaOutdatedError(DatapkgError):
    """The database lacks migrations that this code needs."""

    code = "schema_outdated"
    default_fix = "Run `datapkg migrate`, or connect with migrate=True."


class SchemaAheadError(DatapkgError):
    """The database has migrations that this code does not know."""

    code = "schema_ahead"
    default_fix = "Upgrade datapkg to the version that wrote this database."


class MigrationError(DatapkgError):
    """A migration file that failed, was edited after it ran, or is missing; nothing of it was applied."""

    code = "migration"


class UnsafeMigrationError(MigrationError):
    """A migration that would lose data, or runs SQL where only operations may be collected."""

    code = "unsafe_migration"


class SeedError(DatapkgError):
    """A seed file that cannot be applied; nothing was written."""

    code = "seed"


class ArchiveError(DatapkgError):
    """A dump or backup that is damaged, altered, not one of ours, or does not fit; nothing of it was written."""

    code = "archive"
    default_fix = "Use another copy of the file, or dump again; nothing was written."


class CopyError(DatapkgError):
    """A copy that its target would refuse, or that is not finished."""

    code = "copy"


class EnvironmentGuardError(DatapkgError):
    """An operation that a production database refuses without being told so."""

    code = "environment_guard"
    default_fix = "If this is meant, repeat it with --i-know-this-is production."


class StatementError(DatapkgError, pw.DatabaseError):
    """The database refused a statement for a reason that no other error names."""

    code = "statement"
    default_fix = "Read the reason; for your own SQL correct the statement, otherwise report it."


class ConflictError(DatapkgError, pw.IntegrityError):
    """A constraint of the database refused the write; nothing of the statement was kept.

    Attributes:
        constraint: the constraint's name (``uq_users_email``), or ``None`` where the engine does not say.
        table: the table, or ``None``.
        columns: the columns the constraint covers, where known.
    """

    code = "conflict"
    default_fix = "Change the values that clash, or update the row that is there."

    def __init__(
        self,
        why: str,
        *,
        fix: str | None = None,
        constraint: str | None = None,
        table: str | None = None,
        columns: tuple[str, ...] = (),
        **meta: object,
    ) -> None:
        self.constraint, self.table, self.columns = constraint, table, columns
        super().__init__(why, fix=fix, constraint=constraint, table=table, columns=list(columns), **meta)


class DatabaseUnavailableError(DatapkgError, pw.OperationalError):
    """The server cannot be reached, refused the login, or dropped the connection."""

    code = "database_unavailable"
    default_fix = "Check that the server runs and that the URL is right, then try again."


class DatabaseBusyError(DatapkgError, pw.OperationalError):
    """A lock, a deadlock or a serialization failure outlasted the retries."""

    code = "database_busy"
    default_fix = "Try again; if it keeps happening, look for a long transaction or raise the timeout."


class ReadOnlyError(DatapkgError, pw.OperationalError):
    """The database cannot be written: a read-only file, folder, user or server."""

    code = "read_only"
    default_fix = "Make the file and its folder writable, or connect to the writable server."


class StorageError(DatapkgError, pw.OperationalError):
    """The disk is full, or the file is not a database or damaged; committed data is untouched."""

    code = "storage"
    default_fix = "Free some space or restore the file from a backup, then try again."
