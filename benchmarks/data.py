"""The rows that every side works on: a deep chain and a broad tree among a forest of small ones."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from uuid_utils.compat import uuid7

__all__ = ["EPOCH", "Dataset", "Scale", "content", "rows", "words"]

EPOCH = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_WORDS = str.split(
    "adapt answer balance between calm careful choose clear context decide explain fair first formal friendly give "
    "honest inform keep language listen measure model neutral opinion people persuade polite question reason reply "
    "scenario short simple speaker strict support system tone translate value weigh whether world write zürich"
)


@dataclass(frozen=True)
class Scale:
    """How much there is of everything.

    Attributes:
        definitions: rows in all.
        chain: how deep the deepest definition lies.
        tree: definitions in the broad tree, its root included.
        runs: runs in all, three at least.
        scenarios: scenarios in the sample of the run that is filled.
        batch: transcripts that are inserted at once.
        transcripts: transcripts that are streamed.
        features: pending features in the queue.
    """

    definitions: int = 100_000
    chain: int = 1_000
    tree: int = 10_000
    runs: int = 2_000
    scenarios: int = 100
    batch: int = 10_000
    transcripts: int = 100_000
    features: int = 10_000


@dataclass
class Dataset:
    """What the operations start from.

    Attributes:
        scale: how much there is.
        chain: keys from the chain's root down.
        tree: keys of the tree, its root first.
        others: keys of other rows, for reads by key.
        runs: keys of runs, the newest last; that one is filled, and its progress counted.
        scenarios: keys of its scenarios.
    """

    scale: Scale
    chain: list[str] = field(default_factory=list)
    tree: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    scenarios: list[str] = field(default_factory=list)

    @property
    def filled(self) -> str:
        """The run that transcripts are inserted for."""
        return self.runs[-1]

    @property
    def streamed(self) -> str:
        """The run whose transcripts are streamed."""
        return self.runs[0]

    @property
    def warming(self) -> str:
        """A run with few transcripts."""
        return self.runs[1]


def words(source: random.Random, count: int) -> str:
    """Return a text of so many words."""
    return " ".join(source.choices(_WORDS, k=count))


def content(source: random.Random) -> dict[str, object]:
    """Return a definition's content in its current version, about one kilobyte of JSON."""

    def text(count: int) -> str:
        return words(source, count)

    return {
        "schema_version": 1,
        "preamble": text(25),
        "template": text(55),
        "dimensions": [
            {"name": f"{name} {text(1)}", "values": [text(3) for _ in range(4)], "description": text(6)}
            for name in ("tone", "audience", "length")
        ],
    }


def rows(dataset: Dataset) -> Iterator[tuple[str, str, str, str, None, str | None, str]]:
    """Yield ``id, created_at, updated_at, name, created_by, parent_id, content``; fill in the dataset's keys.

    Chain, tree and forest are mixed as they would be in a database that many people work in; every parent comes
    before its children, and the same seed gives the same names and contents.
    """
    scale, source = dataset.scale, random.Random(2)
    kinds = ["chain"] * (scale.chain + 1) + ["tree"] * scale.tree
    kinds += ["forest"] * (scale.definitions - len(kinds))
    source.shuffle(kinds)
    roots: list[str] = []
    for number, kind in enumerate(kinds):
        key = str(uuid7())
        parent = None
        if kind == "chain":
            parent = dataset.chain[-1] if dataset.chain else None
            dataset.chain.append(key)
        elif kind == "tree":
            # Four children each, as a team forks a handful of variants of what works.
            parent = dataset.tree[(len(dataset.tree) - 1) // 4] if dataset.tree else None
            dataset.tree.append(key)
        else:
            if number % 10 and roots:
                parent = roots[-1]
            else:
                roots.append(key)
            dataset.others.append(key)
        at = (EPOCH + dt.timedelta(seconds=number, microseconds=number)).replace(tzinfo=None)
        stamp = at.isoformat(timespec="microseconds") + "Z"
        body = json.dumps(content(source), ensure_ascii=False, separators=(",", ":"))
        yield key, stamp, stamp, f"{kind} {number}", None, parent, body
