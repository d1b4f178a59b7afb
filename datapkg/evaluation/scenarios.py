"""Scenarios: the concrete cases of a definition, generated from its template or written by hand."""

from __future__ import annotations

import hashlib
import itertools
import logging
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from datapkg.evaluation.definitions import get_definition_with_content
from datapkg.evaluation.documents import DEFINITION_CONTENT, SCENARIO_CONTENT, placeholders
from datapkg.evaluation.models import Definition, RunScenario, Scenario
from datapkg.kit.columns import load_columns, sound
from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import ConflictError, NotFoundError, ValidationError
from datapkg.kit.json_values import canonical_json, content_hash
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import new_id, now
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert, insert_many

__all__ = [
    "MAX_SCENARIOS",
    "ScenarioDraft",
    "count_scenarios",
    "create_scenario",
    "delete_scenario",
    "expand_scenarios",
    "find_scenario",
    "generate_scenarios",
    "get_scenario",
    "list_scenarios",
]

logger = logging.getLogger(__name__)

MAX_SCENARIOS = 100_000
"""How many scenarios are generated at the most without a limit that says so."""

_LONGEST_NAME = 200

_by_id: Statement[Scenario] = Statement(lambda _: Scenario.select().where(Scenario.id == Param("id")), model=Scenario)


@dataclass(frozen=True, slots=True)
class ScenarioDraft:
    """A scenario as its definition gives it, not stored.

    Attributes:
        name: made of the values; the same values always give the same name.
        content: a ``scenario-content`` document.
    """

    name: str
    content: dict[str, Any]

    def public(self) -> dict[str, object]:
        """Return what a table shows."""
        return {"name": self.name, "prompt": self.content["prompt"]}


def count_scenarios(definition_id: UUID | str) -> int:
    """Return how many combinations of values a definition has; one without dimensions has a single one.

    Raises:
        NotFoundError: there is no such definition.
        DocumentError: the stored content is corrupt.
    """
    return _count(sound(DEFINITION_CONTENT, get_definition_with_content(definition_id).content))


def _count(content: Mapping[str, Any]) -> int:
    return math.prod(len(dimension["values"]) for dimension in content["dimensions"])


def expand_scenarios(definition_id: UUID | str) -> Iterator[ScenarioDraft]:
    """Yield every combination of a definition's values as a scenario, without storing anything.

    Lazy: nothing is made before it is asked for, so a definition may have more combinations than fit anywhere. The
    order is fixed: the last dimension varies fastest.

    Args:
        definition_id: which definition.

    Raises:
        NotFoundError: there is no such definition; at once, not at the first step.
        ValidationError: the stored template names a dimension that is not there.
        DocumentError: the stored content is corrupt.

    Example:
        >>> list(itertools.islice(expand_scenarios(definition.id), 3))  # doctest: +SKIP
    """
    return _drafts(get_definition_with_content(definition_id))


def _drafts(definition: Definition) -> Iterator[ScenarioDraft]:
    content = sound(DEFINITION_CONTENT, definition.content)
    dimensions = content["dimensions"]
    names = [dimension["name"] for dimension in dimensions]
    pieces = _pieces(content["template"], names)
    common = {
        "schema_version": SCENARIO_CONTENT.version,
        "preamble": content["preamble"],
        "source_sha256": content_hash(dict(content)),
    }

    def generate() -> Iterator[ScenarioDraft]:
        for combination in itertools.product(*(dimension["values"] for dimension in dimensions)):
            values = dict(zip(names, combination, strict=True))
            prompt = "".join(values[name] if name is not None else text for text, name in pieces)
            yield ScenarioDraft(_name(values), {**common, "prompt": prompt, "values": values})

    return generate()


def _pieces(template: str, names: list[str]) -> list[tuple[str, str | None]]:
    """Split a template into ``(text, None)`` and ``("", dimension)``, once for all combinations."""
    pieces: list[tuple[str, str | None]] = []
    unknown = sorted({text for text, name in placeholders(template) if name not in names})
    if unknown:  # content that was stored before templates were checked, or by foreign code
        raise ValidationError({"content.template": [f"{', '.join(unknown)} names no dimension."]}, what="definition")
    place = 0
    while place < len(template):
        brace = min((at for at in (template.find("{", place), template.find("}", place)) if at >= 0), default=-1)
        if brace < 0:
            pieces.append((template[place:], None))
            break
        pieces.append((template[place:brace], None))
        if template.startswith(("{{", "}}"), brace):
            pieces.append((template[brace], None))
            place = brace + 2
        else:
            end = template.index("}", brace)
            pieces.append(("", template[brace + 1 : end]))
            place = end + 1
    return pieces


def _name(values: Mapping[str, str]) -> str:
    """Return the name for these values: readable, and never the same for different ones.

    Where the plain spelling could stand for other values too, or is too long, it ends with a part of their hash.
    """
    if not values:
        return "default"
    plain = ", ".join(f"{dimension}={value}" for dimension, value in values.items())
    ambiguous = any(sign in part for part in (*values, *values.values()) for sign in ("=", ", ", " #", "…"))
    if len(plain) <= _LONGEST_NAME and not ambiguous and plain != "default":
        return plain
    ending = f"… #{hashlib.sha256(canonical_json(dict(values)).encode()).hexdigest()[:24]}"
    return plain[: _LONGEST_NAME - len(ending)] + ending


