"""A plot for each engine: every operation of every side as a multiple of the raw driver, and datapkg's targets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from benchmarks.harness import Figures
from benchmarks.operations import OPERATIONS

__all__ = ["plot"]

_LOOKS = {
    "best": ("|", "#888888"),
    "Peewee": ("s", "#a6761d"),
    "SQLAlchemy": ("^", "#d95f02"),
    "Django": ("v", "#1b9e77"),
    "Prisma": ("D", "#7570b3"),
    "Drizzle": ("P", "#e7298a"),
    "datapkg": ("o", "#0057b8"),
}
_TICKS = (0.25, 0.5, 1, 2, 4, 8, 16)
# White behind it, so that it can be read on a dark page too; the same figures give the same file.
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "datapkg", "font.size": 9}


def plot(engine: str, figures: Mapping[str, Figures], stream: Figures | None, path: Path) -> None:
    """Write an engine's plot as SVG.

    Args:
        engine: ``sqlite`` or ``postgresql``.
        figures: by operation.
        stream: those of streaming, if there are any.
        path: the file.
    """
    rows: list[tuple[float | None, str, Figures]] = []
    for operation in OPERATIONS:
        if operation.key in figures:
            limit = operation.targets[engine] if operation.against == "raw" else None
            rows.append((limit, operation.short, figures[operation.key]))
    rows += [(1.0, "stream, per row", stream)] if stream is not None else []
    with matplotlib.rc_context(_STYLE):
        made = Figure(figsize=(9, 0.36 * len(rows) + 1.5), facecolor="white", layout="constrained")
        axes = made.subplots()
        for name, (marker, color) in _LOOKS.items():
            points = [(ratio, place) for place, (_, _, found) in enumerate(rows) if (ratio := found.ratio(name))]
            if points:
                across, down = zip(*points, strict=True)
                size, front = (60, 3) if name == "datapkg" else (34, 2)
                axes.scatter(across, down, s=size, marker=marker, color=color, label=name, zorder=front, alpha=0.9)
        limits = [(limit, place) for place, (limit, _, _) in enumerate(rows) if limit]
        if limits:
            across, down = zip(*limits, strict=True)
            axes.scatter(across, down, s=160, marker="|", color="#d40000", label="target", zorder=2)
        axes.axvline(1, color="#444444", linewidth=1, zorder=1)
        axes.set_xscale("log", base=2)
        axes.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
        axes.set_yticks(range(len(rows)), [title for _, title, _ in rows])
        axes.invert_yaxis()
        axes.grid(axis="both", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel("multiple of the raw driver's time (logarithmic; further left is quicker)")
        named = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[engine]
        axes.set_title(f"{named}: time for each operation, the raw driver being 1", loc="left", fontsize=10)
        made.legend(loc="outside lower center", ncols=len(_LOOKS) + 1, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        made.savefig(path, format="svg", metadata={"Date": None})
