"""Replaying commands from nothing: to prove that what is derived follows from them, and to derive it anew."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from datapkg.kit import failpoints
from datapkg.kit.database import current, run_in_transaction, snapshot
from datapkg.kit.errors import DocumentError, NotFoundError
from datapkg.kit.keys import as_id
from datapkg.kit.models import now
from datapkg.kit.results import Rows
from datapkg.scripts.appending import refuse_stranger
from datapkg.scripts.history import lock_script
from datapkg.scripts.models import Script
from datapkg.scripts.projection import replace_elements, replace_pages
from datapkg.scripts.replaying import Finding, Verifier

__all__ = ["Finding", "VerifyReport", "rebuild_elements", "verify"]

logger = logging.getLogger(__name__)

_GAPS = 100  # findings at the most: whoever moves all places leaves as many


@dataclass(frozen=True)
class VerifyReport:
    """What verifying found.

    Attributes:
        scripts, commands, versions, elements, pages: how many were looked at.
        findings: what is wrong; empty where all is well.
    """

    scripts: int
    commands: int
    versions: int
    elements: int
    findings: Rows[Finding]
    pages: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def _repr_html_(self) -> str:
        counted = f"{self.scripts:,} scripts, {self.commands:,} commands, {self.versions:,} versions verified"
        return f"<p>{counted}: {'nothing is wrong' if self.ok else 'this is wrong'}</p>" + (
            "" if self.ok else self.findings._repr_html_()
        )


def verify(script_id: UUID | str | None = None, *, progress: Callable[[int, int], None] | None = None) -> VerifyReport:
    """Replay one script's or all scripts' commands from nothing, and compare all that is derived from them.

    Each script is looked at as it is at one moment, whatever is appended meanwhile, in memory that does not grow with
    its history.

    Args:
        script_id: which script; left out, all of them.
        progress: called with the scripts done and the scripts to do.

    Raises:
        NotFoundError: there is no such script.
    """
    keys = _keys() if script_id is None else iter((as_id(script_id, "script_id"),))
    total = 0 if progress is None else 1 if script_id is not None else Script.select().count()
    scripts = commands = versions = elements = pages = 0
    findings: Rows[Finding] = Rows(of=Finding)
    for key in keys:
        joined = current().in_transaction()
        with snapshot():
            script = _script(key)
            one = Verifier(script)
            one.run()
            # In the caller's transaction each statement may see more than the one before. What seems wrong then is
            # looked at again while nobody appends.
            if one.findings and joined and _script(key).__data__ != script.__data__:
                one = Verifier(lock_script(key))
                one.run()
        scripts, commands, versions, elements = (
            scripts + 1, commands + one.commands, versions + one.versions, elements + one.elements,
        )  # fmt: skip
        pages += one.pages
        findings += one.findings
        if progress is not None:
            progress(scripts, max(scripts, total))
    if script_id is None:
        findings += _orphans()
        findings += _feed_gaps()
    return VerifyReport(scripts, commands, versions, elements, findings, pages)


def _script(key: UUID) -> Script:
    script: Script | None = Script.select().where(Script.id == key).first()
    if script is None:
        raise NotFoundError("script", key)
    return script


def _orphans() -> Iterator[Finding]:
    """Yield what is left of scripts that are gone, which a SQLite client whose foreign_keys are off can bring about."""
    for table in ("script_commands", "script_versions", "script_elements", "script_pages"):
        rows = current().fetch(
            f"SELECT t.script_id, count(*) FROM {table} AS t LEFT JOIN scripts AS s ON s.id = t.script_id "
            "WHERE s.id IS NULL GROUP BY t.script_id ORDER BY t.script_id",
            (),
        )
        for key, count in rows:
            yield Finding(UUID(str(key)), "script", None, f"It is not there, and {table} has {count} rows of it.")


def _feed_gaps() -> Iterator[Finding]:
    """Yield the first commands behind places of the feed that no command has; readers leave none free."""
    rows = current().fetch(
        "SELECT c.script_id, g.before, g.position FROM (SELECT command_id, position, "
        "coalesce(lag(position) OVER (ORDER BY position), 0) AS before FROM script_feed WHERE position IS NOT NULL"
        ") AS g JOIN script_commands AS c ON c.id = g.command_id WHERE g.position <> g.before + 1 "
        f"ORDER BY g.position LIMIT {_GAPS}",
        (),
    )
    for key, before, position in rows:
        yield Finding(
            UUID(str(key)), "feed", position, f"No command has the places {before + 1} to {position - 1} of the feed."
        )


def _keys() -> Iterator[UUID]:
    after: UUID | None = None
    while True:
        query = Script.select(Script.id).order_by(Script.id).limit(500)
        page = [row.id for row in (query if after is None else query.where(Script.id > after))]
        if not page:
            return
        yield from page
        after = page[-1]


def rebuild_elements(script_id: UUID | str, *, owner_id: UUID | str | None = None) -> int:
    """Derive a script's elements, pages, title and counters from its commands anew; return how many elements there are.

    For when somebody has changed them behind the store's back; versions are left as they are.

    Args:
        script_id: which script.
        owner_id: on whose behalf, as for ``append``.

    Raises:
        NotFoundError: there is no such script.
        ConflictError: it belongs to somebody else.
        DocumentError: its commands themselves are corrupt; nothing is changed.
    """
    key = as_id(script_id, "script_id")
    owner = None if owner_id is None else as_id(owner_id, "owner_id")

    @run_in_transaction
    def rebuild() -> int:
        script = lock_script(key)
        refuse_stranger(script, owner)
        one = Verifier(script)
        one.run()
        corrupt = next((each for each in one.findings if each.check == "command"), None)
        if corrupt is not None:
            raise DocumentError("script-command", f"command {corrupt.place} of the script {key}: {corrupt.problem}")
        content = one.content()
        made = max(now(), script.updated_at)
        replace_elements(key, content.elements, made=made)
        replace_pages(key, content, made=made)
        Script.update(
            title=content.title, current_sequence=one.commands, current_version=one.last_version, updated_at=made
        ).where(Script.id == key).execute()
        failpoints.reach("rebuild.before_commit")
        return len(content.elements)

    count = rebuild()
    logger.info("elements rebuilt", extra={"script_id": str(key), "elements": count})
    return count
