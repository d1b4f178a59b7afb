"""Which legacy rows make one script, and in which order its versions come."""

from __future__ import annotations

from datapkg.scripts.legacy.staging import Staging

__all__ = ["OLD_ELEMENTS", "group_scripts"]

OLD_ELEMENTS = "elements of older versions, left out: the store derives elements for the newest state alone"
_SAME = "versions that two tables hold alike, taken once"

# Rows that a complaint has left without owner or title stay on their own, so that it is not followed by others.
_SCRIPTS = """
CREATE TABLE row_scripts AS
SELECT id, CASE WHEN number IS NULL OR user_id IS NULL OR title IS NULL THEN id
    ELSE first_value(id) OVER (PARTITION BY user_id, title, number IS NULL ORDER BY number, id) END AS script_id
FROM rows WHERE id IS NOT NULL GROUP BY id;
CREATE UNIQUE INDEX ix_row_scripts ON row_scripts(id);
CREATE INDEX ix_row_scripts_script ON row_scripts(script_id);
CREATE TABLE scripts (id TEXT PRIMARY KEY, user_id, title, at, newest_row, rows INTEGER) WITHOUT ROWID;
INSERT INTO scripts SELECT s.script_id, min(r.user_id), min(r.title), min(r.at), NULL, count(*)
FROM row_scripts AS s JOIN rows AS r ON r.id = s.id GROUP BY s.script_id;
UPDATE scripts SET newest_row = (
    SELECT s.id FROM row_scripts AS s JOIN rows AS r ON r.id = s.id
    WHERE s.script_id = scripts.id ORDER BY r.number DESC, s.id DESC LIMIT 1);
"""

# A script's row is its newest state; its time says when the script was made, not when that state was, unless there is
# a row for every version.
_CANDIDATES = """
CREATE TABLE candidates (script_id, number, content, at, origin, rank);
INSERT INTO candidates
SELECT s.script_id, h.number, h.content, h.at, h.origin, CASE h.origin WHEN 'script_versions' THEN 0 ELSE 1 END
FROM history AS h JOIN row_scripts AS s ON s.id = h.script_id WHERE h.number IS NOT NULL;
CREATE INDEX ix_candidates ON candidates(script_id, number);
CREATE TABLE with_history AS SELECT DISTINCT script_id FROM candidates;
CREATE UNIQUE INDEX ix_with_history ON with_history(script_id);
INSERT INTO candidates
SELECT s.script_id, r.number, r.content,
    CASE WHEN g.rows = 1 AND h.script_id IS NOT NULL THEN NULL ELSE r.at END, 'scripts', 2
FROM rows AS r JOIN row_scripts AS s ON s.id = r.id JOIN scripts AS g ON g.id = s.script_id
LEFT JOIN with_history AS h ON h.script_id = s.script_id
WHERE r.number IS NOT NULL;
INSERT INTO candidates
SELECT s.script_id, 1, r.content, r.at, 'scripts', 2
FROM rows AS r JOIN row_scripts AS s ON s.id = r.id
WHERE r.number IS NULL AND s.script_id NOT IN (SELECT script_id FROM with_history);
INSERT INTO candidates
SELECT s.script_id, last.number + 1, r.content, NULL, 'scripts', 2
FROM rows AS r JOIN row_scripts AS s ON s.id = r.id
JOIN (SELECT script_id, max(number) AS number FROM candidates WHERE rank < 2 GROUP BY script_id) AS last
    ON last.script_id = s.script_id
WHERE r.number IS NULL AND NOT EXISTS (
    SELECT 1 FROM candidates AS c
    WHERE c.script_id = s.script_id AND c.number = last.number AND c.content IS r.content);
"""

_VERSIONS = """
CREATE TABLE versions (script_id, number, content, at, origin, PRIMARY KEY (script_id, number)) WITHOUT ROWID;
INSERT INTO versions
SELECT script_id, number, content, at, origin FROM (
    SELECT *, row_number() OVER (PARTITION BY script_id, number ORDER BY rank, rowid) AS place FROM candidates)
WHERE place = 1;
"""


def group_scripts(staging: Staging) -> None:
    """Make the tables ``scripts``, ``row_scripts`` (row to script) and ``versions`` of what was read.

    Rows of one owner and title that carry version numbers are one script, called by its first row's key; any other row
    is a script of its own. Two tables may hold the same version if they hold the same text.
    """
    staging.database.executescript(_SCRIPTS)
    staging.database.executescript(_CANDIDATES)
    doubled = staging.query(
        "SELECT script_id, number, count(*), count(DISTINCT origin), count(DISTINCT content) FROM candidates "
        "GROUP BY script_id, number HAVING count(*) > 1"
    )
    for script, number, count, origins, contents in doubled:
        if count > origins:
            staging.complain("scripts", script, "version_duplicate", f"Version {number} is there {count} times.")
        elif contents > 1:
            message = f"Version {number} is there {count} times, with different texts."
            staging.complain("scripts", script, "version_duplicate", message)
        else:
            staging.note(_SAME, count - 1)
    staging.database.executescript(_VERSIONS)
    old = staging.query(
        "SELECT count(*) FROM elements AS e JOIN row_scripts AS s ON s.id = e.script_id "
        "JOIN scripts AS g ON g.id = s.script_id WHERE g.newest_row <> e.script_id"
    )
    staging.note(OLD_ELEMENTS, old[0][0])
