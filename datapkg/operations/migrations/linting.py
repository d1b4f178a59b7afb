"""The safety rules of migrations, held against the files: what would hurt data, or code that still runs.

Each rule is about tables that were there before the file; what happens to a table that the file makes hurts nobody.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from datapkg.kit.engines import KitDatabase
from datapkg.kit.results import Rows
from datapkg.operations.migrations.commands import selected
from datapkg.operations.migrations.files import MigrationFile, find, histories, scan
from datapkg.operations.migrations.runner import Runner
from datapkg.operations.migrations.scratch import offline
from datapkg.operations.migrations.steps import CollectedStep, FunctionStep

__all__ = ["RULES", "Finding", "lint"]

RULES = {
    "drop": "Stop reading and writing it in this release, and leave it; drop it in a later one, when nothing older "
    "runs, with `# migration-lint: allow drop <why nothing uses it>` on the line.",
    "rename": "Add the new one beside the old, write both, copy the rows in a data migration, read the new one; drop "
    "the old one in a later release.",
    "narrow": "Let the code refuse such values first, mend the rows that are there in a data migration, and narrow "
    "in a later release, with `# migration-lint: allow narrow <why no row breaks it>` on the line.",
    "required": "Add it with null=True or with a default; fill the rows in a data migration, then "
    "migrator.add_not_null in a later release.",
    "mixed": "Put the data steps into a migration of their own, the next one: should one fail, the tables are done, "
    "and no lock on them is held meanwhile.",
    "breaking": 'Say in the docstring, after "Breaking:", what breaks, for whom, and what they do instead.',
    "index": "Give the index a migration of its own with migrator.add_index(…, concurrently=True): writers go on while "
    "PostgreSQL builds it. For a table that stays small: `# migration-lint: allow index <why it stays small>`.",
    "allowance": "Write `# migration-lint: allow <rule> <reason>` on the line of the step, or take it away.",
}
"""Every rule with what to do instead."""

_ALLOWED = re.compile(r"#\s*migration-lint:\s*allow\b[ \t]*([\w-]*)[ \t]*(.*)")
_NAME = r'(?:"((?:[^"]|"")+)"|(\w+))'
_TABLE = re.compile(
    r"(?:\b(?:ALTER|DROP)\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?|\bTRUNCATE\s+(?:TABLE\s+)?|\bDELETE\s+FROM\s+"
    rf"|\bCREATE\s+(?:UNIQUE\s+)?INDEX\b.*?\sON\s+|\bTRIGGER\b.*?\sON\s+){_NAME}",
    re.I | re.S,
)
_CREATED = re.compile(rf"\bCREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}", re.I)
_HARMLESS = re.compile(r"\s*CREATE\s+(?:TABLE|OR\s+REPLACE|FUNCTION)\b", re.I)
_INDEX = re.compile(r"\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY\b)", re.I)
_REQUIRED = re.compile(r"\bADD\s+COLUMN\s+(?!.*\bDEFAULT\b).*\bNOT\s+NULL\b", re.I | re.S)
_DESTRUCTIVE = (
    (
        "rename",
        re.compile(r"\s*ALTER\b.*\bRENAME\b", re.I | re.S),
        "renames what code that still runs asks for by its old name",
    ),
    (
        "drop",
        re.compile(r"\s*(?:ALTER\b.*\b)?DROP\s+(?:TABLE|COLUMN)\b", re.I | re.S),
        "drops what code that still runs may read, and its data",
    ),
    ("drop", re.compile(r"\s*(?:WITH\b.*\bDELETE|DELETE|TRUNCATE)\b", re.I | re.S), "deletes rows"),
    ("narrow", re.compile(r""), "refuses rows, or writes of code that still runs, that were fine before"),
)


@dataclass(frozen=True)
class Finding:
    """Something in a migration that is not safe.

    Attributes:
        history: whose migration it is.
        migration: its name.
        path: its file.
        line: where, from 1.
        rule: one of :data:`RULES`.
        what: what is wrong.
        rewrite: the safe way.
    """

    history: str
    migration: str
    path: str
    line: int
    rule: str
    what: str
    rewrite: str

    def public(self) -> dict[str, object]:
        """Return the attributes as a JSON-ready dictionary."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.what}.\n  safe: {self.rewrite}"