def generate_scenarios(definition_id: UUID | str, *, limit: int | None = None) -> Rows[Scenario]:
    """Store the scenarios of a definition, in one transaction; those that are stored already stay.

    Args:
        definition_id: which definition.
        limit: how many at the most, counted from the first combination; without it all, if they are not more than
            ``MAX_SCENARIOS``.

    Returns:
        The scenarios of those combinations, new or not, in their order.

    Raises:
        NotFoundError: there is no such definition.
        ValidationError: ``limit`` is no whole number from 1, or is missing where there are too many combinations.
        ConflictError: a scenario written by hand has the name of a generated one, and other content.
    """
    key = as_id(definition_id, "definition_id")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise ValidationError({"limit": ["Must be a whole number from 1."]}, what="generation of scenarios")

    @run_in_transaction
    def generate() -> tuple[Rows[Scenario], int]:
        # Locked, so that the content cannot change before its scenarios are written.
        query = Definition.select().where(Definition.id == key)
        definition = (query.for_update() if current().dialect.for_update else query).first()
        if definition is None:
            raise NotFoundError("definition", key)
        total = _count(sound(DEFINITION_CONTENT, definition.content))
        if limit is None and total > MAX_SCENARIOS:
            raise ValidationError(
                {"limit": [f"The definition has {total:,} combinations; say how many scenarios you want."]},
                what="generation of scenarios",
            )
        wanted = list(itertools.islice(_drafts(definition), total if limit is None else min(limit, total, sys.maxsize)))
        stored = {each.name: each for each in Scenario.select().where(Scenario.definition == key)}
        for draft in wanted:
            there = stored.get(draft.name)
            if there is not None and there.content != draft.content:
                raise ConflictError(
                    f"A scenario {draft.name!r} with other content is there already.",
                    fix="Delete or rename the scenario written by hand.",
                    constraint="uq_scenarios_definition_id_name",
                    table="scenarios",
                    columns=("definition_id", "name"),
                )
        made = now()
        fresh = [
            {"id": new_id(), "definition": key, "name": draft.name, "content": draft.content, "created_at": made}
            for draft in wanted
            if draft.name not in stored
        ]
        insert_many(Scenario, ({**row, "updated_at": made} for row in fresh))
        if fresh:
            stored = {each.name: each for each in Scenario.select().where(Scenario.definition == key)}
        return Rows((stored[draft.name] for draft in wanted), of=Scenario), len(fresh)

    scenarios, count = generate()
    logger.info("scenarios generated", extra={"definition_id": str(key), "scenarios": count})
    return scenarios


def create_scenario(definition_id: UUID | str, *, name: str, content: object) -> Scenario:
    """Store a scenario written by hand.

    Args:
        definition_id: the definition that it is a case of.
        name: 1 to 200 characters, unique within the definition.
        content: a ``scenario-content`` document: ``preamble``, ``prompt``, ``values``.

    Raises:
        NotFoundError: there is no such definition.
        ValidationError: with every complaint about name and content.
        ConflictError: the definition has a scenario of this name.
    """
    from datapkg.evaluation import schemas

    columns = load_columns(
        Scenario,
        schemas.NewScenario,
        given={"definition_id": definition_id, "name": name},
        documents={"content": content},
        what="scenario",
    )
    key = columns.pop("definition_id")
    made = now()
    row = {**columns, "id": new_id(), "definition": key, "created_at": made, "updated_at": made}
    try:
        return insert(Scenario, row)
    except ConflictError as error:
        if not Definition.select().where(Definition.id == key).exists():
            raise NotFoundError("definition", key) from error
        raise


def get_scenario(scenario_id: UUID | str) -> Scenario:
    """Return a scenario.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    scenario = find_scenario(scenario_id)
    if scenario is None:
        raise NotFoundError("scenario", scenario_id)
    return scenario


def find_scenario(scenario_id: UUID | str) -> Scenario | None:
    """Return a scenario, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(scenario_id, "scenario_id"))


def list_scenarios(
    *,
    definition_id: UUID | str | None = None,
    run_id: UUID | str | None = None,
    name: str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[Scenario]:
    """Return a page of scenarios, newest first.

    Args:
        definition_id: only those of this definition.
        run_id: only those of this run's sample.
        name: only with exactly this name.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.evaluation import schemas

    given = {"definition_id": definition_id, "run_id": run_id, "name": name, "limit": limit, "after": after}
    where = {
        "definition_id": Scenario.definition.__eq__,
        "run_id": lambda run: Scenario.id.in_(RunScenario.select(RunScenario.scenario).where(RunScenario.run == run)),
        "name": Scenario.name.__eq__,
    }
    return list_page(Scenario, schemas.ScenarioFilters, what="list of scenarios", given=given, where=where)


def delete_scenario(scenario_id: UUID | str) -> None:
    """Delete a scenario; samples lose it, transcripts of it stay without one.

    Raises:
        NotFoundError: there is none with this key.
    """
    delete_row(Scenario, as_id(scenario_id, "scenario_id"), entity="scenario")
