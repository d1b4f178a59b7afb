"""Links between pages lead somewhere on GitHub too, where no build looks at them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def test_every_relative_link_leads_to_a_file() -> None:
    """In the pages of docs/ and of the root, fenced code left out."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [
        (page, target)
        for page in pages
        for target in LINK.findall(re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S))
    ]
    assert len(links) > 100
    assert [f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()] == []
