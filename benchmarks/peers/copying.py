"""The rows in another library's file, in the spelling that it keeps keys and times in by default."""

from __future__ import annotations

import sqlite3

__all__ = ["copy_rows"]

_KEYS = {
    "definitions": "id parent_id",
    "scenarios": "id definition_id",
    "runs": "id definition_id experiment_id",
    "transcripts": "id run_id scenario_id",
    "feature_queue": "id",
}
_OTHERS = {
    "definitions": "name content created_by",
    "scenarios": "name content",
    "runs": "status config progress content_sha256 definition_schema_version error",
    "transcripts": "model sample_index content metrics input_tokens output_tokens duration_ms",
    "feature_queue": "feature_number name category status priority priority_rank test_steps attempt max_attempts "
    "unmet_dependencies",
}


def copy_rows(source: str, target: str, *, at: str, key: str = "replace({c}, '-', '')") -> None:
    """Copy the rows.

    Args:
        source: a file in datapkg's schema.
        target: the library's file, its tables made already.
        at: the SQL expression for an instant, with ``{c}`` for the column.
        key: and for a key.
    """
    conn = sqlite3.connect(target, isolation_level=None)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = NORMAL")
    conn.execute("ATTACH ? AS source", (source,))
    for table, keys in _KEYS.items():
        spelled = {"created_at": at.format(c="created_at")}
        if table != "transcripts":
            spelled["updated_at"] = at.format(c="updated_at")
        spelled |= {column: key.format(c=column) for column in keys.split()}
        spelled |= {column: column for column in _OTHERS[table].split()}
        conn.execute(
            f"INSERT INTO main.{table} ({', '.join(spelled)}) SELECT {', '.join(spelled.values())} "
            f"FROM source.{table} ORDER BY id"
        )
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
