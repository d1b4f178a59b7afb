"""Versions that somebody asks for."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from datapkg.kit import failpoints
from datapkg.kit.database import run_in_transaction
from datapkg.kit.instants import as_instant
from datapkg.kit.keys import as_id
from datapkg.scripts.appending import refuse_stranger, refuse_unmoved
from datapkg.scripts.history import lock_script, newest_version, stored_state, version_at
from datapkg.scripts.models import Script, ScriptVersion
from datapkg.scripts.projection import write_version

__all__ = ["materialize"]


def materialize(
    script_id: UUID | str, *, owner_id: UUID | str | None = None, now: dt.datetime | None = None
) -> ScriptVersion:
    """Return the version of a script's newest state, made now unless there is one.

    Versions are made by the first command, by every import and revert, and after many commands anyway; this makes one
    where a person would, say when a draft is handed in.

    Args:
        script_id: which script.
        owner_id: on whose behalf, as for :func:`append`.
        now: the present, for tests.

    Raises:
        NotFoundError: there is no such script.
        ConflictError: it belongs to somebody else, or a backfill has not given it its commands yet.
    """
    key, made = as_id(script_id, "script_id"), as_instant(now)
    owner = None if owner_id is None else as_id(owner_id, "owner_id")

    @run_in_transaction
    def work() -> ScriptVersion:
        script = lock_script(key)
        refuse_stranger(script, owner)
        refuse_unmoved(script)
        number, through = newest_version(key)
        if through == script.current_sequence:
            found = version_at(key, through)
            assert found is not None, "the script is locked"
            return found
        content = stored_state(script).content
        moment = max(made, script.updated_at)
        version = write_version(key, number=number + 1, through=script.current_sequence, content=content, made=moment)
        failpoints.reach("materialize.after_snapshot")
        Script.update(current_version=number + 1, updated_at=moment).where(Script.id == key).execute()
        failpoints.reach("materialize.before_commit")
        return version

    return work()
