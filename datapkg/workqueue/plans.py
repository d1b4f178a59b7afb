"""The plan: in which order the unfinished features can be worked on, and the longest chain among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datapkg.kit.database import snapshot
from datapkg.kit.results import Rows
from datapkg.workqueue.graph import in_order, longest_chain
from datapkg.workqueue.models import Feature, feature_label
from datapkg.workqueue.waiting import Blocked, Waiting, blocked, waiting_graph

if TYPE_CHECKING:
    import pandas

__all__ = ["Plan", "PlannedFeature", "plan"]


@dataclass(frozen=True, slots=True)
class PlannedFeature:
    """A feature's place in the plan.

    Attributes:
        place: 1 for the first.
        step: 1 for what can start now, 2 for what waits for a step 1, and so on: the features of one step can be
            worked on side by side.
        feature_number: its number.
        name, category, priority, status: the feature's.
        depends_on_ids: the numbers of the unfinished features that it waits for.
        critical: whether it lies on the critical path.
    """

    place: int
    step: int
    feature_number: int
    name: str
    category: str
    priority: str
    status: str
    depends_on_ids: tuple[int, ...]
    critical: bool

    def public(self) -> dict[str, object]:
        """Return what a table shows."""
        return {
            "place": self.place,
            "step": self.step,
            "feature": feature_label(self.feature_number),
            "name": self.name,
            "category": self.category,
            "priority": self.priority,
            "status": self.status,
            "depends_on_ids": list(self.depends_on_ids),
            "critical": self.critical,
        }

    @classmethod
    def public_shape(cls) -> dict[str, object]:
        """Return what the columns of :meth:`public` hold."""
        shape: dict[str, object] = dict.fromkeys(("feature", "name", "category"), str)
        given = Feature.public_shape()
        shape |= {"priority": given["priority"], "status": given["status"]}
        return {"place": int, "step": int, **shape, "depends_on_ids": object, "critical": bool}


@dataclass(frozen=True)
class Plan:
    """What can be worked on, in which order.

    Attributes:
        order: the features that will run, each after all that it waits for; of those that could come next, the one
            that is claimed first.
        critical_path: the numbers of a longest chain of features that wait for each other, the first to run first.
        blocked: what cannot run before somebody steps in.
    """

    order: Rows[PlannedFeature]
    critical_path: tuple[int, ...]
    blocked: Rows[Blocked]

    def public(self) -> dict[str, object]:
        """Return what JSON shows."""
        return {
            "order": self.order.records(),
            "critical_path": [feature_label(number) for number in self.critical_path],
            "blocked": self.blocked.records(),
        }

    def df(self) -> pandas.DataFrame:
        """Return the order as a DataFrame.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return self.order.df()

    def _repr_html_(self) -> str:
        path = " → ".join(feature_label(number) for number in self.critical_path[:_PATH])
        shown = f"<p>critical path: {path}</p>" if path else ""
        stuck = f"<p>blocked:</p>{self.blocked._repr_html_()}" if self.blocked else ""
        return f"{self.order._repr_html_()}{shown}{stuck}"

    def dot(self) -> str:
        """Return the plan as a Graphviz graph: arrows lead from a feature to what waits for it."""
        lines = ["digraph plan {", "  rankdir=LR;", "  node [shape=box];"]
        for each in self.order:
            label = f"{feature_label(each.feature_number)}\n{each.name}"
            style = ", penwidth=3" if each.critical else ""
            fill = ", style=filled, fillcolor=lightblue" if each.status == "IN_PROGRESS" else ""
            lines.append(f"  f{each.feature_number} [label={_quoted(label)}{style}{fill}];")
        on_path = set(zip(self.critical_path, self.critical_path[1:], strict=False))
        for each in self.order:
            for other in each.depends_on_ids:
                style = " [penwidth=3]" if (other, each.feature_number) in on_path else ""
                lines.append(f"  f{other} -> f{each.feature_number}{style};")
        for stuck in self.blocked:
            label = _quoted(f"{stuck.feature}\n{stuck.name}\n{stuck.reason}: {', '.join(stuck.because_of)}")
            lines.append(f"  {_quoted(stuck.feature)} [label={label}, style=dashed];")
        return "\n".join([*lines, "}"])


_PATH = 50  # features of the critical path that a notebook shows


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", " ").replace("\n", "\\n")
    return f'"{escaped}"'


def plan() -> Plan:
    """Return the order in which everything that is submitted and not completed can run, and the critical path.

    The critical path counts features, not hours. Reads every feature that is not completed.
    """
    with snapshot():
        stuck = Rows((each for each in blocked() if each.reason != "WAITING"), of=Blocked)
        graph, _ = waiting_graph()
    stuck_labels = {each.feature for each in stuck}
    runs = {
        number: each
        for number, each in graph.items()
        if each.status in ("PENDING", "IN_PROGRESS") and feature_label(number) not in stuck_labels
    }
    waits = {number: each.unmet for number, each in runs.items()}
    order = in_order(waits, rank=lambda number: (runs[number].status != "IN_PROGRESS", *runs[number].rank))
    critical = tuple(longest_chain(waits, order))
    return Plan(Rows(_planned(order, runs, set(critical)), of=PlannedFeature), critical, stuck)


def _planned(order: list[int], runs: dict[int, Waiting], critical: set[int]) -> list[PlannedFeature]:
    step: dict[int, int] = {}
    planned = []
    for place, number in enumerate(order, start=1):
        each = runs[number]
        step[number] = 1 + max((step[other] for other in each.unmet if other in step), default=0)
        planned.append(
            PlannedFeature(
                place,
                step[number],
                number,
                each.name,
                each.category,
                each.priority,
                each.status,
                tuple(each.unmet),
                number in critical,
            )
        )
    return planned
