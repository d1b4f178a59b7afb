"""Finds direct writes to gated tables in Python source, and lists every place where source touches the database."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from datapkg import registry
from datapkg.kit.results import Rows
from datapkg.operations.linting.names import Index
from datapkg.operations.linting.scan import scan
from datapkg.operations.linting.sources import Allowance, Source, Unread, python_files, read_source
from datapkg.operations.linting.touches import Touch

__all__ = ["Finding", "Touchpoint", "gated_tables", "lint_writes", "list_touchpoints"]


@dataclass(frozen=True)
class Finding:
    """One thing that ``lint_writes`` complains about.

    Attributes:
        path: the file.
        line, column: where, from 1.
        kind: ``write``, ``gate`` (one is opened), ``allowance`` (without a reason, misspelt or unused) or ``unread``.
        table: the gated table; empty where it is not about one, or only the running program knows which.
        what: what is wrong, as a sentence without its full stop.
        instead: what to call or to do instead.
    """

    path: str
    line: int
    column: int
    kind: str
    table: str
    what: str
    instead: str


@dataclass(frozen=True)
class Touchpoint:
    """One place in source that touches a table.

    Attributes:
        domain: the table's domain; empty for a table of no domain.
        table: its name; ``?`` where only the running program knows it.
        access: ``read``, ``write``, ``schema`` (it is made, altered or dropped), ``gate`` (opened), or ``unread`` for
            a file that could not be read.
        gated: whether only the domain's own functions may write the table.
        path: the file.
        line, column: where, from 1.
        how: as people say it, such as ``UPDATE`` or ``AuditLog.update``.
    """

    domain: str
    table: str
    access: str
    gated: bool
    path: str
    line: int
    column: int
    how: str


def gated_tables() -> dict[str, str]:
    """Return the tables that only their domain's functions may write, each with what to call instead.

    They are the tables of models with ``append_only`` or ``gated`` in ``Meta``, of every domain that is built in,
    installed or registered; what to call stands in ``Meta.written_by``.
    """
    return {
        model._meta.table_name: getattr(model._meta, "written_by", "") or f"the functions of the domain {domain.name!r}"
        for domain in registry.domains()
        for model in domain.models
        if getattr(model._meta, "append_only", False) or getattr(model._meta, "gated", False)
    }


def lint_writes(paths: Iterable[str | os.PathLike[str]]) -> Rows[Finding]:
    """Find direct writes to gated tables in Python source; nothing of it is run.

    Args:
        paths: files, and folders with everything below them.

    Returns:
        By path as they were found, then by line.

    Raises:
        NotFoundError: a path does not exist.

    Example:
        >>> lint_writes(["src"])  # doctest: +SKIP
    """
    gated = {table.lower(): call for table, call in gated_tables().items()}
    found: Rows[Finding] = Rows(of=Finding)
    for path, source, touches in _scanned(paths):
        if isinstance(source, Unread):
            instead = "mend the file, or leave it out"
            found.append(Finding(path, source.line, 1, "unread", "", f"not read, {source.why}", instead))
            continue
        mine = [each for touch in touches if (each := _finding(path, touch, gated)) is not None]
        kept = [each for touch, each in mine if not _allowed(touch, source.allowances)]
        found += sorted(
            [*kept, *_complaints(path, source.allowances)], key=lambda finding: (finding.line, finding.column)
        )
    return found


def list_touchpoints(paths: Iterable[str | os.PathLike[str]]) -> Rows[Touchpoint]:
    """List every place in Python source that touches the database, by domain, table, access and place.

    Args:
        paths: files, and folders with everything below them.

    Returns:
        Tables of no domain first, and before them the files that could not be read.

    Raises:
        NotFoundError: a path does not exist.
    """
    known = {
        model._meta.table_name.lower(): (domain.name, model._meta.table_name)
        for domain in registry.domains()
        for model in domain.models
    }
    gated = {table.lower() for table in gated_tables()}
    found: list[Touchpoint] = []
    for path, source, touches in _scanned(paths):
        if isinstance(source, Unread):
            found.append(Touchpoint("", "", "unread", False, path, source.line, 1, source.why))
            continue
        for touch in touches:
            if touch.table in known or touch.sure:
                domain, table = known.get(touch.table or "", ("", touch.table or "?"))
                closed = touch.table in gated
                found.append(Touchpoint(domain, table, touch.access, closed, path, touch.line, touch.column, touch.how))
    return Rows(
        sorted(found, key=lambda each: (each.domain, each.table, each.access, each.path, each.line, each.column))
    )


def _scanned(paths: Iterable[str | os.PathLike[str]]) -> Iterator[tuple[str, Source | Unread, list[Touch]]]:
    files = list(python_files(paths))
    index = Index(registry.models())
    # Twice, so that no more than one tree is in memory: names first, which may be defined in a later file.
    for path in files:
        if isinstance(source := read_source(path), Source):
            index.add(source)
    for path in files:
        source = read_source(path)
        touches: list[Touch] = []
        if isinstance(source, Source):
            try:
                touches = scan(source, index)
            except RecursionError:
                source = Unread(source.path, "it is nested too deeply")
        yield str(path), source, touches


def _finding(path: str, touch: Touch, gated: dict[str, str]) -> tuple[Touch, Finding] | None:
    if touch.access == "gate":
        table = touch.table or ""
        what = f"{touch.how} opens {f'the gate of {table}' if table else 'a gate'}, which only its domain may do"
        instead = f"call {gated[table]}" if table in gated else "call the domain's own function"
        return touch, Finding(path, touch.line, touch.column, "gate", table, what, instead)
    if touch.access != "write" or touch.behind_gate or touch.table not in gated:
        return None
    what = f"{touch.how} writes {touch.table} directly"
    return touch, Finding(path, touch.line, touch.column, "write", touch.table, what, f"call {gated[touch.table]}")


def _allowed(touch: Touch, allowances: list[Allowance]) -> bool:
    matching = [each for each in allowances if each.valid and touch.line <= each.covers <= touch.end_line]
    # A literal's statement may begin below the line that the literal begins on.
    for each in matching:
        each.used = True
    return bool(matching)


def _complaints(path: str, allowances: list[Allowance]) -> Iterator[Finding]:
    for each in allowances:
        if each.word != "allow-write":
            what, instead = f"there is no {each.word!r}", "write `# datapkg: allow-write <reason>`"
        elif not each.reason:
            what, instead = "the allowance gives no reason", "write `# datapkg: allow-write <reason>`"
        elif not each.used:
            what, instead = "the allowance allows nothing: no write to a gated table on its line", "remove the comment"
        else:
            continue
        yield Finding(path, each.line, each.column, "allowance", "", what, instead)
