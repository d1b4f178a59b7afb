"""The keys that legacy rows get: the same each time, so that a backfill that goes on doubles nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
from uuid import UUID

from datapkg.scripts.legacy.staging import Staging

__all__ = ["Keys"]


class Keys:
    """Makes the keys of one backfill, and puts them beside the rows of its working copy.

    A key has the form of a UUIDv7. It begins with the row's time, so that lists show newest rows first as ever; rows of
    one instant follow each other as they did by their legacy keys.

    Args:
        fingerprint: of what the legacy database holds.
        began: the time of rows that carry none.
    """

    def __init__(self, fingerprint: str, began: dt.datetime) -> None:
        self.fingerprint, self.began = fingerprint, began

    def moment(self, text: str | None) -> dt.datetime:
        """Return the instant that a row of the working copy carries, or the backfill's."""
        return self.began if text is None else dt.datetime.fromisoformat(text)

    def derive(self, table: str, legacy: str, at: str | None, rank: int | None = None) -> str:
        """Return a row's key as text.

        Args:
            table: which legacy table.
            legacy: the row's legacy key.
            at: its time, as the working copy holds it.
            rank: its place among the table's rows by time and legacy key, from 1; None where no list sorts by the key:
                then nothing but the digest tells rows of one instant apart, and takes all the room there is.
        """
        moment = max(self.moment(at), _FIRST)
        microseconds = (moment - _FIRST) // _MICROSECOND
        milliseconds, rest = divmod(microseconds, 1000)
        digest = hashlib.sha256(f"{self.fingerprint}\n{table}\n{legacy}".encode()).digest()
        if rank is None:
            tail = int.from_bytes(digest[:8], "big") >> 2
        else:
            tail = (rank & 0x3FFFFFFF) << 32 | int.from_bytes(digest[:4], "big")
        return str(UUID(int=milliseconds << 80 | 7 << 76 | (rest * 4096 // 1000) << 64 | 2 << 62 | tail))

    def assign(self, staging: Staging) -> None:
        """Make a table ``<table>_keys (id, key)`` for each of the working copy's tables that is written."""
        staging.database.create_function("derive", 4, self.derive, deterministic=True)
        for table in ("users", "sessions", "messages", "scripts"):
            staging.query(f"DROP TABLE IF EXISTS {table}_keys")
            staging.query(f"CREATE TABLE {table}_keys (id TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID")
            staging.query(
                f"INSERT INTO {table}_keys SELECT id, derive('{table}', id, at, row_number() OVER "
                f"(ORDER BY coalesce(at, ?), length(id), id)) FROM {table}",
                self.began.isoformat(timespec="microseconds"),
            )


_FIRST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
