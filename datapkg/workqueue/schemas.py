"""What the work queue accepts, and its rows in seed files."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from datapkg.kit.schemas import (
    Boolean,
    Choice,
    Decimal,
    Float,
    Integer,
    Json,
    List,
    Nested,
    Page,
    Schema,
    Text,
    Timestamp,
    Uuid,
)
from datapkg.workqueue.models import FAILURE_KINDS, FEATURE_STATUSES, PRIORITIES

__all__ = [
    "AgentSchema",
    "AgentsUsedSchema",
    "Claim",
    "Claimed",
    "DependencyRow",
    "Failure",
    "FeatureChange",
    "FeatureFilters",
    "FeatureRow",
    "MetricRow",
    "Metrics",
    "NewFeature",
    "Note",
    "ReadyFilters",
    "Result",
    "Roi",
    "RoiRow",
    "TransitionFilters",
]

_INT = 2**31 - 1
_BIGINT = 2**63 - 1
_LONG = 10_000_000


class AgentSchema(Schema):
    """An agent's share of the work; the cost in US dollars."""

    role = Text(1, 200, required=True)
    cost = Float(0, required=True)


class AgentsUsedSchema(Schema):
    """Version 1 of ``agents-used``."""

    items = List(Nested(AgentSchema), required=True, max=1000)


class NewFeature(Schema):
    """A feature as a caller gives it; which of the numbers are there is looked up."""

    name = Text(1, 500, required=True)
    category = Text(1, 100, required=True)
    test_steps = Text(0, 100_000, required=True)
    priority = Choice(PRIORITIES)
    depends_on_ids = List(Integer(1, _INT), max=10_000)
    feature_number = Integer(1, _INT, allow_none=True)
    draft = Boolean()
    max_attempts = Integer(1, _INT)


class FeatureChange(Schema):
    """What may change of a feature that nobody works on."""

    name = Text(1, 500)
    category = Text(1, 100)
    test_steps = Text(0, 100_000)
    priority = Choice(PRIORITIES)
    max_attempts = Integer(1, _INT)

    @validates_schema
    def _something(self, data: dict[str, Any], **kwargs: object) -> None:
        if not data:
            raise ValidationError("Give something to change.")


class Claim(Schema):
    """Who claims, and what kind of work."""

    worker = Text(1, 200, required=True)
    category = Text(1, 100)


class Claimed(Schema):
    """What proves a claim."""

    claim_token = Uuid(required=True)


class Note(Schema):
    """Who changes a status, and why."""

    actor = Text(1, 200)
    note = Text(0, 2000)


class Result(Claimed):
    """What came out; metrics are checked beside it."""

    result_data = Text(0, _LONG)
    execution_log = Text(0, _LONG)


class Failure(Result):
    """How an attempt failed."""

    # The other kinds are the queue's own: STOPPED is stop(), EXHAUSTED the last lease that ran out.
    kind = Choice(("ERROR", "TIMEOUT"), required=True)
    note = Text(0, 2000)
    retry = Boolean(required=True)


class Metrics(Schema):
    """What an execution cost; ``agents_used`` is checked by its document type."""

    total_cost_usd = Decimal(14, 6, min=0, required=True)
    duration_seconds = Integer(0, _INT, required=True)
    success_rate = Integer(0, 100, required=True)
    ready_for_production = Boolean(required=True)
    prompt_tokens = Integer(0, _BIGINT, required=True)
    completion_tokens = Integer(0, _BIGINT, required=True)
    cached_tokens = Integer(0, _BIGINT, required=True)


class Roi(Schema):
    """What a feature was worth."""

    files_modified = Integer(0, _INT, allow_none=True)
    git_branch = Text(0, 500, allow_none=True)
    tools_called = Integer(0, _INT, allow_none=True)
    estimated_human_hours_saved = Decimal(12, 2, allow_none=True)


class FeatureFilters(Page):
    """What a list of features can be narrowed by, and where its page starts."""

    status = Choice(FEATURE_STATUSES)
    category = Text(1, 100)
    priority = Choice(PRIORITIES)


class ReadyFilters(Schema):
    """What the list of what is claimed next can be narrowed by."""

    category = Text(1, 100)
    limit = Integer(1, 1000, required=True)


class TransitionFilters(Page):
    """What a list of transitions can be narrowed by, and where its page starts."""

    to_status = Choice(FEATURE_STATUSES)
    actor = Text(1, 200)


class FeatureRow(Schema):
    """A feature in a seed file, in any state that nobody holds."""

    feature_number = Integer(1, _INT, required=True)
    name = Text(1, 500, required=True)
    category = Text(1, 100, required=True)
    # A claim has a worker and a lease, which no file can have.
    status = Choice([status for status in FEATURE_STATUSES if status != "IN_PROGRESS"])
    priority = Choice(PRIORITIES)
    test_steps = Text(0, 100_000, required=True)
    result_data = Text(0, _LONG, allow_none=True)
    execution_log = Text(0, _LONG, allow_none=True)
    failure_kind = Choice(FAILURE_KINDS, allow_none=True)
    max_attempts = Integer(1, _INT)
    unmet_dependencies = Integer(0, _INT)
    finished_at = Timestamp(allow_none=True)
    created_at = Timestamp()

    @post_load
    def _rank(self, data: dict[str, Any], **kwargs: object) -> dict[str, Any]:
        return {**data, "priority_rank": PRIORITIES.index(data["priority"])} if "priority" in data else data


class DependencyRow(Schema):
    """A dependency in a seed file; ``feature`` and ``depends_on`` by their feature numbers."""

    feature = Uuid(required=True)
    depends_on = Uuid(allow_none=True)
    depends_on_number = Integer(1, _INT, required=True)
    created_at = Timestamp()


class MetricRow(Metrics):
    """What an execution cost, in a seed file."""

    feature = Uuid(required=True)
    agents_used = Json(required=True)
    created_at = Timestamp()


class RoiRow(Roi):
    """What a feature was worth, in a seed file."""

    feature = Uuid(required=True)
    created_at = Timestamp()
