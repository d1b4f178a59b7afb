"""Write the pages of docs/reference from the package: ``python docs/_generate [FOLDER]``."""

from __future__ import annotations

import sys
from pathlib import Path

from api import api_pages
from commands import command_page

FOLDER = Path(__file__).parents[1] / "reference"

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    pages = {**api_pages(), "cli.md": command_page()}
    for name, text in pages.items():
        folder.joinpath(name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(pages)} pages written to {folder}\n")