def lint(*, history: str | None = None, since: str | None = None) -> Rows[Finding]:
    """Hold the safety rules against migration files; no database is needed, and nothing is run.

    A line that must break a rule carries ``# migration-lint: allow <rule> <reason>``.

    Args:
        history: only this history's.
        since: only migrations after this one (its name or number), of the history, or of the built-in one.

    Raises:
        MigrationError: a file fails, or there is no such history or migration.
    """
    chosen, _ = selected(None, history or ("datapkg" if since is not None else None))
    after = find(since, scan(chosen[0])).name if since is not None else ""
    names = {each.name for each in chosen}
    found: Rows[Finding] = Rows(of=Finding)
    with offline("postgresql") as database:
        runner = Runner(database)
        before: list[MigrationFile] = []
        for each in histories():
            for file in scan(each):
                if file.history in names and file.name > after:
                    found += _file(file, runner.collect(file, before=before), database)
                before.append(file)
    return found


def _file(file: MigrationFile, steps: Sequence[CollectedStep], database: KitDatabase) -> list[Finding]:
    text = file.path.read_text(encoding="utf-8")
    allowances = {
        number: (match[1], match[2].strip())
        for number, line in enumerate(text.splitlines(), 1)
        if (match := _ALLOWED.search(line))
    }
    used: set[int] = set()
    found: list[Finding] = []

    def finding(line: int, rule: str, what: str) -> Finding:
        return Finding(file.history, file.name, str(file.path), line, rule, what, RULES[rule])

    # One complaint of a kind for a line, which may stand for several statements.
    broken: dict[tuple[int, str], str] = {}
    for line, rule, what in _broken(steps, database, ast.get_docstring(ast.parse(text)) or ""):
        broken.setdefault((line, rule), what)
    for (line, rule), what in broken.items():
        at = next((place for place in (line, line - 1) if allowances.get(place, ("", ""))[0] == rule), None)
        if at is not None:
            used.add(at)
        if at is None or not allowances[at][1]:
            found.append(finding(line, rule, what))
    for number, (rule, reason) in allowances.items():
        if rule not in RULES:
            found.append(finding(number, "allowance", f"{rule or 'nothing'} is no rule ({', '.join(RULES)})"))
        elif number not in used:
            found.append(finding(number, "allowance", f"nothing here breaks the rule {rule}"))
        elif not reason:
            found.append(finding(number, "allowance", "it has no reason"))
    return sorted(found, key=lambda each: each.line)


def _broken(steps: Sequence[CollectedStep], database: KitDatabase, docstring: str) -> Iterator[tuple[int, str, str]]:
    statements = [(step, line) for step in steps for line in step.lines(database)]
    made = {_of(match) for _, sql in statements for match in _CREATED.finditer(sql)}
    schema, breaking = None, None
    for step, sql in statements:
        match = _TABLE.search(sql)
        table = _of(match) if match else ""
        if isinstance(step, FunctionStep) or table in made or _HARMLESS.match(sql):
            continue
        if step.tag != "data":
            schema = schema or step
        if _REQUIRED.search(sql):
            breaking = breaking or step
            yield step.line, "required", f"{table} gets a column that may not be empty and has no default"
        elif step.tag == "destructive":
            breaking = breaking or step
            rule, _, what = next(each for each in _DESTRUCTIVE if each[1].match(sql))
            yield step.line, rule, f"{' '.join(sql.split())[:200]} {what}"
        if _INDEX.search(sql):
            yield step.line, "index", f"the index stops all writes to {table} while PostgreSQL builds it"
    data = next((step for step in steps if step.tag == "data"), None)
    if data is not None and schema is not None:
        yield data.line, "mixed", f"rows are changed here, and tables in line {schema.line} of the same file"
    if breaking is not None and not re.search(r"\bBreaking\b", docstring):
        yield breaking.line, "breaking", "this breaks code that still runs, and the docstring does not say so"


def _of(match: re.Match[str]) -> str:
    return match[1] or match[2]
