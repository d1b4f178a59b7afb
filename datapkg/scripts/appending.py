"""Creating scripts and appending commands: commands, versions, elements, pages and counters in one transaction."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from datapkg.kit import failpoints
from datapkg.kit.database import current, lock, run_in_transaction
from datapkg.kit.errors import ConflictError, NotFoundError, StaleWriteError, ValidationError
from datapkg.kit.instants import as_instant
from datapkg.kit.keys import as_id
from datapkg.kit.models import new_id
from datapkg.kit.results import Rows
from datapkg.kit.statements import insert, insert_many
from datapkg.scripts.batches import CheckedCommand, apply_batch, check_commands, refuse_other_payloads
from datapkg.scripts.contents import NOTHING
from datapkg.scripts.history import (
    commands_between,
    commands_by_id,
    content_at,
    lock_script,
    newest_version,
    script_by_id,
    stored_state,
)
from datapkg.scripts.models import Script, ScriptCommand, ScriptFeedEntry, ScriptVersion
from datapkg.scripts.projection import change_elements, change_pages, write_version

__all__ = ["Appended", "append", "create_script", "refuse_stranger", "refuse_unmoved", "revert"]

logger = logging.getLogger(__name__)

_LAST = 2**31 - 1


@dataclass(frozen=True)
class Appended:
    """What an append did, or had done the first time.

    Attributes:
        script_id: the script.
        first_sequence: the sequence of the batch's first command.
        sequence: that of its last one; the next ``expected_sequence`` if nobody else has appended.
        commands: the stored commands, in order.
        repeated: whether they were there already, and nothing was written now.
    """

    script_id: UUID
    first_sequence: int
    sequence: int
    commands: Rows[ScriptCommand]
    repeated: bool = False

    def public(self) -> dict[str, object]:
        """Return it as a dictionary without the commands."""
        return {
            "script_id": self.script_id,
            "first_sequence": self.first_sequence,
            "sequence": self.sequence,
            "repeated": self.repeated,
        }


def create_script(
    owner_id: UUID | str,
    *,
    title: str,
    text: str | None = None,
    actor_type: str = "USER",
    actor_id: str | None = None,
    model: str | None = None,
    command_id: UUID | str | None = None,
    now: dt.datetime | None = None,
) -> Script:
    """Create a script; its first command sets the title, or imports title and text, so replaying gives them too.

    Args:
        owner_id: the user whose it is.
        title: 1 to 500 characters.
        text: what it starts with, kept letter for letter; left out, it has no elements.
        actor_type: ``USER``, ``AI``, ``IMPORT`` or ``SYSTEM``.
        actor_id: who makes it.
        model: which model, for an ``AI``.
        command_id: a key of the caller's for the first command; with the same key again the first script is returned.
        now: the present, for tests and for what happened earlier.

    Raises:
        ValidationError: with every complaint; nothing is written.
        NotFoundError: there is no such user.
        ConflictError: ``command_id`` was used for something else.

    Example:
        >>> create_script(user.id, title="A play", text="Once upon a time.\\n")  # doctest: +SKIP
    """
    owner, made = as_id(owner_id, "owner_id"), as_instant(now)
    first: dict[str, object] = {"command_type": "SET_TITLE", "title": title}
    if text is not None:
        first.update(command_type="IMPORT", text=text)
    if command_id is not None:
        first["command_id"] = command_id
    try:
        batch = check_commands([first], actor={"actor_type": actor_type, "actor_id": actor_id, "model": model})
    except ValidationError as error:
        raise ValidationError(
            {path.removeprefix("commands.0."): why for path, why in error.errors.items()}, what="script"
        ) from None

    @run_in_transaction
    def create() -> Script:
        if command_id is not None:  # no row stands for it yet, and the same call may be under way twice
            lock(f"scripts.create:{batch[0].command.command_id}")
        stored = commands_by_id([each.command.command_id for each in batch])
        if stored:
            (there,) = stored.values()
            refuse_other_payloads(batch, stored, script_id=there.script_id)
            script = script_by_id(there.script_id)
            if there.sequence != 1 or script.owner_id != owner:
                raise ConflictError(f"The command_id {there.command_id} was used in another script.")
            return script
        from datapkg.accounts.queries import find_user

        if find_user(owner) is None:
            raise NotFoundError("user", owner)
        script = insert(
            Script, {"id": new_id(), "owner": owner, "title": title, "created_at": made, "updated_at": made}
        )
        _write(script, batch, made)
        return script_by_id(script.id)

    script = create()
    logger.info("script created", extra={"script_id": str(script.id)})
    return script


def append(
    script_id: UUID | str,
    *,
    commands: Sequence[Mapping[str, object]],
    expected_sequence: int,
    actor_type: str | None = None,
    actor_id: str | None = None,
    model: str | None = None,
    owner_id: UUID | str | None = None,
    now: dt.datetime | None = None,
) -> Appended:
    """Append commands to a script, all of them or none; versions, elements and counters follow in one transaction.

    A command has a ``command_type``, what that type takes, and says who gives it:

    - ``SET_TITLE``: ``title``
    - ``INSERT_ELEMENT``: ``position`` (0 for the front, the number of elements for the end), ``kind``, ``text``, and
      optionally ``element_id``, ``persona``, and ``page_id``, with which ``position`` counts within that page
    - ``EDIT_ELEMENT``: ``element_id``, and some of ``kind``, ``text``, ``persona``
    - ``MOVE_ELEMENT``: ``element_id``, ``position`` (where it stands afterwards), and optionally ``page_id``, likewise
    - ``REMOVE_ELEMENT``: ``element_id``
    - ``START_PAGE``: ``position`` (of the element that it begins with), and optionally ``page_id`` and ``title``
    - ``SET_PAGE_TITLE``: ``page_id``, ``title`` (None for none)
    - ``MOVE_PAGE``: ``page_id``, ``position`` (among the pages); its elements go with it
    - ``REMOVE_PAGE``: ``page_id``, and optionally ``keep_elements``, with which they go to the page before it
    - ``IMPORT``: either ``text`` or ``elements``, in place of all that is there, and optionally ``title``; with
      ``elements`` also ``pages``, each with its ``length`` and optionally ``page_id`` and ``title``
    - ``REVERT``: ``to_sequence``, an earlier command; the script is again as it was right after it

    With a ``command_id`` in each, the same batch can be sent again after a lost answer: it is recognised, whatever
    the script's sequence is by then, and nothing is done twice. A persona that is named for the first time is made.

    Args:
        script_id: which script.
        commands: 1 to 10,000 mappings; what they say about the actor goes before the arguments below.
        expected_sequence: the script's ``current_sequence`` that the commands were made for.
        actor_type: ``USER``, ``AI``, ``IMPORT`` or ``SYSTEM``, for commands that do not say.
        actor_id: who, likewise.
        model: which model, likewise; an ``AI`` must name it.
        owner_id: on whose behalf; the script must be theirs. Left out, the caller has checked that.
        now: the present, for tests and for what happened earlier; never before the command before.

    Raises:
        ValidationError: with every complaint about all commands, as ``commands.3.position``; nothing is written.
        StaleWriteError: somebody else appended first; ``meta["actual_sequence"]`` is the script's sequence.
        ConflictError: a ``command_id`` was used for another command, or the script belongs to somebody else.
        NotFoundError: there is no such script.

    Example:
        >>> append(script.id, commands=[{"command_type": "SET_TITLE", "title": "A farce"}],
        ...     expected_sequence=script.current_sequence, actor_type="USER")  # doctest: +SKIP
    """
    if type(expected_sequence) is not int or not 0 <= expected_sequence <= _LAST:
        raise ValidationError({"expected_sequence": [f"Must be a whole number from 0 to {_LAST}."]}, what="append")
    return _append(
        script_id,
        commands,
        expected=expected_sequence,
        actor={"actor_type": actor_type, "actor_id": actor_id, "model": model},
        owner_id=owner_id,
        now=now,
    )


def revert(
    script_id: UUID | str,
    *,
    to_sequence: int | None = None,
    to_version: int | None = None,
    expected_sequence: int | None = None,
    actor_type: str = "USER",
    actor_id: str | None = None,
    model: str | None = None,
    owner_id: UUID | str | None = None,
    command_id: UUID | str | None = None,
    now: dt.datetime | None = None,
) -> Appended:
    """Bring a script back to an earlier state by one more command; nothing is removed from its history.

    Args:
        script_id: which script.
        to_sequence: the command after which it was as it shall be again.
        to_version: or that version.
        expected_sequence: as for :func:`append`; left out, whatever was appended meanwhile is reverted too.
        actor_type, actor_id, model, owner_id, command_id, now: as for :func:`append`.

    Raises:
        ValidationError: not exactly one of the two is given, or it lies not in the script's past.
        NotFoundError: there is no such script or version.
        StaleWriteError, ConflictError: as for :func:`append`.
    """
    if (to_sequence is None) == (to_version is None):
        raise ValidationError({"_schema": ["Give either to_sequence or to_version."]}, what="revert")
    if to_version is not None:
        to_sequence = _version(script_id, to_version).through_sequence
    command: dict[str, object] = {"command_type": "REVERT", "to_sequence": to_sequence}
    if command_id is not None:
        command["command_id"] = command_id
    return _append(
        script_id,
        [command],
        expected=expected_sequence,
        actor={"actor_type": actor_type, "actor_id": actor_id, "model": model},
        owner_id=owner_id,
        now=now,
    )


def _version(script_id: UUID | str, number: int) -> ScriptVersion:
    key = as_id(script_id, "script_id")
    if type(number) is not int or not 1 <= number <= _LAST:
        raise ValidationError({"to_version": [f"Must be a whole number from 1 to {_LAST}."]}, what="revert")
    found: ScriptVersion | None = (
        ScriptVersion.select().where((ScriptVersion.script == key) & (ScriptVersion.version_number == number)).first()
    )
    if found is None:
        script_by_id(key)
        raise NotFoundError("script version", number)
    return found


def _append(
    script_id: UUID | str,
    commands: object,
    *,
    expected: int | None,
    actor: Mapping[str, object],
    owner_id: UUID | str | None,
    now: dt.datetime | None,
) -> Appended:
    key, made = as_id(script_id, "script_id"), as_instant(now)
    owner = None if owner_id is None else as_id(owner_id, "owner_id")
    batch = check_commands(commands, actor=actor)

    @run_in_transaction
    def work() -> Appended:
        script = lock_script(key)
        refuse_stranger(script, owner)
        stored = commands_by_id([each.command.command_id for each in batch])
        if refuse_other_payloads(batch, stored, script_id=key):
            rows = Rows((stored[each.command.command_id] for each in batch), of=ScriptCommand)
            return Appended(key, rows[0].sequence, rows[-1].sequence, rows, repeated=True)
        if any(each.actor_type != "IMPORT" for each in batch):
            refuse_unmoved(script)
        if expected is not None and expected != script.current_sequence:
            raise StaleWriteError(
                f"The script {key} is at sequence {script.current_sequence}, not at {expected}.",
                fix="Read the script again, and append what still makes sense with the actual sequence.",
                expected_sequence=expected,
                actual_sequence=script.current_sequence,
            )
        return _write(script, batch, made)

    done = work()
    logger.info(
        "commands appended" if not done.repeated else "commands appended before",
        extra={"script_id": str(key), "sequence": done.sequence, "commands": len(done.commands)},
    )
    return done


def refuse_stranger(script: Script, owner: UUID | None) -> None:
    """Refuse to write a script for somebody else than its owner.

    Args:
        script: the script.
        owner: on whose behalf; None is anybody's.

    Raises:
        ConflictError: it belongs to somebody else.
    """
    if owner is not None and script.owner_id != owner:
        raise ConflictError(
            f"The script {script.id} is another owner's.",
            fix="Act for its owner, or work on a script of one's own.",
            table="scripts",
            columns=("owner_id",),
            script_id=str(script.id),
        )


def refuse_unmoved(script: Script) -> None:
    """Refuse to go on with a script without a command; only a backfill makes such, and could not go on after that.

    Args:
        script: the script, locked.

    Raises:
        ConflictError: it has no command.
    """
    if not script.current_sequence:
        raise ConflictError(
            f"The script {script.id} is being moved here and has no command yet.",
            fix="Wait for the backfill, or run it again if it was interrupted.",
            script_id=str(script.id),
        )


def _write(script: Script, batch: Sequence[CheckedCommand], made: dt.datetime) -> Appended:
    """Write commands and all that follows from them; the script is locked."""
    made = max(made, script.updated_at)  # so that the past can be asked for by time, whatever the writers' clocks say
    first = script.current_sequence + 1
    number, through = newest_version(script.id) if script.current_sequence else (0, 0)
    stored = stored_state(script) if script.current_sequence else None
    after, versions = apply_batch(
        NOTHING if stored is None else stored.content,
        [each.command for each in batch],
        sequence=script.current_sequence,
        last_version=through,
        at=lambda sequence: content_at(script.id, sequence),
    )
    rows = [
        {
            "id": new_id(),
            "script": script.id,
            "sequence": first + place,
            "command_id": each.command.command_id,
            "command_type": each.command.command_type,
            "payload": each.payload_text,
            "actor_type": each.actor_type,
            "actor_id": each.actor_id,
            "model": each.model,
            "created_at": made,
        }
        for place, each in enumerate(batch)
    ]
    insert_many(ScriptCommand, rows)  # datapkg: allow-write the one place where commands are made
    insert_many(ScriptFeedEntry, ({"command": row["id"], "position": None, "created_at": made} for row in rows))
    failpoints.reach("append.after_commands")
    for place, (sequence, content) in enumerate(versions, start=1):
        write_version(script.id, number=number + place, through=sequence, content=content, made=made)
    failpoints.reach("append.after_snapshot")
    change_elements(script.id, stored.elements if stored else (), elements=after.elements, made=made)
    failpoints.reach("append.after_elements")
    change_pages(script.id, stored.pages if stored else [], content=after, made=made)
    last = script.current_sequence + len(rows)
    database = current()
    p = database.dialect.param
    database.change(
        f"UPDATE scripts SET title = {p}, current_sequence = {p}, current_version = {p}, updated_at = {p} "
        f"WHERE id = {p}",
        [after.title, last, number + len(versions), Script.updated_at.db_value(made), str(script.id)],
    )
    failpoints.reach("append.before_commit")
    written = commands_between(script.id, after=script.current_sequence, last=last)
    return Appended(script.id, first, last, Rows(written, of=ScriptCommand))
