"""The evaluation domain's document types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from datapkg.kit.documents import Document

__all__ = [
    "ANALYSIS_OUTPUT",
    "ANALYSIS_PLAN",
    "COHORT_CRITERIA",
    "COMPARISON_DELTA",
    "DEFINITION_CONTENT",
    "RUBRIC_CONTENT",
    "RUN_CONFIG",
    "RUN_PROGRESS",
    "SCENARIO_CONTENT",
    "TRANSCRIPT_METRICS",
    "TRANSCRIPT_TURNS",
    "placeholders",
]

_SCHEMAS = "datapkg.evaluation.document_schemas"
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def placeholders(template: str) -> Iterator[tuple[str, str | None]]:
    """Yield each ``(text, name)`` of a template's braces; the name is None where the braces do not name anything.

    ``{name}`` stands for a dimension's value, ``{{`` and ``}}`` for braces.
    """
    for match in _BRACES.finditer(template):
        if match[0] not in ("{{", "}}"):
            yield match[0], match[1]


def _definition_rules(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A template names only dimensions that there are."""
    if "{" not in content["template"] and "}" not in content["template"]:
        return
    known = {dimension["name"] for dimension in content["dimensions"]}
    reported = set()
    for text, name in placeholders(content["template"]):
        if name not in known and text not in reported:
            reported.add(text)
            if name is None:
                yield "template", f"A single {text!r} stands alone; write {text * 2!r} for a brace."
            else:
                listed = ", ".join(sorted(known)[:10]) + (", …" if len(known) > 10 else "") or "(none)"
                yield (
                    "template",
                    f"{text!r} names no dimension; there are: {listed}. Write '{{{{' and '}}}}' for braces.",
                )


def _progress_rules(progress: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is done is at most what there is to do."""
    if progress["completed"] + progress["failed"] > progress["total"]:
        yield "total", f"Is less than completed and failed together ({progress['completed'] + progress['failed']})."


def _definition_v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 had no version and might lack template and dimensions."""
    return {"preamble": "", "template": "", "dimensions": [], **stored}


def _scenario_v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 had no version and might lack any part."""
    return {"preamble": "", "prompt": "", "values": {}, **stored}


def _unchanged_v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 was version 1 without its number."""
    return dict(stored)


def _progress_v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 had no version and might lack a count."""
    return {"total": 0, "completed": 0, "failed": 0, **stored}


def _turns_v0_to_v1(stored: list[object]) -> list[object]:
    """Version 0 was the bare list of turns."""
    return stored


def _metrics_v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 held the metrics themselves, numbers and texts side by side."""
    if "values" in stored and isinstance(stored["values"], Mapping):
        return dict(stored)
    numbers = {name: each for name, each in stored.items() if isinstance(each, (int, float))}
    labels = {name: each for name, each in stored.items() if isinstance(each, str)}
    return {"values": {name: float(each) for name, each in numbers.items()}, **({"labels": labels} if labels else {})}


def _bare_v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 was a bare object; version 1 keeps it under ``data``, apart from the version."""
    return {"data": dict(stored)}


DEFINITION_CONTENT = Document(
    "definition-content",
    f"{_SCHEMAS}:DefinitionContentSchema",
    upcasters=(_definition_v0_to_v1,),
    check=_definition_rules,
)
"""A definition's content: preamble, template, dimensions, and optional matching rules."""

SCENARIO_CONTENT = Document("scenario-content", f"{_SCHEMAS}:ScenarioContentSchema", upcasters=(_scenario_v0_to_v1,))
"""A scenario's content: preamble, prompt, and the value of each dimension."""

RUN_CONFIG = Document("run-config", f"{_SCHEMAS}:RunConfigSchema", upcasters=(_unchanged_v0_to_v1,))
"""How a run is made: models, temperature, and the sample with its seed."""

RUN_PROGRESS = Document(
    "run-progress", f"{_SCHEMAS}:RunProgressSchema", upcasters=(_progress_v0_to_v1,), check=_progress_rules
)
"""How far a run is: total, completed, failed."""

TRANSCRIPT_TURNS: Document[list[dict[str, Any]]] = Document(
    "transcript-turns", f"{_SCHEMAS}:TurnsSchema", upcasters=(_turns_v0_to_v1,), listed=True
)
"""The turns of a transcript, a list."""

TRANSCRIPT_METRICS = Document("transcript-metrics", f"{_SCHEMAS}:MetricsSchema", upcasters=(_metrics_v0_to_v1,))
"""A transcript's scores: numbers under ``values``, verdicts in words under ``labels``."""

ANALYSIS_PLAN = Document("analysis-plan", f"{_SCHEMAS}:AnalysisPlanSchema", upcasters=(_unchanged_v0_to_v1,))
"""How an experiment will be analysed: test, alpha, and the correction for several tests."""

COMPARISON_DELTA = Document("comparison-delta", f"{_SCHEMAS}:DeltaSchema", upcasters=(_unchanged_v0_to_v1,))
"""What a comparison found."""

ANALYSIS_OUTPUT = Document("analysis-output", f"{_SCHEMAS}:OutputSchema", upcasters=(_bare_v0_to_v1,))
"""What an analysis found: any JSON object under ``data``."""

RUBRIC_CONTENT = Document("rubric-content", f"{_SCHEMAS}:RubricContentSchema", upcasters=(_unchanged_v0_to_v1,))
"""What a judge looks at: instructions and criteria."""

COHORT_CRITERIA = Document("cohort-criteria", f"{_SCHEMAS}:CriteriaSchema", upcasters=(_unchanged_v0_to_v1,))
"""Which transcripts a cohort holds: by model, by scenario, by a dimension's values."""
