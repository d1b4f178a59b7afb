"""Copy, dump and load at their full size: a million rows in constant memory, in every direction."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys

import pytest
from retention_samples import NOW, make_author

import datapkg
from datapkg.engagement.models import Post
from datapkg.kit.database import open_database, release, transaction
from datapkg.kit.models import new_id
from datapkg.kit.statements import insert_many
from datapkg.operations.moving.streams import digest_of
from datapkg.operations.moving.tables import moved_tables

ROWS = int(os.environ.get("DATAPKG_SOAK_MOVED_ROWS", 1_000_000))

# In a process of its own, whose greatest size says how much it needed beside what it had after the first rows.
CHILD = """
import resource, sys, time, datapkg
act, source, target = sys.argv[1:]
began, early = time.monotonic(), [0]
def size():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def progress(done, total):
    # For a copy, once rows are written as well as read.
    if not early[0] and done >= {"copy": 1 / 3, "dump": 0, "load": 0}[act] * total + 30_000:
        early[0] = size()
if act == "copy":
    rows = datapkg.copy(source, target, progress=progress).rows
else:
    datapkg.connect(target if act == "load" else source, migrate=act == "load")
    rows = (datapkg.load(source, progress=progress) if act == "load" else datapkg.dump(target, progress=progress)).rows
print(rows, size() - early[0])
print(f"{act} {source[:10]} {target[:10]}: {rows:,} rows, {time.monotonic() - began:.0f} s, "
      f"{size() // 1024} MiB, {(size() - early[0]) // 1024} MiB after the first rows", file=sys.stderr, flush=True)
"""


def move(act: str, source: str, target: str) -> None:
    """Run a process that moves all rows, and see that it needs no more for many than for a few."""
    result = subprocess.run(
        [sys.executable, "-c", CHILD, act, source, target], stdout=subprocess.PIPE, text=True, check=True
    )
    rows, kibibytes = map(int, result.stdout.split())
    assert rows > ROWS
    assert kibibytes < 48 * 1024, f"{act}: {kibibytes} KiB more"


def contents(url: str) -> dict[str, object]:
    """What every table of a database holds, in short."""
    database = open_database(url)
    try:
        return {table.name: digest_of(database, table) for table in moved_tables()}
    finally:
        release(database)


@pytest.mark.soak
@pytest.mark.datapkg_engines("postgresql")
def test_a_million_rows_are_moved_in_constant_memory(new_url, tmp_path) -> None:
    """SQLite to PostgreSQL, back, into an archive and out of it: equal at every station."""
    names = ("first", "second", "third")
    first, second, third = (f"sqlite:///{tmp_path / f'{name}.db'}" for name in names)
    with datapkg.using(first, synchronous="NORMAL"):
        author = make_author()
        for start in range(0, ROWS, 100_000):
            with transaction():
                insert_many(
                    Post,
                    (
                        {
                            "id": new_id(),
                            "platform": "REDDIT",
                            "platform_post_id": str(number),
                            "author": author,
                            "content": f"post {number} " + "word " * 30,
                            "keyword_matches": ["sleep"],
                            "detected_at": NOW - dt.timedelta(seconds=number),
                        }
                        for number in range(start, min(start + 100_000, ROWS))
                    ),
                )
    wanted, server = contents(first), new_url()
    move("copy", first, server)
    move("copy", server, second)
    assert contents(second) == wanted
    os.remove(tmp_path / "second.db")
    move("dump", server, str(tmp_path / "all.zip"))
    move("load", str(tmp_path / "all.zip"), third)
    assert contents(third) == wanted
