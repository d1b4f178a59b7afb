"""Streaming many transcripts: how long a row takes, and how much memory the process needs beyond its start.

Each side streams in a fresh process of its own, so that what others have left behind neither helps nor hurts.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.data import Dataset
from benchmarks.harness import Different, Figures, rotated
from benchmarks.peers.base import Place, Side

__all__ = ["measure_streams", "stream_once"]

# Makes this package importable without making the rest of its folder so: datapkg may be an installed wheel.
_PROGRAM = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("benchmarks", sys.argv[1] + "/__init__.py",
                                              submodule_search_locations=[sys.argv[1]])
sys.modules["benchmarks"] = importlib.util.module_from_spec(spec)
from benchmarks.streaming import stream_once
stream_once(*sys.argv[2:])
"""


def measure_streams(
    place: Place, sides: Sequence[type[Side]], dataset: Dataset, *, rounds: int
) -> tuple[Figures, Figures]:
    """Stream on every side, one after the other, each in a process of its own.

    Args:
        place: where the transcripts are.
        sides: who streams; files of their own are made first.
        dataset: where the runs' keys come from.
        rounds: figures for each side.

    Returns:
        Seconds for one row, and bytes of memory beyond the start (no figure where the system does not tell).

    Raises:
        Different: two sides have read different things.
    """
    seconds, memory, answers = Figures(), Figures(), {}
    for kind in sides:
        side = kind()
        side.open(place)
        side.close()
    for number in range(rounds):
        for kind in rotated(sides, number):
            arguments = (kind.__module__, kind.__name__, place.engine, place.source, place.folder)
            arguments += (dataset.warming, dataset.streamed)
            found = subprocess.run(
                [sys.executable, "-c", _PROGRAM, str(Path(__file__).parent), *arguments],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            answer = json.loads(found.stdout)
            answers[kind.name] = answer["answer"]
            seconds.add(kind.name, answer["seconds"] / dataset.scale.transcripts)
            if answer["bytes"] is not None:
                memory.add(kind.name, answer["bytes"])
    if any(answer != answers[sides[0].name] for answer in answers.values()):
        raise Different(f"The sides have streamed different rows: {answers}.")
    return seconds, memory


def stream_once(module: str, name: str, engine: str, source: str, folder: str, warming: str, streamed: str) -> None:
    """Stream a run's transcripts on one side, after a small run's to warm up, and print what it took as JSON."""
    side = getattr(importlib.import_module(module), name)()
    side.open(Place(engine, source, folder))
    with side.ready():
        side.stream(warming)
        side.collect()
        peak = _Peak(side.process())
        seconds, answer = side.timed(lambda: side.stream(streamed), answered=True)
        held = peak.growth()
    side.close()
    print(json.dumps({"seconds": seconds, "bytes": held, "answer": answer}))


class _Peak:
    """The most memory that a process holds, beyond what it holds now; only Linux tells about any process."""

    def __init__(self, process: int) -> None:
        self.folder = Path(f"/proc/{process}")
        self.before: int | None = None
        if self.folder.exists():
            (self.folder / "clear_refs").write_text("5")  # the peak starts anew
            self.before = self._read("VmRSS")

    def _read(self, name: str) -> int:
        lines = (self.folder / "status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) * 1024

    def growth(self) -> int | None:
        return None if self.before is None else max(0, self._read("VmHWM") - self.before)
