"""How the source is laid out: no file grows past the ceiling."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("datapkg", "migrations", "fixtures", "tests", "benchmarks", "examples")
CEILING = 400


def test_files_stay_under_400_lines() -> None:
    """Every Python file has fewer than 400 lines; one that nears them is split by noun."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert ROOT / "datapkg" / "__init__.py" in files
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {path: count for path, count in lines.items() if count >= CEILING} == {}
