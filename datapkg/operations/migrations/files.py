"""Migration files: whose they are, what they are called, what is in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files as package_files
from itertools import pairwise
from pathlib import Path
from types import CodeType
from typing import Any

from datapkg import registry
from datapkg.kit.errors import MigrationError
from datapkg.kit.words import did_you_mean

__all__ = ["BUILT_IN", "History", "MigrationFile", "find", "histories", "scan"]

BUILT_IN = "datapkg"
"""The name of the history that the built-in domains share."""

# peewee-migrate's own rule; a test holds the two together, since importing it costs more than most programs do.
FILE_NAME = re.compile(r"[\d]{3}_[^\.]+\.py$")

Step = Callable[..., Any]


@dataclass(frozen=True)
class History:
    """A folder of migrations and the name they are recorded under."""

    name: str
    folder: Path


@dataclass(frozen=True)
class MigrationFile:
    """One migration.

    Attributes:
        history: whose it is.
        name: the file's name without ``.py``, such as ``002_flags``.
        path: the file.
    """

    history: str
    name: str
    path: Path

    @property
    def number(self) -> str:
        """The three digits it starts with."""
        return self.name[:3]

    @property
    def module(self) -> str:
        """The name of the module that its code runs as."""
        return f"datapkg_migration_{self.history}_{self.name}"

    @property
    def sha256(self) -> str:
        """The hash of its content, line endings ignored, so that a checkout on Windows has the same."""
        content = self.path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return hashlib.sha256(content).hexdigest()

    def read(self) -> tuple[Step, Step | None]:
        """Run the file's code and return its ``migrate`` and, if it has one, its ``rollback``.

        Raises:
            MigrationError: it has no ``migrate``.
        """
        scope: dict[str, Any] = {"__name__": self.module, "__file__": str(self.path)}
        exec(_compiled(str(self.path), self.path.read_bytes()), scope)
        if not callable(scope.get("migrate")):
            raise MigrationError(
                f"{self.path.name} has no function migrate.", fix="Define migrate(migrator, database, *, fake=False)."
            )
        return scope["migrate"], scope.get("rollback")


@lru_cache(maxsize=1000)
def _compiled(path: str, content: bytes) -> CodeType:
    # Under its own name, so that tracebacks show the file and its lines.
    return compile(content, path, "exec", dont_inherit=True)


def histories() -> list[History]:
    """Return the built-in history, then that of each domain which brings migrations of its own."""
    found = [History(BUILT_IN, Path(str(package_files("datapkg._migrations"))))]
    found += [History(domain.name, Path(domain.migrations)) for domain in registry.domains() if domain.migrations]
    return found


def scan(history: History) -> list[MigrationFile]:
    """Return a history's files in their order; the folder is only read.

    Raises:
        MigrationError: the folder is missing, or two files have one number.
    """
    if not history.folder.is_dir():
        raise MigrationError(
            f"The migrations folder {history.folder} of {history.name} does not exist.",
            fix="Correct Domain(migrations=…), or install the package again with its data files.",
            history=history.name,
        )
    names = sorted(path.stem for path in history.folder.iterdir() if path.is_file() and FILE_NAME.match(path.name))
    found = [MigrationFile(history.name, name, history.folder / f"{name}.py") for name in names]
    for one, two in pairwise(found):
        if one.number == two.number:
            raise MigrationError(
                f"{one.path.name} and {two.path.name} of {history.name} have the same number.",
                fix="Give the newer one the next free number.",
                history=history.name,
            )
    return found


def find(wanted: str, among: list[MigrationFile]) -> MigrationFile:
    """Return the migration with this name or number.

    Raises:
        MigrationError: there is none.
    """
    for each in among:
        if wanted in (each.name, each.path.name) or (wanted.isdecimal() and int(wanted) == int(each.number)):
            return each
    raise MigrationError(
        f"There is no migration {wanted!r}.{did_you_mean(wanted, [each.name for each in among])}",
        fix=f"Use one of: {', '.join(each.name for each in among) or '(none)'}.",
    )
