"""examples/quickstart.ipynb runs from an empty folder, and what is kept of its outputs is what it shows."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)


def program() -> ModuleType:
    """The program that executes the notebook, as a module."""
    spec = importlib.util.spec_from_file_location("execute", EXAMPLES / "execute.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kinds(notebook: Any) -> list[tuple[str, list[tuple[str, object]]]]:
    """Each cell's source, and of what kind its outputs are: their MIME types, an error's name."""
    return [
        (
            cell.source,
            [
                (each.output_type, sorted(each.data) if "data" in each else each.get("ename", each.get("name")))
                for each in cell.get("outputs", [])
            ],
        )
        for cell in notebook.cells
    ]


def test_the_notebook_runs_and_its_outputs_are_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell runs from an empty folder, and shows the kinds of output that are kept: run examples/execute.py."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    made = program().executed(NOTEBOOK, tmp_path)
    assert kinds(made) == kinds(NOTEBOOK)
    assert (tmp_path / "eval.db").is_file()
    shown = [kind for _, outputs in kinds(made) for kind in outputs]
    assert sum("text/html" in kind for _, kind in shown) >= 7 and sum("image/png" in kind for _, kind in shown) == 2
    assert [kind for kind in shown if kind[0] == "error"] == [("error", "ValidationError")]


def test_the_kept_outputs_are_steady() -> None:
    """Keys and instants are not those of one run: a rewritten notebook differs only where it shows something else."""
    text = nbformat.writes(NOTEBOOK)
    keys = re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", text)
    assert keys and all(key.startswith("019aa000-0000-7000-8000-") for key in keys)
    assert set(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", text)) == {"2026-11-21 12:00:00"}
    assert program().steady(
        {"a": ["see …1234567890ab at 2001-01-01 01:02:03"]}, {"x-1234567890ab": "y-000000000001"}
    ) == {"a": ["see …000000000001 at 2026-11-21 12:00:00"]}
