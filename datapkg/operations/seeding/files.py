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

__all__ = ["SeedFile", "profile_files", "profiles", "read_file"]

PROFILE_FILE = "profile.json"


@dataclass(frozen=True)
class SeedFile:
    """One file of seed rows.

    Attributes:
        profile: the profile it belongs to; for a file given by path, ``file``.
        name: its name.
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


def _folders() -> list[Path]:
    """The folders that hold profiles: the package's own, then those of registered domains."""
    with as_file(files("datapkg._fixtures")) as own:
        folders = [Path(own)]
    return folders + [domain.fixtures for domain in registry.domains() if domain.fixtures is not None]


def profiles() -> list[str]:
    """Return the names of the profiles there are."""
    return sorted({path.parent.name for folder in _folders() for path in folder.glob(f"*/{PROFILE_FILE}")})


def profile_files(profile: str) -> list[SeedFile]:
    """Return the files of a profile, those of the profiles it extends first.

    Raises:
        SeedError: there is no such profile, or a file cannot be read.
    """
    known = profiles()
    if profile not in known:
        raise SeedError(f"There is no seed profile {profile!r}.", fix=f"Use one of: {', '.join(known)}.")
    found: list[SeedFile] = []
    for folder in _folders():
        place = folder / profile
        if not place.is_dir():
            continue
        header = place / PROFILE_FILE
        for parent in json.loads(header.read_text(encoding="utf-8")).get("extends", []) if header.exists() else []:
            found.extend(file for file in profile_files(parent) if file not in found)
        for path in sorted(place.glob("*.json")):
            if path.name != PROFILE_FILE:
                found.append(read_file(path, profile=profile))
    return found


def read_file(path: Path, *, profile: str = "file") -> SeedFile:
    """Read one seed file: ``{"table": NAME, "rows": [{…}, …]}``.

    Raises:
        SeedError: it is missing, no JSON, or has another shape; names file, line and column.
    """
    label = path.name if profile == "file" else f"{profile}/{path.name}"
    try:
        content = path.read_bytes().replace(b"\r\n", b"\n")
    except OSError as error:
        raise SeedError(f"The seed file {path} cannot be read: {error.strerror}.", fix="Check the path.") from None
    try:
        data = json.loads(content.decode("utf-8"), object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:
        raise SeedError(
            f"The seed file {label} is not JSON: {error}.", fix="Correct the file; nothing was written.", file=label
        ) from None
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
    return SeedFile(profile, path.name, str(data["table"]), tuple(data["rows"]), hashlib.sha256(content).hexdigest())


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError(f"the same key twice in one object: {', '.join(key for key, _ in pairs)}")
    return result
