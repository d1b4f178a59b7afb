"""The package's own books in a database: applied migrations, settings, applied seeds.

They are made by the migration runner before the first migration, and belong to no domain.
"""

from __future__ import annotations

from typing import Any

from datapkg.kit.domains import Domain
from datapkg.kit.fields import EnumField, JSONField, TextField, TimestampField, UUIDField
from datapkg.kit.models import Model, MutableModel, now

__all__ = ["BOOKKEEPING", "BOOKS", "AppliedMigration", "AppliedSeed", "Archive", "SeedKey", "Setting"]


class AppliedMigration(Model):
    """A migration that this database has been through.

    Attributes:
        history: whose it is: ``datapkg`` or a registered domain's name.
        name: the file's name without ``.py``.
        sha256: of the file when it ran, line endings ignored.
        applied_at: when.
    """

    history = TextField(max_length=100, min_length=1)
    name = TextField(max_length=200, min_length=1)
    sha256 = TextField(max_length=64, min_length=64)
    applied_at = TimestampField(default=now)

    class Meta:
        table_name = "datapkg_migrations"
        indexes = ((("history", "name"), True),)


class Setting(MutableModel):
    """A fact about this database, such as its environment.

    Attributes:
        key: ``environment``, for one.
        value: any JSON.
    """

    key = TextField(max_length=100, min_length=1, unique=True)
    value: JSONField[Any] = JSONField()

    class Meta:
        table_name = "datapkg_settings"


class AppliedSeed(MutableModel):
    """A seed file as it was last applied.

    Attributes:
        profile: its folder, such as ``base``, or a file's own name for ``--file``.
        name: the file's name.
        sha256: of its content.
        applied_at: when.
    """

    profile = TextField(max_length=100, min_length=1)
    name = TextField(max_length=200, min_length=1)
    sha256 = TextField(max_length=64, min_length=64)
    applied_at = TimestampField(default=now)

    class Meta:
        table_name = "datapkg_seeds"
        indexes = ((("profile", "name"), True),)


class SeedKey(Model):
    """Which row a seed's ``key`` stands for, where the row has no natural key of its own.

    Attributes:
        table: the row's table.
        key: the key in the seed files.
        row_id: the row.
    """

    table = TextField(max_length=100, min_length=1, column_name="table_name")
    key = TextField(max_length=200, min_length=1)
    row_id = UUIDField()

    class Meta:
        table_name = "datapkg_seed_keys"
        indexes = ((("table", "key"), True),)


class Archive(MutableModel):
    """Rows that retention wrote to files, and how far it is with taking them out of their tables.

    Attributes:
        policy: the policy's name.
        folder: the archive's folder, absolute.
        manifest_sha256: of its manifest, which has the SHA-256 of every file.
        status: ``WRITTEN`` (whole and on disk, its rows still there, some or all), ``ARCHIVED`` (they are gone),
            ``RESTORED`` (they are back).
        row_counts: rows by table.
    """

    policy = TextField(max_length=100, min_length=1)
    folder = TextField(max_length=4000, min_length=1, unique=True)
    manifest_sha256 = TextField(max_length=64, min_length=64)
    status = EnumField(choices=("WRITTEN", "ARCHIVED", "RESTORED"), default="WRITTEN", index=True)
    row_counts: JSONField[dict[str, int]] = JSONField()

    class Meta:
        table_name = "datapkg_archives"


BOOKKEEPING = (AppliedMigration, Setting, AppliedSeed, SeedKey, Archive)
"""The tables of this module, in the order they are made."""

BOOKS = Domain(name="bookkeeping", models=BOOKKEEPING)
"""They as a domain, for what shows every table."""
