"""What the wheel holds: setup.cfg's lists against the folders, and which copy of the package the tests import."""

from __future__ import annotations

import configparser
import os
import re
import sysconfig
from importlib.resources import files
from pathlib import Path

import datapkg

ROOT = Path(__file__).parents[2]


def option(section: str, name: str) -> list[str]:
    """The lines of one option of setup.cfg, without comments."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser[section][name].split("\n")[1:]


def packages_in(folder: str, name: str) -> set[str]:
    """The dotted names of the folder and of every folder in it that holds Python files."""
    top = ROOT / folder
    parents = {path.parent for path in top.rglob("*.py")}
    return {".".join((name, *parent.relative_to(top).parts)) for parent in parents}


def test_packages_listed_are_the_folders_there_are() -> None:
    """A new folder of code that setup.cfg does not list would be missing from the wheel."""
    there = (
        packages_in("datapkg", "datapkg")
        | packages_in("migrations", "datapkg._migrations")
        | packages_in("fixtures", "datapkg._fixtures")
    )
    assert sorted(option("options", "packages")) == sorted(there)


def test_every_package_is_a_package() -> None:
    """Each folder of code has an __init__.py: without one it would install but hide mistakes in imports."""
    folders = {path.parent for name in ("datapkg", "migrations", "fixtures") for path in (ROOT / name).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_the_tests_import_the_copy_they_are_meant_to_test() -> None:
    """Under tox that is the installed wheel, never the checkout; run by hand, the checkout (an editable install)."""
    imported = Path(datapkg.__file__).resolve()
    if os.environ.get("TOX_ENV_NAME"):
        assert imported.is_relative_to(Path(sysconfig.get_path("purelib")).resolve())
    else:
        assert imported == ROOT / "datapkg" / "__init__.py"


def test_data_files_are_installed() -> None:
    """Every migration, seed, golden file and the typing marker of the checkout can be read from the package."""
    for folder, package, pattern in (
        ("migrations", "datapkg._migrations", "*.py"),
        ("fixtures", "datapkg._fixtures", "*.json"),
        ("datapkg", "datapkg", "py.typed"),
    ):
        sources = list((ROOT / folder).rglob(pattern))
        assert sources, f"{folder} holds no {pattern}"
        for source in sources:
            installed = files(package).joinpath(*source.relative_to(ROOT / folder).parts)
            assert installed.read_bytes() == source.read_bytes()


def test_every_dependency_is_explained() -> None:
    """Each package that setup.cfg asks for, in any extra, has its line with a reason in docs/dependencies.md."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = option("options", "install_requires")
    for extra in parser["options.extras_require"]:
        lines += option("options.extras_require", extra)
    names = {match.group() for line in lines if (match := re.match(r"[A-Za-z0-9_-]+", line))} - {"datapkg"}
    explained = set(re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs/dependencies.md").read_text(encoding="utf-8"), re.M))
    assert names - explained == set()
