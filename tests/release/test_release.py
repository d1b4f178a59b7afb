"""What is released: a wheel and a source archive that the index takes, and that install on each Python here."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
NOT_OURS = shutil.ignore_patterns(".git", ".tox", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")

pytestmark = pytest.mark.release


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command without the test run's own settings, and return what it printed; a failure shows all of it."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "PYTHONPATH")}
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=kept | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}"
    return result.stdout


def interpreters() -> dict[str, str]:
    """Return the supported Pythons of this machine that really start, by version: on the PATH, or kept by pyenv."""
    kept_by_pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}
    for version in SUPPORTED:
        name = f"python{version}"
        for candidate in (shutil.which(name), *kept_by_pyenv.glob(f"{version}.*/bin/{name}")):
            # What stands on the PATH may be a shim for a version that is not switched on.
            if candidate and not subprocess.run([candidate, "-c", "import venv"], capture_output=True).returncode:
                found.setdefault(version, str(candidate))
    return found


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The source archive made from a copy of the checkout, and the wheel made from that archive."""
    copied = tmp_path_factory.mktemp("source") / "datapkg"
    shutil.copytree(ROOT, copied, ignore=NOT_OURS)
    run(sys.executable, "-m", "build", cwd=copied)
    (wheel,) = (copied / "dist").glob("*.whl")
    (source,) = (copied / "dist").glob("*.tar.gz")
    return {"wheel": wheel, "sdist": source}


def test_the_index_would_take_both(archives: dict[str, Path], tmp_path: Path) -> None:
    """twine finds no fault in either, warnings included; the README renders."""
    said = run(sys.executable, "-m", "twine", "check", "--strict", *archives.values(), cwd=tmp_path)
    assert said.count("PASSED") == 2


def test_the_archives_hold_what_they_should(archives: dict[str, Path]) -> None:
    """The wheel is the package alone, with its migrations and seeds; the source archive has tests and pages."""
    wheel = zipfile.ZipFile(archives["wheel"]).namelist()
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"datapkg"}
    assert {"datapkg/py.typed", "datapkg/_migrations/001_audit.py", "datapkg/_fixtures/__init__.py"} <= set(wheel)
    with tarfile.open(archives["sdist"]) as opened:
        source = {name.partition("/")[2] for name in opened.getnames()}
    wanted = ("tox.ini", "CHANGELOG.md", "LICENSE", "docs/errors.md", "tests/conftest.py", "benchmarks/RESULTS.md")
    assert set(wanted) <= source


def test_the_version_is_the_changelog_s(archives: dict[str, Path]) -> None:
    """The version that is built has an entry with a date at the top of the changes, and a paragraph that says why."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    version = parser["metadata"]["version"]
    assert archives["wheel"].name.startswith(f"datapkg-{version}-")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    entry = re.search(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)\n\n([A-Z].+)", changes, re.MULTILINE)
    assert entry
    assert entry[1] == version


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("version", sorted(interpreters()))
def test_it_installs_and_seeds(version: str, kind: str, archives: dict[str, Path], tmp_path: Path) -> None:
    """In an empty virtual environment of each Python: the tables, the demo once and not twice, a state of ok."""
    environment, empty = tmp_path / "venv", tmp_path / "empty"
    empty.mkdir()
    run(interpreters()[version], "-m", "venv", environment, cwd=tmp_path)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    run(programs / "python", "-m", "pip", "install", "--quiet", archives[kind], cwd=empty)
    assert "Seeded sqlite:///datapkg.db" in run(programs / "datapkg", "seed", cwd=empty)
    assert "Nothing to change" in run(programs / "datapkg", "seed", cwd=empty)
    run(programs / "datapkg", "status", "--check", cwd=empty)
    assert '"state": "ok"' in run(programs / "datapkg", "health", "--json", cwd=empty)
    assert run(programs / "python", "-c", "import sys; print(sys.version)", cwd=empty).startswith(f"{version}.")
