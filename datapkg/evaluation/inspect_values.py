"""What an Inspect AI log says, in the terms of this domain: functions of its package's ``EvalLog`` and ``EvalSample``.

They are typed loosely, because that package is an extra and nothing of it is imported here.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from datapkg.kit.json_values import content_hash

__all__ = [
    "STATUSES",
    "config_of",
    "definition_content",
    "duration_of",
    "instant",
    "metrics_of",
    "prompt_of",
    "run_key",
    "scenario_name",
    "target_of",
    "tokens_of",
    "turns_of",
]

STATUSES = {"success": "COMPLETED", "error": "FAILED", "cancelled": "CANCELLED"}
"""A run's status for each of a log's; a log that is still being written has none."""

_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_LONGEST_NAME = 200
_LONGEST_ARGS = 50_000


def run_key(log: Any) -> UUID:
    """Return the key of a log's run: always the same for one evaluation, sorted by when it was created."""
    created = instant(log.eval.created)
    milliseconds = 0 if created is None else int(created.timestamp() * 1000)
    digest = int.from_bytes(hashlib.sha256(log.eval.eval_id.encode()).digest()[:10], "big")
    random_a, random_b = digest >> 68 & 0xFFF, digest & (1 << 62) - 1
    return UUID(int=(milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | random_a << 64 | 0b10 << 62 | random_b)


def instant(text: str) -> dt.datetime | None:
    """Return a log's instant in UTC; None where it is empty."""
    if not text:
        return None
    found = dt.datetime.fromisoformat(text)
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)


def definition_content(log: Any) -> dict[str, object]:
    """Return the ``definition-content`` that stands for a log's task: what was asked, and how it was scored."""
    task = log.eval
    ids = task.dataset.sample_ids or []
    scorers = [{"name": each.name, "options": each.options or {}} for each in task.scorers or []]
    lines = [
        "Imported from an Inspect AI log.",
        f"task: {task.task}",
        f"version: {task.task_version}",
        f"args: {_short(task.task_args)}",
        f"dataset: {task.dataset.name or '(no name)'}",
        f"dataset location: {task.dataset.location or '(none)'}",
        f"sample ids: {len(ids)}, SHA-256 {content_hash(sorted(map(str, ids)))}",  # a shuffled dataset is the same one
        f"scorers: {_short(scorers)}",
    ]
    return {"preamble": "", "template": "", "dimensions": [], "matching_rules": "\n".join(lines)}


def _short(value: object) -> str:
    text = _json(value)
    return text if len(text) <= _LONGEST_ARGS else f"SHA-256 {hashlib.sha256(text.encode()).hexdigest()}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def config_of(log: Any) -> dict[str, object]:
    """Return the ``run-config`` of a log."""
    temperature = log.plan.config.temperature
    if temperature is None:
        temperature = log.eval.model_generate_config.temperature
    given = {} if temperature is None else {"temperature": float(temperature)}
    return {"models": [log.eval.model], **given}


def scenario_name(sample_id: int | str) -> str:
    """Return the scenario's name for a sample: its id, or for one that is no name a part of it and its hash."""
    name = str(sample_id)
    if 1 <= len(name) <= _LONGEST_NAME:
        return name
    ending = f"… #{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:24]}"
    return name[: _LONGEST_NAME - len(ending)] + ending


def prompt_of(sample: Any) -> str:
    """Return a sample's input as text: that of a chat as a line for each turn."""
    if isinstance(sample.input, str):
        return sample.input
    lines = []
    for message in sample.input:
        others = "".join(f" [{each.type}]" for each in _parts(message.content) if each.type != "text")
        lines.append(f"{message.role}: {_text(message.content)}{others}")
    return "\n".join(lines)


def target_of(sample: Any) -> str:
    """Return what a sample's answer is compared with; several targets a line each."""
    return sample.target if isinstance(sample.target, str) else "\n".join(sample.target)


def _parts(content: Any) -> Sequence[Any]:
    return () if isinstance(content, str) else content


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(part.text for part in content if part.type == "text")


def turns_of(sample: Any) -> list[dict[str, object]]:
    """Return a sample's messages as ``transcript-turns``."""
    return [_turn(message) for message in sample.messages]


def _turn(message: Any) -> dict[str, object]:
    turn: dict[str, object] = {"role": message.role, "content": _text(message.content)}
    parts = [_part(part) for part in _parts(message.content) if part.type != "text"]
    calls = getattr(message, "tool_calls", None)
    if calls:
        turn["tool_calls"] = [
            {"id": call.id, "name": call.function, "arguments": _json(call.arguments)} for call in calls
        ]
    if message.role == "tool":
        if message.tool_call_id is not None:
            turn["tool_call_id"] = message.tool_call_id
        if message.function is not None:
            turn["name"] = message.function
        if message.error is not None:
            parts.append({"type": "error", "value": f"{message.error.type}: {message.error.message}"})
    if parts:
        turn["parts"] = parts
    return turn


def _part(part: Any) -> dict[str, object]:
    value = getattr(part, part.type, None)  # an image's is under "image", and so on
    if part.type == "reasoning" and part.redacted:
        value = part.summary or ""
    if not isinstance(value, str):
        value = _json(part.model_dump(mode="json", exclude_none=True))
    return {"type": part.type, "value": value}


def metrics_of(sample: Any) -> dict[str, dict[str, object]] | None:
    """Return a sample's scores as ``transcript-metrics``; None without any."""
    values: dict[str, object] = {}
    labels: dict[str, object] = {}
    for name, score in (sample.scores or {}).items():
        for path, value in _flat(name, score.value):
            if isinstance(value, str):
                labels[path] = value
                if value in _GRADES:
                    values[path] = _GRADES[value]
            elif (number := _finite(value)) is not None:
                values[path] = number
            else:
                labels[path] = "unscored"  # which Inspect AI says by NaN
    if not values and not labels:
        return None
    return {"values": values, **({"labels": labels} if labels else {})}


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _flat(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    if value is None:
        return
    if isinstance(value, (str, int, float)):
        yield name, value
        return
    for key, each in value.items() if isinstance(value, Mapping) else enumerate(value):
        yield from _flat(f"{name}.{key}", each)


def tokens_of(sample: Any, model: str) -> tuple[int | None, int | None]:
    """Return the input (cached too) and output tokens of the evaluated model, or of all models where it has none."""
    usages = [sample.model_usage[model]] if model in sample.model_usage else list(sample.model_usage.values())
    if not usages:
        return None, None
    cached = sum((each.input_tokens_cache_read or 0) + (each.input_tokens_cache_write or 0) for each in usages)
    return sum(each.input_tokens for each in usages) + cached, sum(each.output_tokens for each in usages)


def duration_of(sample: Any) -> int | None:
    """Return how long a sample took, in milliseconds."""
    return None if sample.total_time is None else max(0, round(sample.total_time * 1000))
