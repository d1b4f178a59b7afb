"""A feed of the commands of all scripts, in an order in which a late commit never appears before what was read.

A sequence or a time given at writing cannot be such an order: the transaction that took the lower one may commit
later, and a reader that has gone past would miss it. So a command is written without a place in the feed, and gets
one when somebody reads: only what is committed is seen then, and all that commits later gets a later place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from datapkg.kit.database import current, lock, run_in_transaction
from datapkg.kit.dialect import Dialect
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement
from datapkg.scripts.models import ScriptCommand

__all__ = ["FeedPage", "commands_since"]

_LOCK = "scripts.feed"

_waiting: Statement[Any] = Statement(lambda _: ("SELECT 1 FROM script_feed WHERE position IS NULL LIMIT 1", []))
# Within a script by sequence, whatever its writers' clocks said.
_number: Statement[Any] = Statement(
    lambda _: (
        "UPDATE script_feed SET position = numbered.position FROM ("
        "SELECT f.id, (SELECT coalesce(max(position), 0) FROM script_feed) "
        "+ row_number() OVER (ORDER BY c.script_id, c.sequence) AS position "
        "FROM script_feed AS f JOIN script_commands AS c ON c.id = f.command_id WHERE f.position IS NULL"
        ") AS numbered WHERE numbered.id = script_feed.id",
        [],
    )
)


def _reading(dialect: Dialect) -> tuple[str, list[Param]]:
    columns = ", ".join(f'c."{field.column_name}"' for field in ScriptCommand._meta.sorted_fields)
    p = dialect.param
    return (
        f"SELECT f.position, {columns} FROM script_feed AS f JOIN script_commands AS c ON c.id = f.command_id "
        f"WHERE f.position > {p} ORDER BY f.position LIMIT {p}",
        [Param("cursor"), Param("limit")],
    )


_read: Statement[Any] = Statement(_reading)


class FeedPage(NamedTuple):
    """A page of the feed.

    Attributes:
        commands: the commands, each script's in the order of their sequences.
        cursor: where to go on; as before if there was nothing new.
    """

    commands: Rows[ScriptCommand]
    cursor: int


def commands_since(cursor: int = 0, *, limit: int = 100) -> FeedPage:
    """Return the commands of all scripts that a reader has not seen yet; none is ever skipped.

    A command is there as soon as its transaction is committed, however long that took. Readers number what is new, one
    at a time, so a reader needs a database that it may write. Call it outside of a transaction: a cursor from a
    transaction that is undone later means nothing.

    Args:
        cursor: that of the page before, 0 to begin with the first command of all.
        limit: commands at the most, 1 to 1,000.

    Raises:
        ValidationError: an argument is not valid.

    Example:
        >>> commands, cursor = commands_since(cursor)  # doctest: +SKIP
    """
    from datapkg.kit.rows import instance_builder
    from datapkg.kit.schemas import load
    from datapkg.scripts import schemas

    load(schemas.FeedPage, {"cursor": cursor, "limit": limit}, what="page of the feed")
    if _waiting.tuples():
        _number_waiting()
    rows = _read.tuples(cursor=cursor, limit=limit)
    build = instance_builder(ScriptCommand, current().dialect)
    return FeedPage(Rows((build(row[1:]) for row in rows), of=ScriptCommand), rows[-1][0] if rows else cursor)


@run_in_transaction
def _number_waiting() -> None:
    lock(_LOCK)
    _number.run()
