"""Checks the types that a program downstream sees: `python tests/typing/check.py`.

mypy looks at the copy of the package that this Python imports; under tox that is the installed wheel, which says by its
``py.typed`` that it has types. The files are never run. Each line of ``refused.py`` that is marked has to be refused,
for the reason that it is marked with, and no other.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import datapkg

HERE = Path(__file__).resolve().parent
REFUSED = HERE / "refused.py"
PACKAGE = Path(datapkg.__file__).resolve().parent
MARK = re.compile(r"  # refused: ([a-z, -]+)$")
FOUND = re.compile(r"(?P<file>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[a-z-]+)\]$")


def mypy(files: list[Path]) -> str:
    """Return what mypy says of the files, from a folder where `import datapkg` finds nothing by itself."""
    installed = "site-packages" in PACKAGE.parts
    with tempfile.TemporaryDirectory() as folder:
        told = subprocess.run(
            [
                *(sys.executable, "-m", "mypy", "--strict", "--python-version=3.11", "--config-file="),
                *("--no-error-summary", "--show-error-codes", "--follow-imports=silent"),
                *map(str, files),
            ],
            cwd=folder,
            env=os.environ | ({} if installed else {"MYPYPATH": str(PACKAGE.parent)}),
            capture_output=True,
            text=True,
            check=False,
        )
    return told.stdout + told.stderr


def main() -> int:
    """Return 0 if every type is as it should be, else print what is not."""
    accepted = sorted(path for path in HERE.glob("*.py") if path not in (REFUSED, Path(__file__).resolve()))
    expected = {
        (number, code)
        for number, line in enumerate(REFUSED.read_text(encoding="utf-8").splitlines(), 1)
        if (match := MARK.search(line))
        for code in match[1].split(", ")
    }
    found: set[tuple[int, str]] = set()
    wrong = []
    for line in mypy([*accepted, REFUSED]).splitlines():
        match = FOUND.match(line)
        if match and Path(match["file"]).name == REFUSED.name:
            found.add((int(match["line"]), match["code"]))
        elif ": note: " not in line:
            wrong.append(line)
    wrong += [f"{REFUSED.name}:{number}: refused, and not marked: {code}" for number, code in sorted(found - expected)]
    wrong += [f"{REFUSED.name}:{number}: accepted, and marked: {code}" for number, code in sorted(expected - found)]
    print("\n".join(wrong) or f"{len(accepted)} files as expected, {len(expected)} mistakes refused, with {PACKAGE}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
