"""How long programs take to start, over the bare interpreter."""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import time

from benchmarks.harness import Figures, rotated

__all__ = ["PROGRAMS", "measure_startup", "over_bare"]

PROGRAMS = {
    "bare": "pass",
    "import datapkg": "import datapkg",
    "datapkg --help": "import sys; sys.argv = ['datapkg', '--help']; from datapkg.cli import main; main()",
    "datapkg status": "import sys; sys.argv = ['datapkg', '--database', 'sqlite:///:memory:', 'status']; "
    "from datapkg.cli import main; main()",
    "import peewee, psycopg2": "import peewee, psycopg2",
    "import sqlalchemy.orm": "import sqlalchemy.orm, psycopg2",
    "import django.db": "import django.db.models, psycopg2",
}


def measure_startup(*, rounds: int) -> Figures:
    """Start every program in turn, as processes of their own.

    Args:
        rounds: how often each is started.
    """
    # Importing psycopg 3 alone costs more than all of datapkg, so its presence is said in the report.
    names = [name for name in PROGRAMS if "django" not in name or importlib.util.find_spec("django")]
    figures = Figures()
    for number in range(-1, rounds):
        for name in rotated(names, max(number, 0)):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", PROGRAMS[name]],
                check=True,
                stdout=subprocess.DEVNULL,
                cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
            )
            if number >= 0:  # the first round warms the file cache
                figures.add(name, time.perf_counter() - start)
    return figures


def over_bare(figures: Figures, name: str) -> float | None:
    """The median over the rounds of a program's time less the bare interpreter's in the same round, in seconds."""
    pairs = zip(figures.rounds.get(name, []), figures.rounds["bare"], strict=False)
    differences = [mine - bare for mine, bare in pairs]
    return statistics.median(differences) if differences else None
