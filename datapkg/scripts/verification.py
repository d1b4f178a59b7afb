"""Replaying commands from nothing: to prove that what is derived follows from them, and to derive it anew."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from datapkg.kit import failpoints
from datapkg.kit.database import current, run_in_transaction, snapshot
from datapkg.kit.errors import DatapkgError, DocumentError, NotFoundError
from datapkg.kit.keys import as_id
from datapkg.kit.models import now
from datapkg.kit.results import Rows
from datapkg.scripts.appending import refuse_stranger
from datapkg.scripts.contents import NOTHING, Content, RefusedCommandError
from datapkg.scripts.history import commands_between, lock_script, replayed, stored_elements, stored_pages, version_at
from datapkg.scripts.materializer import Draft
from datapkg.scripts.models import Script, ScriptCommand, ScriptVersion
from datapkg.scripts.projection import expected_pages, replace_elements, replace_pages

__all__ = ["Finding", "VerifyReport", "rebuild_elements", "verify"]

logger = logging.getLogger(__name__)

_ALL = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not follow from a script's commands.

    Attributes:
        script_id: the script.
        check: ``command``, ``version``, ``element``, ``page``, ``title``, ``counter`` or ``feed``.
        place: which sequence, version number or position, if one.
        problem: one sentence.
    """

    script_id: UUID
    check: str
    place: int | None
    problem: str

    def public(self) -> dict[str, object]:
        """Return it as a dictionary."""
        return {"script_id": self.script_id, "check": self.check, "place": self.place, "problem": self.problem}


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


def verify(script_id: UUID | str | None = None) -> VerifyReport:
    """Replay one script's or all scripts' commands from nothing, and compare all that is derived from them.

    Each script is looked at as it is at one moment, whatever is appended meanwhile, in memory that does not grow with
    its history.

    Args:
        script_id: which script; left out, all of them.

    Raises:
        NotFoundError: there is no such script.
    """
    keys = _keys() if script_id is None else iter((as_id(script_id, "script_id"),))
    scripts = commands = versions = elements = pages = 0
    findings: Rows[Finding] = Rows()
    for key in keys:
        with snapshot():
            script = Script.select().where(Script.id == key).first()
            if script is None:
                raise NotFoundError("script", key)
            one = _Verifier(script)
            one.run()
        scripts, commands, versions, elements = (
            scripts + 1, commands + one.commands, versions + one.versions, elements + one.elements,
        )  # fmt: skip
        pages += one.pages
        findings += one.findings
    return VerifyReport(scripts, commands, versions, elements, findings, pages)


def _keys() -> Iterator[UUID]:
    after: UUID | None = None
    while True:
        query = Script.select(Script.id).order_by(Script.id).limit(500)
        page = [row.id for row in (query if after is None else query.where(Script.id > after))]
        if not page:
            return
        yield from page
        after = page[-1]


