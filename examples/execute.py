"""Runs quickstart.ipynb in an empty folder and writes what it shows into it: ``python examples/execute.py``.

Keys, instants and durations differ with each run; they are replaced by steady ones, so that a change of the notebook
shows what has changed.
"""

from __future__ import annotations

import copy
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("quickstart.ipynb")
_KEY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TAIL = re.compile(r"…([0-9a-f]{12})")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d)(\.\d+)?")


def executed(notebook: Any, folder: Path) -> Any:
    """Return a copy of a notebook with what its cells show, run by a kernel of its own in a folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails that is not tagged ``raises-exception``.
    """
    made = copy.deepcopy(notebook)
    client = NotebookClient(
        made, timeout=120, kernel_name="python3", record_timing=False, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return made


def steady(value: Any, keys: dict[str, str]) -> Any:
    """Return outputs with the n-th key that stands in them as number n, and one instant.

    Args:
        value: what a cell shows, or a part of it.
        keys: the keys so far; gets those that are new.
    """
    if isinstance(value, dict):
        return {name: each if name == "image/png" else steady(each, keys) for name, each in value.items()}
    if isinstance(value, list):
        return [steady(each, keys) for each in value]
    if not isinstance(value, str):
        return value
    text = _KEY.sub(lambda match: keys.setdefault(match[0], f"019aa000-0000-7000-8000-{len(keys) + 1:012}"), value)
    tails = {key[-12:]: number[-12:] for key, number in keys.items()}
    text = _TAIL.sub(lambda match: "…" + tails.get(match[1], match[1]), text)
    return _INSTANT.sub("2026-11-21 12:00:00", text)


def main() -> None:
    """Execute the notebook and write it back."""
    with tempfile.TemporaryDirectory() as folder:
        made = executed(nbformat.read(NOTEBOOK, as_version=4), Path(folder))
    made.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    keys: dict[str, str] = {}
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs = [nbformat.from_dict(steady(output, keys)) for output in cell.outputs]
    nbformat.write(made, NOTEBOOK)


if __name__ == "__main__":
    sys.exit(main())
