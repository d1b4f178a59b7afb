"""Runs: created with a pinned content and a drawn sample, read, and deleted."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from datapkg.evaluation.documents import DEFINITION_CONTENT
from datapkg.evaluation.models import Experiment, Run, RunScenario, Transcript
from datapkg.evaluation.run_changes import lock_content
from datapkg.evaluation.sampling import draw_sample
from datapkg.kit.columns import load_columns, sound
from datapkg.kit.database import run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import ConflictError, NotFoundError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import new_id, now
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert, insert_many

__all__ = ["create_run", "delete_run", "find_run", "get_run", "get_run_with_transcripts"]

logger = logging.getLogger(__name__)

_SEEDS = 2**32

_by_id: Statement[Run] = Statement(lambda _: Run.select().where(Run.id == Param("id")), model=Run)
_transcripts: Statement[Transcript] = Statement(
    lambda _: Transcript.select().where(Transcript.run == Param("run")).order_by(Transcript.id), model=Transcript
)


_scenarios: Statement[Any] = Statement(
    lambda dialect: (
        f"SELECT id, name FROM scenarios WHERE definition_id = {dialect.param} ORDER BY id",
        [Param("definition")],
    )
)


def create_run(definition_id: UUID | str, *, config: object, experiment_id: UUID | str | None = None) -> Run:
    """Create a PENDING run of a definition, and draw its sample, in one transaction.

    The run pins what it is a run of: ``content_sha256`` is the hash of the definition's content as it is stored (see
    ``datapkg.kit.documents.content_hash``; the same on every engine), ``definition_schema_version`` that content's own
    version. From then on the database refuses to change the content.

    The sample holds all scenarios that the definition has now, or ``sample_percentage`` of them, rounded up, drawn as
    ``draw_sample`` says. A seed that the draw needs and that was not given is drawn and recorded in the config as
    ``sample_seed``. The sample is kept in the order of the scenarios' keys. ``progress`` starts with a total of one
    transcript for each scenario of the sample and model; for several samples of each, or without stored scenarios
    (then the total is 0), set it by ``update_run_progress``.

    Args:
        definition_id: what is run.
        config: a ``run-config`` document: ``models``, and optionally ``temperature``, ``sample_percentage`` and
            ``sample_seed``.
        experiment_id: what the run belongs to.

    Raises:
        NotFoundError: there is no such definition, or no such experiment.
        ValidationError: with every complaint about the keys and the config; nothing is written.
        UnknownSchemaVersionError: the definition's content, or the config, is newer than this code.
        DocumentError: the definition's stored content is corrupt.
        ConflictError: a scenario of the sample was deleted at the same moment; nothing is written.

    Example:
        >>> create_run(definition.id, config={"models": ["model-a", "model-b"],
        ...     "sample_percentage": 10, "sample_seed": 7})  # doctest: +SKIP
    """
    from datapkg.evaluation import schemas

    columns = load_columns(
        Run,
        schemas.NewRun,
        given={"definition_id": definition_id, "experiment_id": experiment_id},
        documents={"config": config},
        what="run",
    )
    definition, experiment = columns["definition_id"], columns["experiment_id"]
    settings: dict[str, Any] = Run.config.decode(str(columns["config"]))
    if _is_part(settings) and settings.get("sample_seed") is None:
        settings["sample_seed"] = secrets.randbelow(_SEEDS)

    @run_in_transaction
    def create() -> tuple[Run, int]:
        stored, sha256 = lock_content(definition)
        sound(DEFINITION_CONTENT, DEFINITION_CONTENT.upgrade(stored))  # refuses what nobody could run with this code
        sample = _sample(_scenarios.tuples(definition=str(definition)), settings)
        made = now()
        total = len(sample) * len(settings["models"])
        try:
            run = insert(
                Run,
                {
                    "id": new_id(),
                    "definition": definition,
                    "experiment": experiment,
                    "config": settings,
                    "progress": {"total": total, "completed": 0, "failed": 0},
                    "content_sha256": sha256,
                    "definition_schema_version": stored.get("schema_version", 0),
                    "created_at": made,
                    "updated_at": made,
                },
            )
        except ConflictError as error:
            if experiment is not None and not Experiment.select().where(Experiment.id == experiment).exists():
                raise NotFoundError("experiment", experiment) from error
            raise
        selection = (
            {"id": new_id(), "run": run.id, "scenario": scenario, "position": position, "created_at": made}
            for position, (scenario, _) in enumerate(sample)
        )
        return run, insert_many(RunScenario, selection)

    run, scenarios = create()
    logger.info(
        "run created",
        extra={"run_id": str(run.id), "definition_id": str(definition), "scenarios": scenarios},
    )
    return run


def _is_part(settings: Mapping[str, Any]) -> bool:
    return settings.get("sample_percentage") not in (None, 100)


def _sample(scenarios: list[Any], settings: Mapping[str, Any]) -> list[Any]:
    """Return those ``(id, name)`` that a config's sample holds, in the order given."""
    if not _is_part(settings):
        return scenarios
    drawn = set(
        draw_sample(
            (name for _, name in scenarios),
            percentage=settings["sample_percentage"],
            seed=settings["sample_seed"],
        )
    )
    return [each for each in scenarios if each[1] in drawn]


def get_run(run_id: UUID | str) -> Run:
    """Return a run.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    run = find_run(run_id)
    if run is None:
        raise NotFoundError("run", run_id)
    return run


def find_run(run_id: UUID | str) -> Run | None:
    """Return a run, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(run_id, "run_id"))


def get_run_with_transcripts(run_id: UUID | str) -> Run:
    """Return a run with all of its transcripts in ``transcripts``, oldest first, read by one more query.

    All of them are held in memory; for runs of many thousands use ``iter_transcripts``.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    run = get_run(run_id)
    run.transcripts = Rows(_transcripts.all(run=str(run.id)), of=Transcript)
    return run


def delete_run(run_id: UUID | str) -> None:
    """Delete a run in whatever status, and with it its sample, transcripts, comparisons and analyses.

    The definition's content can be changed again when the last run that refers to it is gone.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    key = as_id(run_id, "run_id")
    delete_row(Run, key, entity="run")
    logger.info("run deleted", extra={"run_id": str(key)})
