"""PostgreSQL's catalog, from its system tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datapkg.kit.dialect.catalog import ColumnFacts, ForeignKeyFacts, IndexFacts, TableFacts

if TYPE_CHECKING:
    from datapkg.kit.engines import KitDatabase

__all__ = ["NAMES", "read_tables"]

_TABLES = """
SELECT c.oid, c.relname FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
"""
NAMES = f"SELECT relname FROM ({_TABLES}) AS t"
"""The query for the tables' names."""

_COLUMNS = """
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY(%s)
"""
_INDEXES = """
SELECT i.indrelid, c.relname, i.indisunique, i.indisprimary,
  (SELECT array_agg(pg_get_indexdef(i.indexrelid, k, true)
     || CASE WHEN i.indoption[k - 1] & 1 = 1 THEN ' DESC' ELSE '' END ORDER BY k)
   FROM generate_series(1, i.indnkeyatts::int) AS k),
  pg_get_expr(i.indpred, i.indrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ANY(%s)
"""
_CONSTRAINTS = """
SELECT k.conrelid, k.conname, k.contype, pg_get_constraintdef(k.oid), f.relname, k.confdeltype, k.confupdtype,
  (SELECT array_agg(a.attname::text ORDER BY u.place) FROM unnest(k.conkey) WITH ORDINALITY AS u(number, place)
   JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number),
  (SELECT array_agg(a.attname::text ORDER BY u.place) FROM unnest(k.confkey) WITH ORDINALITY AS u(number, place)
   JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number)
FROM pg_constraint k LEFT JOIN pg_class f ON f.oid = k.confrelid
WHERE k.contype IN ('c', 'f') AND k.conrelid = ANY(%s)
"""
_TRIGGERS = """
SELECT t.tgrelid, t.tgname, pg_get_triggerdef(t.oid), p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND t.tgrelid = ANY(%s)
"""
_RULES = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def read_tables(database: KitDatabase) -> dict[str, TableFacts]:
    """Read every table of the current schema, by name."""
    names = dict(database.fetch(_TABLES, ()))
    parts: dict[int, dict[str, Any]] = {
        oid: {"columns": {}, "primary_key": (), "indexes": {}, "checks": {}, "foreign_keys": {}, "triggers": {}}
        for oid in names
    }
    of_tables = (list(names),)
    for oid, name, kind, not_null, default in database.fetch(_COLUMNS, of_tables):
        parts[oid]["columns"][name] = ColumnFacts(kind, not not_null, default)
    for oid, name, unique, primary, columns, where in database.fetch(_INDEXES, of_tables):
        if primary:
            parts[oid]["primary_key"] = tuple(columns)
        else:
            parts[oid]["indexes"][name] = IndexFacts(unique, tuple(columns), where)
    for oid, name, kind, text, target, on_delete, on_update, columns, targets in database.fetch(
        _CONSTRAINTS, of_tables
    ):
        if kind == "c":
            parts[oid]["checks"][name] = text
        else:
            parts[oid]["foreign_keys"][name] = ForeignKeyFacts(
                tuple(columns), target, tuple(targets), _RULES[on_delete], _RULES[on_update]
            )
    for oid, name, text, body in database.fetch(_TRIGGERS, of_tables):
        parts[oid]["triggers"][name] = f"{text} {' '.join(body.split())}"
    return {names[oid]: TableFacts(**facts) for oid, facts in parts.items()}
