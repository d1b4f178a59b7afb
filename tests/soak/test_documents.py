"""A million old documents, brought up to date in constant memory, killed on the way, while others write."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import uuid

import pytest

from datapkg import evaluation
from datapkg.kit.database import transaction
from datapkg.kit.engines import KitDatabase
from datapkg.operations.documents import documents_status

ROWS = int(os.environ.get("DATAPKG_SOAK_DOCUMENTS", 1_000_000))
COLUMNS = ("id", "name", "content", "created_at", "updated_at")
INSTANT = "2026-01-02T03:04:05.000000Z"

# In a process of its own, whose greatest size says how much it needed beside what it had after a few thousand rows.
CHILD = """
import resource, sys, datapkg
from datapkg.operations.documents import documents_upgrade
datapkg.connect(sys.argv[1])
done, early = [0], [0]
def progress(count):
    done[0] += count
    if not early[0] and done[0] >= 20_000:
        early[0] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = documents_upgrade(progress=progress)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early[0]
print(report.upgraded, report.skipped, report.refused_count, grown)
"""


def run(url: str, failpoint: str = "") -> subprocess.CompletedProcess[str]:
    """Run an upgrade to its end, or to a failpoint."""
    environment = {**os.environ, "DATAPKG_FAILPOINT": failpoint}
    return subprocess.run([sys.executable, "-c", CHILD, url], env=environment, capture_output=True, text=True)


def counted() -> dict[str, int]:
    """How many definitions have a content in which state."""
    return {
        str(row["state"]): int(str(row["rows"])) for row in documents_status() if "definitions" in str(row["column"])
    }


@pytest.mark.soak
@pytest.mark.datapkg_commits
def test_a_million_documents_are_upgraded_in_constant_memory(db: KitDatabase, datapkg_url: str) -> None:
    """Killed in the middle it goes on; what was written meanwhile stays; it needs less than 64 MiB more at the end."""
    for start in range(0, ROWS, 50_000):
        numbers = range(start, min(start + 50_000, ROWS))
        with transaction():
            db.insert_rows(
                "definitions",
                COLUMNS,
                [
                    (str(uuid.UUID(int=(number << 64) + 7)), "n", f'{{"preamble": "text {number}"}}', INSTANT, INSTANT)
                    for number in numbers
                ],
            )
    last = uuid.UUID(int=((ROWS - 1) << 64) + 7)
    batches = ROWS // 500
    killed = run(datapkg_url, f"upgrade.before_commit:{batches // 2}")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert counted() == {"current": (batches // 2 - 1) * 500, "old": ROWS - (batches // 2 - 1) * 500}
    newer = {"preamble": "newer", "template": "", "dimensions": []}
    evaluation.update_definition(last, content=newer)
    done = run(datapkg_url)
    assert done.returncode == 0, done.stderr
    upgraded, skipped, refused, grown = map(int, done.stdout.split())
    assert (upgraded, skipped, refused) == (ROWS - (batches // 2 - 1) * 500 - 1, 0, 0), done.stderr
    assert counted() == {"current": ROWS}
    assert evaluation.get_definition(last).content["preamble"] == "newer"
    assert grown * kibibyte() < 64 * 2**20, grown
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * kibibyte() < 400 * 2**20


def kibibyte() -> int:
    """The unit that the system counts a process's size in, in bytes."""
    return 1 if sys.platform == "darwin" else 1024
