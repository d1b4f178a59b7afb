"""docs/reference is what the package is: its pages are current, and no public name is on none of them."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import datapkg
from datapkg.testing import plugin

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "reference").glob("*.md")}
DOCUMENTED = set(re.findall(r"^\.\. (?:auto\w+|py:data):: ([\w.]+)", "\n".join(PAGES.values()), re.MULTILINE))
MODULES = ["testing", "testing.factories", "cli", "kit.fields", "kit.schemas"] + [
    name for name in datapkg.__all__ if isinstance(getattr(datapkg, name), ModuleType)
]


def test_the_pages_are_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They say what the docstrings and the commands say now, on any terminal; ``python docs/_generate`` writes them."""
    for name, value in {"COLUMNS": "40", "FORCE_COLOR": "1", "LANGUAGE": "de"}.items():
        monkeypatch.setenv(name, value)
    subprocess.run([sys.executable, "-B", str(DOCS / "_generate"), str(tmp_path)], check=True, capture_output=True)
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert sorted(written) == sorted(PAGES)
    assert [name for name, text in written.items() if text != PAGES[name]] == [], "run `python docs/_generate`"


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_of_a_module_is_documented(name: str) -> None:
    """Each name of its ``__all__`` stands on a page, but for modules, which have theirs."""
    try:
        module = importlib.import_module(f"datapkg.{name}")
    except ModuleNotFoundError:
        module = getattr(datapkg, name)
    public = {each for each in module.__all__ if not isinstance(getattr(module, each), ModuleType)}
    assert {f"datapkg.{name}.{each}" for each in public} - DOCUMENTED == set()


def test_every_public_name_of_the_package_is_documented() -> None:
    """So does each name of ``datapkg`` itself, and each fixture of the pytest plugin."""
    public = {each for each in datapkg.__all__ if each not in MODULES}
    # The root of the errors is on their page.
    assert {f"datapkg.{each}" for each in public - {"DatapkgError"}} - DOCUMENTED == set()
    assert "datapkg.errors.DatapkgError" in DOCUMENTED
    assert [each for each in plugin.__all__ if f"\n`{each}`\n" not in PAGES["testing.md"]] == []