class _Verifier:
    """Replays one script inside the caller's snapshot.

    Attributes:
        findings: what is wrong.
        commands, versions, elements, pages: how many were looked at.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.findings: list[Finding] = []
        self.commands = self.versions = self.elements = self.pages = 0
        self._draft = Draft()
        self._last_number = self._last_through = 0
        self._wrong: set[int] = set()  # versions that replaying does not confirm, by number
        self._broken = False

    def _find(self, check: str, place: int | None, problem: str) -> None:
        self.findings.append(Finding(self.script.id, check, place, problem))

    def run(self) -> None:
        """Compare everything."""
        expected = 0
        waiting = self._stored_versions()
        version = next(waiting, None)
        while version is not None and version.through_sequence < 1:
            self._compare(version)
            version = next(waiting, None)
        for command in commands_between(self.script.id, after=0, last=_ALL):
            expected += 1
            if command.sequence != expected:
                self._find("command", expected, f"Commands {expected} to {command.sequence - 1} are missing.")
                expected = command.sequence
            self.commands += 1
            self._replay(command)
            while version is not None and version.through_sequence <= command.sequence:
                self._compare(version)
                version = next(waiting, None)
        while version is not None:
            self._find("version", version.version_number, "It goes beyond the last command.")
            self._last_number = version.version_number
            version = next(waiting, None)
        if self.script.current_sequence != expected:
            self._find("counter", None, f"current_sequence is {self.script.current_sequence}, not {expected}.")
        if self.script.current_version != self._last_number:
            self._find("counter", None, f"current_version is {self.script.current_version}, not {self._last_number}.")
        if not self._broken:
            self._compare_newest(self._draft.content())
        self._compare_feed()

    def content(self) -> Content:
        """Return what the commands make, once they have all been replayed."""
        return self._draft.content()

    @property
    def last_version(self) -> int:
        """The number of the newest version."""
        return self._last_number

    def _replay(self, command: ScriptCommand) -> None:
        if self._broken:
            return
        try:
            self._draft.apply(replayed(command), at=self._before)
        except RefusedCommandError as error:
            self._break(command, f"It does not fit what was before it: {error.field}: {error.why}")
        except DatapkgError as error:
            self._break(command, error.why)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._break(command, f"Its payload lacks or has a wrong {error}.")

    def _break(self, command: ScriptCommand, problem: str) -> None:
        self._broken = True  # what comes after cannot be told
        self._find("command", command.sequence, problem)

    def _before(self, sequence: int) -> Content:
        """Return the content at an earlier command, from the nearest version that replaying has confirmed."""
        found = version_at(self.script.id, sequence)
        while found is not None and found.version_number in self._wrong:
            found = version_at(self.script.id, found.through_sequence - 1) if found.through_sequence > 0 else None
        draft = Draft(NOTHING if found is None else Content.of_snapshot(found.snapshot))
        after = 0 if found is None else found.through_sequence
        for command in commands_between(self.script.id, after=after, last=sequence):
            draft.apply(replayed(command), at=self._before)
        return draft.content()

    def _stored_versions(self) -> Iterator[ScriptVersion]:
        after = 0
        while True:
            page = list(
                ScriptVersion.select()
                .where((ScriptVersion.script == self.script.id) & (ScriptVersion.version_number >= after + 1))
                .order_by(ScriptVersion.version_number)
                .limit(10)
            )
            if not page:
                return
            yield from page
            after = page[-1].version_number

    def _compare(self, version: ScriptVersion) -> None:
        number = version.version_number
        problems = []
        if number != self._last_number + 1:
            problems.append(f"Versions {self._last_number + 1} to {number - 1} are missing.")
        if version.through_sequence <= self._last_through:
            problems.append(f"It goes through {version.through_sequence}, which is not after the one before it.")
        self._last_number, self._last_through = number, max(self._last_through, version.through_sequence)
        self.versions += 1
        try:
            stored = Content.of_snapshot(version.snapshot)
        except DatapkgError as error:
            problems.append(error.why)
        except (KeyError, TypeError, AttributeError) as error:
            problems.append(f"Its snapshot lacks or has a wrong {error}.")
        else:
            if stored.content_hash != version.content_hash:
                problems.append("Its hash is not that of its snapshot.")
            if not self._broken and stored != self._draft.content():
                problems.append("Its snapshot is not what the commands make.")
        if problems:
            self._wrong.add(number)
        for problem in problems:
            self._find("version", number, problem)

    def _compare_newest(self, content: Content) -> None:
        if self.script.title != content.title:
            self._find("title", None, "The title is not what the commands make.")
        stored = stored_elements(self.script.id)
        self.elements += len(stored)
        if len(stored) != len(content.elements):
            self._find("element", None, f"There are {len(stored)} elements, not {len(content.elements)}.")
        for place, (row, element) in enumerate(zip(stored, content.elements, strict=False)):
            if row.position != place or row.element != element:
                self._find(
                    "element", row.position, "It is not what the commands make; the following ones are not shown."
                )
                break

        self._compare_pages(content)

    def _compare_pages(self, content: Content) -> None:
        stored, expected = stored_pages(self.script.id), expected_pages(content)
        self.pages += len(stored)
        if len(stored) != len(expected):
            self._find("page", None, f"There are {len(stored)} pages, not {len(expected)}.")
        for row, page in zip(stored, expected, strict=False):
            if row != page:
                self._find("page", row.position, "It is not what the commands make; the following ones are not shown.")
                break

    def _compare_feed(self) -> None:
        p = current().dialect.param
        ((missing,),) = current().fetch(
            "SELECT count(*) FROM script_commands AS c LEFT JOIN script_feed AS f ON f.command_id = c.id "
            f"WHERE c.script_id = {p} AND f.id IS NULL",
            (str(self.script.id),),
        )
        if missing:
            self._find("feed", None, f"{missing} commands are missing in the feed.")


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
        one = _Verifier(script)
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
