"""Replaying one script's commands from nothing, beside all that is derived from them."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from datapkg.kit.database import current
from datapkg.kit.errors import DatapkgError
from datapkg.scripts.contents import NOTHING, Content, RefusedCommandError
from datapkg.scripts.history import commands_between, replayed, stored_elements, stored_pages, version_at
from datapkg.scripts.materializer import MATERIALIZER_VERSION, Draft, checkpoint_due
from datapkg.scripts.models import Script, ScriptCommand, ScriptVersion
from datapkg.scripts.projection import expected_pages

__all__ = ["Finding", "Verifier"]

_ALL = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not follow from a script's commands.

    Attributes:
        script_id: the script.
        check: ``script``, ``command``, ``time``, ``version``, ``element``, ``page``, ``title``, ``counter`` or
            ``feed``.
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


class Verifier:
    """Replays one script inside the caller's snapshot.

    Args:
        script: the script.

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
        self._right: set[int] = set()  # versions that replaying confirms, by number
        # Where no version is right that there should be: the content by sequence, in its place; none where all is well.
        self._kept: list[tuple[int, Content]] = []
        self._start = 0  # the newest of both
        self._newest: dt.datetime | None = None  # the newest time of the commands so far
        self._late: ScriptVersion | None = None  # the newest version, until the next command tells when it was made
        self._disordered = False
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
            self._compare_time(command)
            self._replay(command)
            while version is not None and version.through_sequence <= command.sequence:
                self._compare(version)
                version = next(waiting, None)
            self._keep(command)
        while version is not None:
            self._find("version", version.version_number, "It goes beyond the last command.")
            self._last_number = version.version_number
            version = next(waiting, None)
        if self.script.current_sequence != expected:
            self._find("counter", None, f"current_sequence is {self.script.current_sequence}, not {expected}.")
        if self.script.current_version != self._last_number:
            self._find("counter", None, f"current_version is {self.script.current_version}, not {self._last_number}.")
        self._made_before(self.script.updated_at)
        if self._newest is not None and self.script.updated_at < self._newest:
            self._find("time", None, "The script's updated_at is before its newest command.")
        if not self._broken:
            self._compare_newest(self._draft.content())
        self._compare_personas()
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

    def _keep(self, command: ScriptCommand) -> None:
        """Keep the content after a command that should have left a version, where no version is right.

        So what a revert goes back to is never far, and no other revert lies between, however many versions are wrong.
        """
        if self._broken or self._start == command.sequence:
            return
        if checkpoint_due(command.command_type, sequence=command.sequence, last=self._start, elements=len(self._draft)):
            self._kept.append((command.sequence, self._draft.content()))
            self._start = command.sequence

    def _before(self, sequence: int) -> Content:
        """Return the content at an earlier command, from what was kept or the nearest version that is right."""
        place = bisect_right(self._kept, sequence, key=lambda each: each[0])
        after, start = self._kept[place - 1] if place else (0, NOTHING)
        found = version_at(self.script.id, sequence)
        while found is not None and found.through_sequence > after and found.version_number not in self._right:
            found = version_at(self.script.id, found.through_sequence - 1)
        if found is not None and found.through_sequence > after:
            after, start = found.through_sequence, Content.of_snapshot(found.snapshot)
        draft = Draft(start)
        for command in commands_between(self.script.id, after=after, last=sequence):
            draft.apply(replayed(command), at=self._before)
        return draft.content()

    def _compare_time(self, command: ScriptCommand) -> None:
        """Look whether a command is as old as those before it or younger, as who asks for a time relies on."""
        if self._newest is not None and command.created_at < self._newest:
            if not self._disordered:
                problem = "It is older than a command before it; the following ones are not shown."
                self._find("time", command.sequence, problem)
            self._disordered = True
        else:
            self._made_before(command.created_at)
            self._newest = command.created_at

    def _made_before(self, moment: dt.datetime) -> None:
        """Look whether the newest version was made before a moment."""
        if self._late is not None and self._late.created_at > moment:
            self._find("version", self._late.version_number, "It is younger than what was done after it.")
        self._late = None

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
        self._late = version
        if self._newest is not None and version.created_at < self._newest:
            problems.append("It is older than the commands that it covers.")
        if version.materializer_version > MATERIALIZER_VERSION:
            made = f"materializer {version.materializer_version}, and this is {MATERIALIZER_VERSION}"
            problems.append(f"It says that it was made by {made}.")
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
        if not problems and not self._broken:
            self._right.add(number)
            self._start = version.through_sequence
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

    def _compare_personas(self) -> None:
        p = current().dialect.param
        ((strange,),) = current().fetch(
            "SELECT count(*) FROM script_elements AS e JOIN personas AS p ON p.id = e.persona_id "
            f"WHERE e.script_id = {p} AND p.script_id <> e.script_id",
            (str(self.script.id),),
        )
        if strange:
            self._find("element", None, f"{strange} elements name personas of another script.")

    def _compare_feed(self) -> None:
        p = current().dialect.param
        ((missing,),) = current().fetch(
            "SELECT count(*) FROM script_commands AS c LEFT JOIN script_feed AS f ON f.command_id = c.id "
            f"WHERE c.script_id = {p} AND f.id IS NULL",
            (str(self.script.id),),
        )
        if missing:
            self._find("feed", None, f"{missing} commands are missing in the feed.")
        # Readers number all that is committed, so a command never has a place before, or instead of, an earlier one's.
        ((wrong,),) = current().fetch(
            "SELECT min(sequence) FROM (SELECT c.sequence, f.position, lag(c.sequence) OVER w AS earlier, "
            "lag(f.position) OVER w AS before FROM script_commands AS c JOIN script_feed AS f ON f.command_id = c.id "
            f"WHERE c.script_id = {p} WINDOW w AS (ORDER BY c.sequence)) AS placed "
            "WHERE position IS NOT NULL AND earlier IS NOT NULL AND (before IS NULL OR before >= position)",
            (str(self.script.id),),
        )
        if wrong is not None:
            self._find("feed", wrong, "Its place in the feed is not behind that of the command before it.")
