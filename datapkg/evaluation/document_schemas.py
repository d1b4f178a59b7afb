"""The current shapes of the evaluation domain's documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marshmallow import ValidationError

from datapkg.kit.schemas import Choice, Dict, Float, Integer, Json, List, Nested, Schema, Text

__all__ = [
    "ROLES",
    "AnalysisPlanSchema",
    "CriteriaSchema",
    "CriterionSchema",
    "DefinitionContentSchema",
    "DeltaSchema",
    "DimensionSchema",
    "MetricsSchema",
    "OutputSchema",
    "PartSchema",
    "RubricContentSchema",
    "RunConfigSchema",
    "RunProgressSchema",
    "ScenarioContentSchema",
    "ToolCallSchema",
    "TurnSchema",
    "TurnsSchema",
]

ROLES = ("system", "user", "assistant", "tool")
"""Who speaks in a turn."""


def _different(values: Sequence[str]) -> None:
    if len(set(values)) != len(values):
        raise ValidationError("Values must differ from each other.")


def _different_names(parts: Sequence[dict[str, Any]]) -> None:
    names = [part["name"] for part in parts]
    if len(set(names)) != len(names):
        raise ValidationError("Names must differ from each other.")


def _between_0_and_1(value: float) -> None:
    if not 0 < value < 1:
        raise ValidationError("Must be greater than 0 and less than 1.")


def _a_share(value: float) -> None:
    if not 0 < value <= 100:
        raise ValidationError("Must be greater than 0 and at most 100.")


class DimensionSchema(Schema):
    """One thing that varies between scenarios, and its values."""

    name = Text(1, 100, required=True)
    values = List(Text(1, 1000), required=True, min=1, max=1000, validate=_different)
    description = Text(0, 2000, allow_none=True)


class DefinitionContentSchema(Schema):
    """Version 1 of ``definition-content``."""

    preamble = Text(0, 100_000, required=True)
    template = Text(0, 100_000, required=True)
    dimensions = List(Nested(DimensionSchema), required=True, max=100, validate=_different_names)
    matching_rules = Text(0, 100_000, allow_none=True)


class ScenarioContentSchema(Schema):
    """Version 1 of ``scenario-content``; ``source_sha256`` is the hash of the content it was generated from."""

    preamble = Text(0, 100_000, required=True)
    prompt = Text(0, 1_000_000, required=True)
    values = Dict(Text(0, 100_000), keys=Text(1, 100), required=True)
    source_sha256 = Text(64, 64)


class RunConfigSchema(Schema):
    """Version 1 of ``run-config``; the percentage is of the definition's scenarios."""

    models = List(Text(1, 200), required=True, min=1, max=1000, validate=_different)
    temperature = Float(0, allow_none=True)
    sample_percentage = Float(allow_none=True, validate=_a_share)
    sample_seed = Integer(0, 2**53, allow_none=True)


class RunProgressSchema(Schema):
    """Version 1 of ``run-progress``, counted in transcripts."""

    total = Integer(0, 2**53, required=True)
    completed = Integer(0, 2**53, required=True)
    failed = Integer(0, 2**53, required=True)


class ToolCallSchema(Schema):
    """A call of a tool that a model asks for; ``arguments`` is JSON text, as providers give it."""

    id = Text(0, 200)
    name = Text(1, 200, required=True)
    arguments = Text(0, 1_000_000, required=True)


class PartSchema(Schema):
    """A part of a turn that is not plain text: an image, reasoning; ``value`` is its text, address or JSON."""

    type = Text(1, 100, required=True)
    value = Text(0, 20_000_000, required=True)


class TurnSchema(Schema):
    """One turn of a transcript."""

    role = Choice(ROLES, required=True)
    content = Text(0, 1_000_000, required=True)
    name = Text(0, 200)
    tool_call_id = Text(0, 200)
    tool_calls = List(Nested(ToolCallSchema), max=1000)
    parts = List(Nested(PartSchema), max=1000)


class TurnsSchema(Schema):
    """Version 1 of ``transcript-turns``."""

    items = List(Nested(TurnSchema), required=True, max=100_000)


class MetricsSchema(Schema):
    """Version 1 of ``transcript-metrics``."""

    values = Dict(Float(), keys=Text(1, 200), required=True)
    labels = Dict(Text(0, 10_000), keys=Text(1, 200))


class AnalysisPlanSchema(Schema):
    """Version 1 of ``analysis-plan``."""

    test = Text(1, 200, required=True)
    alpha = Float(required=True, validate=_between_0_and_1)
    correction = Text(1, 200, allow_none=True)


class DeltaSchema(Schema):
    """Version 1 of ``comparison-delta``.

    The means and the difference (comparison minus baseline) are over the ``n`` pairs, and empty without any; the
    standard error is empty with fewer than two. The counts say how many transcripts found no partner or no score.
    """

    metric = Text(1, 200, required=True)
    n = Integer(0, required=True)
    baseline_mean = Float(required=True, allow_none=True)
    comparison_mean = Float(required=True, allow_none=True)
    mean_difference = Float(required=True, allow_none=True)
    standard_error = Float(required=True, allow_none=True)
    coverage = Float(0, 1, required=True)
    baseline_only = Integer(0, required=True)
    comparison_only = Integer(0, required=True)
    unscored = Integer(0, required=True)
    cohort = Text(1, 200)


class OutputSchema(Schema):
    """Version 1 of ``analysis-output``: any JSON object under ``data``."""

    data = Dict(Json(allow_none=True), required=True)


class CriterionSchema(Schema):
    """One thing that a judge looks at."""

    name = Text(1, 200, required=True)
    description = Text(0, 10_000)
    weight = Float(0)
    levels = Dict(Text(0, 2000), keys=Text(1, 100))


class RubricContentSchema(Schema):
    """Version 1 of ``rubric-content``."""

    instructions = Text(0, 100_000, required=True)
    criteria = List(Nested(CriterionSchema), required=True, max=1000, validate=_different_names)


class CriteriaSchema(Schema):
    """Version 1 of ``cohort-criteria``: a transcript has to satisfy every part that is given."""

    models = List(Text(1, 200), min=1, max=1000, validate=_different)
    scenarios = List(Text(1, 200), min=1, max=100_000, validate=_different)
    values = Dict(List(Text(0, 1000), min=1, max=1000), keys=Text(1, 100))
