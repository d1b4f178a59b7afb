"""The fingerprint of what an analysis reads: the same as long as nothing of it has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from datapkg.evaluation.documents import DEFINITION_CONTENT, RUBRIC_CONTENT, TRANSCRIPT_METRICS, TRANSCRIPT_TURNS
from datapkg.evaluation.models import Rubric, Run, Transcript
from datapkg.kit.database import snapshot
from datapkg.kit.documents import Document
from datapkg.kit.errors import DocumentError, NotFoundError, ValidationError
from datapkg.kit.json_values import canonical_json, content_hash, parse_json
from datapkg.kit.statements import Param, Statement

__all__ = ["fingerprint_inputs"]

_FIRST = "00000000-0000-0000-0000-000000000000"
_BATCH = 100  # a transcript may be megabytes long
_SIZE = hashlib.sha256().digest_size

_run: Statement[Run] = Statement(
    lambda dialect: (
        "SELECT r.content_sha256, d.content FROM runs r JOIN definitions d ON d.id = r.definition_id "
        f"WHERE r.id = {dialect.param}",
        [Param("id")],
    )
)
_rubric: Statement[Rubric] = Statement(
    lambda dialect: (f"SELECT content FROM rubrics WHERE id = {dialect.param}", [Param("id")])
)
_transcripts: Statement[Transcript] = Statement(
    lambda dialect: (
        "SELECT t.id, s.name, t.model, t.sample_index, t.content, t.metrics, t.input_tokens, t.output_tokens, "
        "t.duration_ms FROM transcripts t LEFT JOIN scenarios s ON s.id = t.scenario_id "
        f"WHERE t.run_id = {dialect.param} AND t.id > {dialect.param} ORDER BY t.id LIMIT {_BATCH}",
        [Param("run"), Param("after")],
    )
)


def fingerprint_inputs(run_id: UUID | str, *, rubric_id: UUID | str | None = None) -> str:
    """Return the SHA-256 of what an analysis of a run reads, as 64 lower-case hexadecimal digits.

    It covers the content hash that the run has pinned; the definition's content as it is stored now; the rubric's
    content; and of every transcript the scenario's name, model, sample index, turns, metrics, tokens and duration.
    Documents count as they are stored, not upgraded, so a change by foreign SQL shows and a newer version of this
    package does not. Keys and times do not count: a copy of the data, also on the other engine, has the same
    fingerprint.

    Transcripts are read a batch at a time, in one state of the database (inside a transaction of yours on
    PostgreSQL, each batch sees what was committed before it); memory grows by 32 bytes for each.

    Args:
        run_id: the run.
        rubric_id: the rubric that the analysis uses, if it uses one.

    Raises:
        NotFoundError: there is no such run or rubric.
        ValidationError: with every complaint about the arguments.
        DocumentError: a stored document is not JSON.
    """
    from datapkg.evaluation import schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        schemas.FingerprintedInputs, {"run_id": run_id, "rubric_id": rubric_id}, what="inputs of an analysis"
    )
    with snapshot():
        runs = _run.tuples(id=str(given["run_id"]))
        if not runs:
            raise NotFoundError("run", given["run_id"])
        pinned, content = runs[0]
        rubric = None if given["rubric_id"] is None else _rubric_hash(given["rubric_id"])
        digests = _Digests(_transcript_digests(str(given["run_id"])))
    head = canonical_json([pinned, _stored_hash(DEFINITION_CONTENT, content), rubric])
    whole = hashlib.sha256(hashlib.sha256(head.encode()).digest())
    for digest in digests.in_order():
        whole.update(digest)
    return whole.hexdigest()


def _rubric_hash(key: UUID) -> str | None:
    rubrics = _rubric.tuples(id=str(key))
    if not rubrics:
        raise NotFoundError("rubric", key)
    return _stored_hash(RUBRIC_CONTENT, rubrics[0][0])


def _transcript_digests(run: str) -> Iterator[bytes]:
    after = _FIRST
    while True:
        rows = _transcripts.tuples(run=run, after=after)
        for _, scenario, model, sample, content, metrics, *counts in rows:
            turns, scores = _stored_hash(TRANSCRIPT_TURNS, content), _stored_hash(TRANSCRIPT_METRICS, metrics)
            yield hashlib.sha256(canonical_json([scenario, model, sample, turns, scores, *counts]).encode()).digest()
        if len(rows) < _BATCH:
            return
        after = rows[-1][0]


def _stored_hash(document: Document[Any], text: str | None) -> str | None:
    """Return the hash of a document as it is stored; both engines' spellings of it have the same."""
    try:
        return None if text is None else content_hash(parse_json(text))
    except (ValueError, ValidationError) as error:  # not JSON, or JSON that the kit never writes
        raise DocumentError(document.name, f"it is not JSON that both engines hold ({error})") from error


class _Digests:
    """Many digests, in an order that depends on nothing but themselves.

    Each covers the scenario's name, the model and the sample index, so their own order serves as well as that of
    those, which no engine sorts like the other. A list of small objects would take twice the memory.
    """

    def __init__(self, digests: Iterator[bytes]) -> None:
        self._parts = [bytearray() for _ in range(256)]
        for digest in digests:
            self._parts[digest[0]] += digest

    def in_order(self) -> Iterator[bytes]:
        """Yield them in ascending order."""
        for part in self._parts:
            yield from sorted(bytes(part[start : start + _SIZE]) for start in range(0, len(part), _SIZE))
