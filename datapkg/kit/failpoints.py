"""Named places where a test can end the process with ``kill -9``, to see that a restart puts everything right.

``DATAPKG_FAILPOINT=migrate.after_steps`` kills at the first time that place is reached,
``DATAPKG_FAILPOINT=migrate.after_steps:3`` at the third. Without the variable a place costs one comparison.
"""

from __future__ import annotations

import os
import signal

__all__ = ["FAILPOINTS", "reach"]

FAILPOINTS: dict[str, str] = {
    "migrate.before_lock": "the migration lock is not taken yet",
    "migrate.after_lock": "the lock is taken, nothing is written",
    "migrate.after_bookkeeping": "the package's own tables are made, not committed",
    "migrate.after_step": "one statement or function of a migration has run",
    "migrate.rebuild_copied": "a SQLite rebuild has copied the rows, the old table is still there",
    "migrate.rebuild_dropped": "a SQLite rebuild has dropped the old table, the new one has not its name yet",
    "migrate.after_steps": "all of a migration has run, its history row is not written",
    "migrate.after_history": "the history row is written, not committed",
    "migrate.after_commit": "one migration is committed, the next has not begun",
    "seed.before_write": "the seed's transaction is open, nothing is written",
    "seed.mid_write": "some seed rows are written",
    "seed.before_commit": "rows and seed history are written, not committed",
    "seed.after_commit": "the seed is committed",
    "dump.before_rename": "an archive is written beside the file that it is to become",
    "load.verified": "an archive is found good, nothing is written",
    "load.upgraded": "an older archive is brought up to date in a scratch database, nothing is written",
    "load.mid_write": "some of an archive's tables are written",
    "load.before_commit": "all of an archive is written and read back, not committed",
    "load.after_commit": "an archive is loaded and committed",
    "copy.preflighted": "a copy's source is found good, nothing is written",
    "copy.noted": "the target says that a copy has begun, and has no tables yet",
    "copy.migrated": "the target of a copy has its tables, empty",
    "copy.mid_batch": "a batch of a copy is written, not committed",
    "copy.after_batch": "a batch of a copy is committed",
    "copy.verified": "a copy is whole and read back, the target still says that it is not",
    "backup.before_rename": "a backup is written beside the file that it is to become",
    "restore.verified": "a backup is found good, nothing is written",
    "restore.mid_write": "some of a backup's pages or tables are written",
    "restore.before_commit": "a backup is written (on SQLite but for the last pages), not committed",
    "restore.after_commit": "a backup is restored and committed",
    "upgrade.before_commit": "a batch of documents is rewritten, not committed",
    "upgrade.after_batch": "a batch of documents is rewritten and committed",
    "transcripts.mid_write": "some of the transcripts are written",
    "transcripts.before_commit": "all of the transcripts are written, not committed",
    "import.validated": "a file of transcripts is found good, nothing is written",
    "import.mid_write": "some of a file's transcripts are written",
    "import.before_commit": "all of a file's transcripts are written, not committed",
    "import.after_commit": "a file's transcripts are committed",
    "planning.ledger_half_copied": "a scenario's supplies are copied, or its demands too, not committed",
    "backfill.validated": "a legacy database is found good, nothing is written",
    "backfill.mid_stage": "the rows of one stage are written and read back, not committed",
    "backfill.after_users": "the stage users of a backfill is committed",
    "backfill.after_sessions": "the stage sessions of a backfill is committed",
    "backfill.after_chat_messages": "the stage chat_messages of a backfill is committed",
    "backfill.after_scripts": "the stage scripts of a backfill is committed",
    "backfill.after_versions": "the stage versions of a backfill is committed",
    "backfill.after_elements": "the stage elements of a backfill is committed",
    "append.after_commands": "commands of a script are written, nothing that follows from them",
    "append.after_snapshot": "commands and versions are written, elements, pages and counters are not",
    "append.after_elements": "commands, versions and elements are written, pages and counters are not",
    "append.before_commit": "commands and all that follows from them are written, not committed",
    "materialize.after_snapshot": "a version is written, the script's counter is not",
    "materialize.before_commit": "a version and the counter are written, not committed",
    "rebuild.mid_write": "a script's elements are removed, the new ones are not written",
    "rebuild.before_commit": "a script's elements are written anew, not committed",
    "retention.after_intent": "which folder will be written is noted, it is not there yet",
    "retention.after_file": "one period's files of an archive are written",
    "retention.before_manifest": "all files of an archive are written, its manifest is not",
    "retention.after_manifest": "an archive is whole, nothing is recorded",
    "retention.after_record": "an archive is recorded, its folder has not its name yet",
    "retention.after_rename": "an archive is recorded and in its place, nothing is deleted",
    "retention.mid_delete": "some of the archived rows are deleted",
    "retention.after_delete": "all archived rows are deleted, nothing says so",
    "retention.after_outcome": "the archive says what was deleted, its record does not",
    "retention.mid_restore": "some rows are put back, not committed",
    "retention.before_restore_commit": "all rows are put back, not committed",
}
"""Every failpoint, and what has happened when it is reached."""

_name, _, _count = os.environ.get("DATAPKG_FAILPOINT", "").partition(":")
_left = [int(_count or 1)]


def reach(name: str) -> None:
    """End the process without any clean-up if the environment names this failpoint.

    Args:
        name: one of :data:`FAILPOINTS`.
    """
    if _name and name == _name:
        _left[0] -= 1
        if _left[0] == 0:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
