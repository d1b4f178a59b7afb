"""Retention at its full size: a million posts with what belongs to them, archived and restored in constant memory."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys

import pytest
from retention_samples import NOW, count, make_author

from datapkg.engagement.models import Decision, Post
from datapkg.kit.database import transaction
from datapkg.kit.engines import KitDatabase
from datapkg.kit.models import new_id
from datapkg.kit.statements import insert_many

POSTS = int(os.environ.get("DATAPKG_SOAK_POSTS", 1_000_000))

# In a process of its own, whose greatest size says how much it needed beside what it had after a few thousand rows.
CHILD = """
import datetime as dt, resource, sys, datapkg
from datapkg import retention
datapkg.connect(sys.argv[1])
now = dt.datetime.fromisoformat(sys.argv[3])
done, early = [0], [0]
def progress(count):
    done[0] += count
    if not early[0] and done[0] >= 20_000:
        early[0] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if done[0] % 100_000 < count:
        print(f"{sys.argv[4]}: {done[0]:,} rows", file=sys.stderr, flush=True)
if sys.argv[4] == "apply":
    (made,) = retention.apply(sys.argv[2], now=now, policies=["posts"], progress=progress).archives
    print(made.folder)
else:
    retention.restore(sys.argv[2], progress=progress)
print(done[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early[0])
"""


def run(url: str, folder: str, act: str) -> list[str]:
    """Run a process and return the words that it printed."""
    result = subprocess.run(
        [sys.executable, "-c", CHILD, url, folder, NOW.isoformat(), act], stdout=subprocess.PIPE, text=True, check=True
    )
    return result.stdout.split()


_SEVENS = "content LIKE 'post 7%'"


def contents() -> str:
    """What the rows amount to, without holding them."""
    return f"{count('posts')} {count('decisions')} {count('posts', _SEVENS)}"


@pytest.mark.soak
@pytest.mark.datapkg_commits
def test_a_million_posts_are_archived_in_constant_memory(db: KitDatabase, datapkg_url: str, tmp_path) -> None:
    """What it needs does not grow with the rows: less than 64 MiB more at the end than after the first thousands."""
    author = make_author()
    step = dt.timedelta(days=300) / POSTS
    for start in range(0, POSTS, 100_000):
        with transaction():
            keys = [(new_id(), number) for number in range(start, min(start + 100_000, POSTS))]
            insert_many(
                Post,
                (
                    {
                        "id": key,
                        "platform": "REDDIT",
                        "platform_post_id": str(number),
                        "author": author,
                        "content": f"post {number} " + "word " * 30,
                        "detected_at": NOW - dt.timedelta(days=400) + number * step,
                    }
                    for key, number in keys
                ),
            )
            insert_many(
                Decision,
                (
                    {"post": key, "mode": "HELPFUL", **dict.fromkeys(SCORES, 0.5)}
                    for key, number in keys
                    if number % 2 == 0
                ),
            )
    before = contents()
    folder, done, grown = run(datapkg_url, str(tmp_path / "archives"), "apply")
    assert int(done) == 3 * POSTS and count("posts") == 0 and count("decisions") == 0
    assert int(grown) * kibibyte() < 64 * 2**20, grown
    done, grown = run(datapkg_url, folder, "restore")
    assert int(done) == 3 * POSTS and contents() == before
    assert int(grown) * kibibyte() < 64 * 2**20, grown


SCORES = ("sss_score", "ars_score", "evs_score", "trs_score", "composite_score")


def kibibyte() -> int:
    """The unit that the system counts a process's size in, in bytes."""
    return 1 if sys.platform == "darwin" else 1024
