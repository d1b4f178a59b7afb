"""This package, through its public functions, everything validated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks.features import WORKER
from benchmarks.peers.base import Place, Side
from datapkg import evaluation, workqueue
from datapkg.kit import database, json_values

__all__ = ["Datapkg", "DatapkgStandardJson"]


class Datapkg(Side):
    """datapkg as installed; with orjson where that is installed."""

    name = "datapkg"

    def open(self, place: Place) -> None:
        if place.engine == "sqlite":
            self.database = database.open_database(f"sqlite:///{place.source}", synchronous="NORMAL")
        else:
            self.database = database.open_database(place.source)
        self.database.connect()

    def close(self) -> None:
        self.database.close()

    def ready(self) -> AbstractContextManager[object]:
        return database.override(self.database)

    def execute(self, sql: str) -> None:
        self.database.execute_sql(sql)

    def create(self, name: str, content: dict[str, Any]) -> Any:
        return evaluation.create_definition(name, content=content)

    def get(self, key: str) -> Any:
        return evaluation.get_definition_with_content(key)

    def ancestors(self, key: str) -> Any:
        found = evaluation.get_ancestors(key)
        for item in found:
            item.content  # noqa: B018  # parsed when it is first looked at
        return found

    def tree(self, key: str) -> Any:
        root = evaluation.get_definition_tree(key)
        for item in root.walk():
            item.definition.content  # noqa: B018
        return root

    def structure(self, key: str) -> Any:
        return evaluation.get_definition_tree(key, content=False)

    def create_transcripts(self, run: str, rows: list[dict[str, Any]]) -> Any:
        return evaluation.create_transcripts(run, rows=rows)

    def list_runs(self, limit: int) -> list[tuple[Any, str, dict[str, Any], str]]:
        found = evaluation.list_runs(limit=limit)
        return [(run.id, run.status, run.progress, run.definition.name) for run in found]

    def increment(self, run: str) -> Any:
        return evaluation.increment_run_progress(run, completed=1)

    def claim(self) -> tuple[int, int, str]:
        found = workqueue.claim_next(WORKER)
        assert found is not None and found.claimed_by is not None
        return found.feature_number, found.attempt, found.claimed_by

    def stream(self, run: str) -> tuple[int, int, float]:
        count, turns, fairness = 0, 0, 0.0
        for item in evaluation.iter_transcripts(run_id=run):
            count += 1
            turns += len(item.content)
            fairness += item.metrics["values"]["fairness"]
        return count, turns, fairness

    def row(self, item: Any) -> tuple[str, str, dict[str, Any]]:
        return str(item.id), item.name, item.content

    def node(self, item: Any) -> tuple[str, str, list[Any]]:
        return str(item.definition.id), item.definition.name, item.children

    def node_content(self, item: Any) -> dict[str, Any]:
        return self.row(item.definition)[2]


class DatapkgStandardJson(Datapkg):
    """datapkg where orjson is not installed."""

    name = "datapkg, no orjson"

    @contextmanager
    def ready(self) -> Iterator[object]:
        kept, json_values.orjson = json_values.orjson, None  # type: ignore[assignment]  # as without the extra
        try:
            with super().ready():
                yield
        finally:
            json_values.orjson = kept
