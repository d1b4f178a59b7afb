"""Seed files: where they are, and what they say."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from datapkg import registry
from datapkg.kit.errors import SeedError
from datapkg.kit.words import did_you_mean

__all__ = ["SeedFile", "profile_files", "profiles", "read_file"]

PROFILE_FILE = "profile.json"


@dataclass(frozen=True)
class SeedFile:
    """One file of seed rows.

    Attributes:
        profile: the profile it belongs to; for a file given by path, ``file``.
        name: its name; before that of a registered domain's file, the domain's: ``shop:products.json``.
        table: the table its rows go to.
        rows: the rows as they stand in the file.
        sha256: of its bytes with line endings unified.
    """

    profile: str
    name: str
    table: str
    rows: tuple[dict[str, Any], ...]
    sha256: str

    @property
    def label(self) -> str:
        """How errors name the file."""
        return self.name if self.profile == "file" else f"{self.profile}/{self.name}"


def _folders() -> list[tuple[str, Path]]:
    """The folders that hold profiles, with their owners: the package's own, then those of registered domains."""
    with as_file(files("datapkg._fixtures")) as own:
        folders = [("", Path(own))]
    return folders + [(domain.name, domain.fixtures) for domain in registry.domains() if domain.fixtures is not None]


def profiles() -> list[str]:
    """Return the names of the profiles there are."""
    return sorted({path.parent.name for _, folder in _folders() for path in folder.glob(f"*/{PROFILE_FILE}")})


def profile_files(profile: str) -> list[SeedFile]:
    """Return the files of a profile, those of the profiles it extends first.

    Raises:
        SeedError: there is no such profile, or a file cannot be read.
    """
    found: list[SeedFile] = []
    _collect(profile, found, [])
    return found


def _collect(profile: str, found: list[SeedFile], above: list[str]) -> None:
    if profile in above:
        raise SeedError(
            f"The seed profiles extend each other in a circle: {' -> '.join([*above, profile])}.",
            fix=f'Take one of them out of "extends" in its {PROFILE_FILE}.',
        )
    known = profiles()
    if profile not in known:
        wanted = f", which {above[-1]!r} extends" if above else ""
        raise SeedError(
            f"There is no seed profile {profile!r}{wanted}.{did_you_mean(profile, known)}",
            fix=f"Use one of: {', '.join(known)}.",
        )
    for owner, folder in _folders():
        place = folder / profile
        header = place / PROFILE_FILE
        for parent in _extended(header) if header.exists() else []:
            _collect(parent, found, [*above, profile])
        for path in sorted(place.glob("*.json")):
            if path.name != PROFILE_FILE:
                file = read_file(path, profile=profile, owner=owner)
                if file not in found:
                    found.append(file)


def _extended(header: Path) -> list[str]:
    label = f"{header.parent.name}/{header.name}"
    data = _parsed(_content(header), label)
    extends = data.get("extends", []) if isinstance(data, dict) else None
    if not isinstance(extends, list) or not all(isinstance(name, str) for name in extends):
        raise SeedError(
            f"The seed file {label} does not have the shape of one.",
            fix='Write {"description": "What it is for.", "extends": ["base"]}.',
            file=label,
        )
    return extends


def read_file(path: Path, *, profile: str = "file", owner: str = "") -> SeedFile:
    """Read one seed file: ``{"table": NAME, "rows": [{…}, …]}``.

    Args:
        path: where it is.
        profile: the profile it belongs to; ``file`` for none.
        owner: the registered domain it comes with.

    Raises:
        SeedError: it is missing, no JSON, or has another shape; names file, line and column.
    """
    name = f"{owner}:{path.name}" if owner else path.name
    label = name if profile == "file" else f"{profile}/{name}"
    content = _content(path)
    data = _parsed(content, label)
    if not isinstance(data, dict) or set(data) != {"table", "rows"} or not isinstance(data["rows"], list):
        raise SeedError(
            f"The seed file {label} does not have the shape of one.",
            fix='Write {"table": "feature_flags", "rows": [{…}]}, with nothing else.',
            file=label,
        )
    for number, row in enumerate(data["rows"], start=1):
        if not isinstance(row, dict):
            raise SeedError(
                f"{label} row {number} is not an object.", fix="Write each row as {…}.", file=label, row=number
            )
    return SeedFile(profile, name, str(data["table"]), tuple(data["rows"]), hashlib.sha256(content).hexdigest())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes().replace(b"\r\n", b"\n")
    except (OSError, ValueError) as error:  # a NUL in the path is a ValueError
        why = getattr(error, "strerror", None) or error
        raise SeedError(f"The seed file {path} cannot be read: {why}.", fix="Check the path.") from None


def _parsed(content: bytes, label: str) -> object:
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:
        raise SeedError(
            f"The seed file {label} is not JSON: {error}.", fix="Correct the file; nothing was written.", file=label
        ) from None


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError(f"the same key twice in one object: {', '.join(key for key, _ in pairs)}")
    return result
