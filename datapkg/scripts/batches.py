"""Commands as callers give them: every complaint about all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from datapkg.kit.errors import ConflictError, ValidationError
from datapkg.kit.jsontext import Encoded
from datapkg.kit.models import new_id
from datapkg.scripts.contents import Content, RefusedCommandError
from datapkg.scripts.materializer import Command, Draft, checkpoint_due, element_key, page_key
from datapkg.scripts.models import ScriptCommand

__all__ = ["MOST_COMMANDS", "Applied", "CheckedCommand", "apply_batch", "check_commands", "refuse_other_payloads"]

MOST_COMMANDS = 10_000
"""How many commands one call takes."""

_ENVELOPE = ("command_id", "command_type", "actor_type", "actor_id", "model")


class CheckedCommand(NamedTuple):
    """A command whose shape is right.

    Attributes:
        command: its key, type and payload.
        payload_text: the payload as it is stored.
        actor_type, actor_id, model: who gives it.
    """

    command: Command
    payload_text: Encoded
    actor_type: str
    actor_id: str | None
    model: str | None


class Applied(NamedTuple):
    """What a batch makes.

    Attributes:
        content: the script after it.
        versions: ``(sequence, content)`` of each version that falls due.
    """

    content: Content
    versions: list[tuple[int, Content]]


def check_commands(commands: object, *, actor: Mapping[str, object]) -> list[CheckedCommand]:
    """Check the shape of commands.

    Args:
        commands: a list of mappings, as ``append`` takes them.
        actor: ``actor_type``, ``actor_id`` and ``model`` for those that do not say; None counts as not given.

    Raises:
        ValidationError: with every complaint; a path reads ``commands.3.position``.
    """
    if not isinstance(commands, Sequence) or isinstance(commands, (str, bytes)):
        raise ValidationError({"commands": ["Must be a list of commands."]}, what="batch of commands")
    if not 1 <= len(commands) <= MOST_COMMANDS:
        raise ValidationError({"commands": [f"Must have 1 to {MOST_COMMANDS:,} commands."]}, what="batch of commands")
    default = {name: value for name, value in actor.items() if value is not None}
    problems: dict[str, list[str]] = {}
    checked: list[CheckedCommand] = []
    seen: dict[UUID, int] = {}
    for row, given in enumerate(commands):
        try:
            one = _checked({**default, **given} if isinstance(given, Mapping) else given)
        except ValidationError as error:
            for path, why in error.errors.items():
                problems[f"commands.{row}" + ("" if path == "_schema" else f".{path}")] = why
            continue
        key = one.command.command_id
        if key in seen:
            problems[f"commands.{row}.command_id"] = [f"Is that of command {seen[key]} too."]
        seen.setdefault(key, row)
        checked.append(one)
    if problems:
        raise ValidationError(problems, what="batch of commands")
    return checked


def _checked(given: object) -> CheckedCommand:
    from datapkg.kit.schemas import load
    from datapkg.scripts import schemas

    kind = given.get("command_type") if isinstance(given, Mapping) else None
    values: dict[str, Any] = load(
        schemas.COMMAND_SCHEMAS.get(kind, schemas.AnyCommand) if isinstance(kind, str) else schemas.AnyCommand, given
    )
    if blank := [name for name in ("actor_id", "model") if (values.get(name) or "named").isspace()]:
        raise ValidationError({name: ["May not be blank."] for name in blank})
    if values["actor_type"] == "AI" and not values.get("model"):
        raise ValidationError({"model": ["A command of an AI names its model."]})
    key: UUID = values.get("command_id") or new_id()
    payload = {name: value for name, value in values.items() if name not in _ENVELOPE}
    if kind == "INSERT_ELEMENT":
        payload["element_id"] = str(payload.get("element_id") or element_key(key))
    elif kind == "EDIT_ELEMENT" and len(payload) == 1:
        raise ValidationError({"_schema": ["Give text, kind or persona."]})
    elif kind == "IMPORT":
        if ("text" in payload) == ("elements" in payload):
            raise ValidationError({"_schema": ["Give either text or elements."]})
        if "pages" in payload and "elements" not in payload:
            raise ValidationError({"pages": ["Give them with elements, not with a text."]})
        # New mappings: what was loaded may be the caller's own.
        for part, name, make in (("elements", "element_id", element_key), ("pages", "page_id", page_key)):
            if part in payload:
                payload[part] = [
                    {**each, name: str(each.get(name) or make(key, place))} for place, each in enumerate(payload[part])
                ]
    elif kind == "START_PAGE":
        payload.setdefault("page_id", page_key(key))
    payload.update({name: str(payload[name]) for name in ("element_id", "page_id") if name in payload})
    text: Encoded = ScriptCommand.payload.encode(payload)
    command = Command(key, values["command_type"], payload)
    return CheckedCommand(command, text, values["actor_type"], values.get("actor_id"), values.get("model"))


def refuse_other_payloads(
    batch: Sequence[CheckedCommand], stored: Mapping[UUID, ScriptCommand], *, script_id: UUID
) -> bool:
    """Tell whether a batch was appended before, all of it and the same.

    Args:
        batch: the commands.
        stored: those stored commands that have a key of the batch.
        script_id: where they should be appended.

    Raises:
        ConflictError: a key was used for another command, in another script, or only some of the batch is stored.
    """
    if not stored:
        return False
    for row, each in enumerate(batch):
        there = stored.get(each.command.command_id)
        if there is None:
            why = "other commands of the batch were appended before, but not this one"
        elif there.script_id != script_id:
            why = "it was used in another script"
        elif there.command_type != each.command.command_type or _plain(there.payload) != each.command.payload:
            why = "it was used for another command"
        elif there.sequence != stored[batch[0].command.command_id].sequence + row:
            why = "the commands were appended in another order"
        else:
            continue
        raise ConflictError(
            f"The command_id {each.command.command_id} of command {row} cannot be used: {why}.",
            fix="Send exactly what was sent the first time, or give new commands keys of their own.",
            constraint="uq_script_commands_command_id",
            table="script_commands",
            columns=("command_id",),
            row=row,
            command_id=str(each.command.command_id),
        )
    return True


def _plain(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != "schema_version"}


def apply_batch(
    content: Content,
    batch: Sequence[Command],
    *,
    sequence: int,
    last_version: int,
    at: Callable[[int], Content],
) -> Applied:
    """Apply commands one after the other.

    Args:
        content: the script before.
        batch: the commands.
        sequence: the script's newest sequence before.
        last_version: the sequence that its newest version goes through.
        at: gives the stored content right after an earlier command.

    Raises:
        ValidationError: with a complaint about each command that does not fit what those before it make.
    """
    draft = Draft(content)
    problems: dict[str, list[str]] = {}
    versions: list[tuple[int, Content]] = []
    refused: set[int] = set()

    def before(wanted: int) -> Content:
        if wanted < sequence:
            return at(wanted)
        # Every revert of the batch has left a version, so no other revert is replayed here.
        through, start = next((each for each in reversed(versions) if each[0] <= wanted), (sequence, content))
        again = Draft(start)
        for place in range(through - sequence, wanted - sequence):
            if place not in refused:
                again.apply(batch[place], at=before)
        return again.content()

    for row, command in enumerate(batch):
        number = sequence + row + 1
        try:
            if command.command_type == "REVERT" and command.payload["to_sequence"] >= number:
                raise RefusedCommandError("to_sequence", f"Must be before {number}, the command's own.")
            draft.apply(command, at=before)
        except RefusedCommandError as error:
            problems.setdefault(f"commands.{row}.{error.field}", []).append(error.why)
            refused.add(row)
            continue
        if checkpoint_due(command.command_type, sequence=number, last=last_version, elements=len(draft)):
            versions.append((number, draft.content()))
            last_version = number
    if problems:
        raise ValidationError(problems, what="batch of commands")
    return Applied(draft.content(), versions)
