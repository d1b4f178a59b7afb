"""The rules that a legacy database has to keep; each is a query that finds the rows that break it."""

from __future__ import annotations

from typing import NamedTuple

from datapkg.scripts.legacy.staging import MOST_PARTS, Staging

__all__ = ["check"]


class Rule(NamedTuple):
    """A rule.

    Attributes:
        table: the legacy table that a complaint names.
        name: what kind of complaint it is.
        sql: gives a key and the message's values for each row that breaks the rule.
        message: what is wrong with such a row.
    """

    table: str
    name: str
    sql: str
    message: str


def _doubled(table: str, copied: str) -> Rule:
    sql = f"SELECT id, count(*) FROM {copied} WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1"
    return Rule(table, "duplicate_id", sql, "The id is there {} times.")


def _unknown(table: str, copied: str, column: str, others: str, what: str, key: str = "t.id") -> Rule:
    sql = (
        f"SELECT coalesce({key}, '?'), t.{column} FROM {copied} AS t LEFT JOIN {others} AS o ON o.id = t.{column} "
        f"WHERE t.{column} IS NOT NULL AND o.id IS NULL"
    )
    return Rule(table, f"unknown_{what}", sql, f"{column}: there is no {what} {{}}.")


_HISTORY_KEY = "t.script_id || '.' || coalesce(t.number, '?')"

RULES = (
    _doubled("users", "users"),
    Rule(
        "users",
        "duplicate_email",
        "SELECT group_concat(id, ' and '), email FROM "
        "(SELECT id, email FROM users WHERE email IS NOT NULL ORDER BY id) GROUP BY email HAVING count(*) > 1",
        "The address {} is there more than once, in lower case and without blanks around it.",
    ),
    _doubled("sessions", "sessions"),
    _unknown("sessions", "sessions", "user_id", "users", "user"),
    _doubled("chat_messages", "messages"),
    _unknown("chat_messages", "messages", "user_id", "users", "user"),
    _unknown("chat_messages", "messages", "session_id", "sessions", "session"),
    _unknown("chat_messages", "messages", "script_id", "row_scripts", "script"),
    Rule(
        "chat_messages",
        "no_user",
        "SELECT coalesce(id, '?') FROM messages WHERE user_id IS NULL AND session_id IS NULL AND id NOT IN "
        "(SELECT key FROM violations WHERE place = 'chat_messages' AND rule IN ('bad_user_id', 'bad_session_id'))",
        "Names neither a user nor a session.",
    ),
    Rule(
        "chat_messages",
        "another_users_session",
        "SELECT m.id, m.session_id, s.user_id, m.user_id FROM messages AS m JOIN sessions AS s ON s.id = m.session_id "
        "WHERE m.user_id <> s.user_id",
        "session_id: session {} is of user {}, the message of user {}.",
    ),
    Rule(
        "chat_messages",
        "another_users_script",
        "SELECT m.id, m.script_id, g.user_id, coalesce(m.user_id, s.user_id) FROM messages AS m "
        "JOIN row_scripts AS r ON r.id = m.script_id JOIN scripts AS g ON g.id = r.script_id "
        "LEFT JOIN sessions AS s ON s.id = m.session_id WHERE g.user_id <> coalesce(m.user_id, s.user_id)",
        "script_id: script {} is of user {}, the message of user {}.",
    ),
    _doubled("scripts", "rows"),
    _unknown("scripts", "rows", "user_id", "users", "user"),
    _unknown(
        "script_versions",
        "(SELECT * FROM history WHERE origin = 'script_versions')",
        "script_id",
        "row_scripts",
        "script",
        _HISTORY_KEY,
    ),
    _unknown(
        "script_edits",
        "(SELECT * FROM history WHERE origin = 'script_edits')",
        "script_id",
        "row_scripts",
        "script",
        _HISTORY_KEY,
    ),
    Rule(
        "scripts",
        "version_gap",
        "SELECT script_id, coalesce(before, 0) + 1, number - 1 FROM (SELECT script_id, number, "
        "lag(number) OVER (PARTITION BY script_id ORDER BY number) AS before FROM versions) "
        "WHERE number <> coalesce(before, 0) + 1",
        "Versions {} to {} are missing.",
    ),
    Rule(
        "scripts",
        "version_order",
        "SELECT script_id, number, at, before FROM (SELECT script_id, number, at, max(at) OVER "
        "(PARTITION BY script_id ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before "
        "FROM versions) WHERE at < before",
        "Version {} is of {}, which is before one with a smaller number, of {}.",
    ),
    _doubled("script_elements", "elements"),
    _unknown("script_elements", "elements", "script_id", "row_scripts", "script"),
    _unknown("script_elements", "elements", "persona_id", "personas", "persona"),
    Rule(
        "script_elements",
        "duplicate_position",
        "SELECT group_concat(id, ' and '), position, script_id FROM (SELECT * FROM elements WHERE position IS NOT NULL "
        "ORDER BY id) GROUP BY script_id, position HAVING count(*) > 1",
        "They share position {} of script {}.",
    ),
    Rule(
        "script_elements",
        "too_many",
        f"SELECT script_id, count(*) FROM elements GROUP BY script_id HAVING count(*) > {MOST_PARTS // 2}",
        f"The script of this key has {{}} elements; {MOST_PARTS // 2} can be stored.",
    ),
    Rule(
        "script_elements",
        "another_scripts_persona",
        "SELECT e.id, e.persona_id, p.script_id, e.script_id FROM elements AS e JOIN personas AS p "
        "ON p.id = e.persona_id JOIN row_scripts AS a ON a.id = p.script_id "
        "JOIN row_scripts AS b ON b.id = e.script_id WHERE a.script_id <> b.script_id",
        "persona_id: persona {} is of script {}, the element of script {}.",
    ),
    Rule(
        "script_elements",
        "another_users_persona",
        "SELECT e.id, e.persona_id, p.user_id, g.user_id FROM elements AS e JOIN personas AS p ON p.id = e.persona_id "
        "JOIN row_scripts AS r ON r.id = e.script_id JOIN scripts AS g ON g.id = r.script_id "
        "WHERE p.script_id IS NULL AND p.user_id <> g.user_id",
        "persona_id: persona {} is of user {}, the element's script of user {}.",
    ),
    _doubled("personas", "personas"),
    _unknown("personas", "personas", "script_id", "row_scripts", "script"),
    _unknown("personas", "personas", "user_id", "users", "user"),
    Rule(
        "personas",
        "duplicate_name",
        "SELECT group_concat(id, ' and '), name, script_id FROM (SELECT * FROM personas WHERE script_id IS NOT NULL "
        "AND name IS NOT NULL ORDER BY id) GROUP BY script_id, name HAVING count(*) > 1",
        "They share the name {!r} in script {}.",
    ),
    Rule(
        "personas",
        "another_users_script",
        "SELECT p.id, p.script_id, g.user_id, p.user_id FROM personas AS p JOIN row_scripts AS r ON r.id = p.script_id "
        "JOIN scripts AS g ON g.id = r.script_id WHERE p.user_id <> g.user_id",
        "script_id: script {} is of user {}, the persona of user {}.",
    ),
)


def check(staging: Staging) -> None:
    """Note every row that breaks a rule; scripts must have been grouped."""
    for rule in RULES:
        staging.query(f"CREATE TEMP TABLE broken AS {rule.sql}")
        for batch in staging.batches("SELECT * FROM broken"):
            for key, *values in batch:
                staging.complain(rule.table, key, rule.name, rule.message.format(*values))
        staging.query("DROP TABLE broken")
