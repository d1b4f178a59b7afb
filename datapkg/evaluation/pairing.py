"""Which transcripts of two runs are pairs, which of them count, and what they scored."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datapkg.evaluation.cohorts import in_cohort
from datapkg.evaluation.documents import COHORT_CRITERIA, SCENARIO_CONTENT, TRANSCRIPT_METRICS
from datapkg.evaluation.models import Cohort, Transcript
from datapkg.kit.columns import sound
from datapkg.kit.errors import DocumentError, ValidationError
from datapkg.kit.statements import Param, Statement

__all__ = ["PairReader", "Scores", "Segment"]

_FIRST = "00000000-0000-0000-0000-000000000000"
_BATCH = 100
_SHOWN = 20

# The database finds each transcript's partner by unique indexes, so neither side has to be sorted or held in memory;
# as a scalar subquery, because PostgreSQL turns a join with a table that it has no statistics of yet into a scan of
# the whole run for every batch. Both scenarios belong to their run's definition, in which names are unique: a
# transcript has one partner at most. Where that has no metrics, 'null' tells it from no partner.
_PAIRS = """
SELECT b.id, b.model, sb.name, b.metrics,
  (SELECT coalesce(c.metrics, 'null') FROM scenarios sc JOIN transcripts c
     ON c.run_id = {p} AND c.scenario_id = sc.id AND c.model = b.model AND c.sample_index = b.sample_index
   WHERE sb.definition_id = {p} AND sc.definition_id = {p} AND sc.name = sb.name),
  {contents}
FROM transcripts b LEFT JOIN scenarios sb ON sb.id = b.scenario_id
WHERE b.run_id = {p} AND b.id > {p} ORDER BY b.id LIMIT {batch}"""
_CONTENTS = "sb.content, (SELECT sc.content FROM scenarios sc WHERE sc.definition_id = {p} AND sc.name = sb.name)"
_ALL = """
SELECT t.id, t.model, s.name, t.metrics, {contents} FROM transcripts t LEFT JOIN scenarios s ON s.id = t.scenario_id
WHERE t.run_id = {p} AND t.id > {p} ORDER BY t.id LIMIT {batch}"""


class PairReader:
    """Reads the transcripts of two runs, batch by batch.

    Args:
        with_content: whether rows end with the scenarios' contents, or with None.
    """

    def __init__(self, with_content: bool) -> None:
        names = ["comparison", "baseline_definition", "comparison_definition", "baseline", "after"]
        if with_content:
            names.insert(3, "comparison_definition")
        both, one = (_CONTENTS, "s.content") if with_content else ("NULL, NULL", "NULL")
        self._pairs = _statement(_PAIRS.replace("{contents}", both), names)
        self._all = _statement(_ALL.replace("{contents}", one), ["run", "after"])

    def pairs(self, **keys: str) -> Iterator[Any]:
        """Yield each transcript of the baseline, with its partner if there is one.

        As ``(id, model, scenario's name, metrics, partner's metrics, content, partner's content)``, the contents being
        those of the scenarios; without a partner its metrics are None.
        """
        return _rows(self._pairs, keys)

    def all(self, run: str) -> Iterator[Any]:
        """Yield each transcript of a run as ``(id, model, scenario's name, metrics, scenario's content)``."""
        return _rows(self._all, {"run": run})


def _statement(template: str, names: Sequence[str]) -> Statement[Transcript]:
    params = [Param(name) for name in names]
    return Statement(lambda dialect: (template.format(p=dialect.param, batch=_BATCH), params))


def _rows(statement: Statement[Transcript], keys: Mapping[str, str]) -> Iterator[Any]:
    after = _FIRST
    while True:
        rows = statement.tuples(**keys, after=after)
        yield from rows
        if len(rows) < _BATCH:
            return
        after = rows[-1][0]


class Segment:
    """Which transcripts count: those of a cohort, or all."""

    def __init__(self, cohort: Cohort | None) -> None:
        criteria: Mapping[str, Any] = {} if cohort is None else sound(COHORT_CRITERIA, cohort.criteria)
        self._criteria = {
            part: {name: frozenset(allowed) for name, allowed in given.items()}
            if part == "values"
            else frozenset(given)
            for part, given in criteria.items()
            if part in ("models", "scenarios", "values")
        }
        self.reads_content = bool(self._criteria.get("values"))

    def holds(self, model: str, scenario: str | None, content: str | None) -> bool:
        """Tell whether a transcript counts; ``content`` is that of its scenario as stored, where it is read."""
        values = {} if content is None else _values(content)
        return in_cohort(self._criteria, model=model, scenario=scenario, values=values)


def _values(content: str) -> Mapping[str, str]:
    stored: Any = SCENARIO_CONTENT.loads(content)
    values = stored.get("values")
    if not isinstance(values, dict) or not all(isinstance(each, str) for each in values.values()):
        raise DocumentError(SCENARIO_CONTENT.name, "it is not an object of texts", path="values")
    return values


class Scores:
    """Reads one metric; until it has been seen, notes the names of those that are there."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.seen = False
        self.names: set[str] = set()

    def of(self, text: str | None) -> float | None:
        """Return the score in a stored ``transcript-metrics`` document, or None."""
        values = {} if text is None or text == "null" else self._values(text)
        if self.metric not in values:
            if not self.seen and not values.keys() <= self.names:
                self.names = set(heapq.nsmallest(_SHOWN, self.names | values.keys()))
            return None
        self.seen = True
        value = values[self.metric]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise DocumentError(TRANSCRIPT_METRICS.name, "it is not a number", path=f"values.{self.metric}")
        return value

    def _values(self, text: str) -> Mapping[str, Any]:
        content: Any = TRANSCRIPT_METRICS.loads(text)
        values = content.get("values")
        if not isinstance(values, dict):
            raise DocumentError(TRANSCRIPT_METRICS.name, "it is not an object", path="values")
        return values

    def refuse_unseen(self) -> None:
        """Raise unless some transcript has the metric."""
        if not self.seen:
            listed = ", ".join(sorted(self.names)) or "(none)"
            raise ValidationError(
                {"metric": [f"No transcript of either run has {self.metric!r}; there are: {listed}."]},
                what="comparison of runs",
                fix="Name a metric that is there.",
            )
