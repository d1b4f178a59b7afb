"""Every constraint of every table, tried one by one in raw SQL: a refused value and an accepted near miss.

The rows are made from the models, so a new table or column is tested as soon as it is there.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import uuid
from contextlib import nullcontext

import pytest

from datapkg import registry
from datapkg.engagement import LegalHold
from datapkg.errors import ConflictError, DatapkgError
from datapkg.kit import fields as kit
from datapkg.kit.database import transaction
from datapkg.operations.bookkeeping import BOOKKEEPING
from datapkg.scripts import ScriptCommand

MODELS = [*registry.models(), *BOOKKEEPING]
COLUMNS = [(model, field) for model in MODELS for field in model._meta.sorted_fields]
NUMBERS = itertools.count(1)
NOW = "2026-01-02T03:04:05.678901Z"


def name_of(value):
    """Name a case by table and column."""
    if isinstance(value, type):
        return value._meta.table_name
    return getattr(value, "column_name", None) or (repr(value) if not isinstance(value, tuple) else "-".join(value))


# Where the value that a column would get by itself breaks a rule between columns.
USUAL = {
    ("replies", "approval_status"): "APPROVED",
    ("escalations", "status"): "RESOLVED",
    ("segmented_weights", "ars_weight"): 0,
    ("segmented_weights", "evs_weight"): 0,
    ("segmented_weights", "trs_weight"): 0,
}


def valid(field):
    """Return a value that the column accepts, different each time where that is possible."""
    if (field.model._meta.table_name, field.column_name) in USUAL:
        return USUAL[field.model._meta.table_name, field.column_name]
    if isinstance(field, kit.EnumField):
        return field.values[0]
    if isinstance(field, kit.TextField):
        text = uuid.uuid4().hex * 2
        return text[: field.max_length or 64] if (field.max_length or 64) >= field.min_length else text
    if isinstance(field, kit.IntegerField) and field.unique:
        return next(NUMBERS)
    if isinstance(field, kit.IntegerField):
        return field.min + 1 if field.min > 0 else max(field.min, 0) + 1
    if isinstance(field, kit.BooleanField):
        return True
    if isinstance(field, kit.TimestampField):
        return NOW
    if isinstance(field, kit.DateField):
        return str(dt.date(2026, 1, 2) + dt.timedelta(days=next(NUMBERS)))
    if isinstance(field, kit.JSONField):
        return json.dumps({"a": 1})
    if isinstance(field, (kit.FloatField, kit.DecimalField)):
        return 1
    return str(uuid.uuid4())


RANKS = {"HIGH": 0, "MEDIUM": 1, "LOW": 2}
WEIGHTS = ("sss_weight", "ars_weight", "evs_weight", "trs_weight")


def without(*columns):
    """Return what empties these columns together with the given one."""
    return lambda value: dict.fromkeys(columns) if value is None else {}


def unapproved(value):
    """Return what a reply holds whose approval is not whole."""
    return {"approval_status": "PENDING", "posted_at": None} if value is None else {}


def other_weights(column):
    """Return what the other weights are when this one is given, so that the four add up to 1."""
    first, *more = [name for name in WEIGHTS if name != column]
    return lambda value: {} if isinstance(value, str) else {first: min(max(1 - value, 0), 1), **dict.fromkeys(more, 0)}


# Columns that a rule between columns ties to the one that is given.
TIED = {
    ("feature_queue", "priority"): lambda value: {"priority_rank": RANKS.get(value, 2)},
    ("feature_queue", "priority_rank"): lambda value: {"priority": list(RANKS)[value] if value in (0, 1, 2) else "LOW"},
    ("token_demands", "tokens_p50"): lambda value: {"tokens_p90": None},
    ("token_demands", "tokens_p90"): lambda value: {"tokens_p50": 0},
    ("replies", "approval_status"): lambda value: {"posted_at": None} if value != "APPROVED" else {},
    ("replies", "approved_by"): unapproved,
    ("replies", "approved_at"): unapproved,
    ("replies", "approved_content_sha256"): unapproved,
    ("replies", "platform_post_id"): without("posted_at"),
    ("replies", "deleted_at"): without("delete_reason"),
    ("replies", "delete_reason"): without("deleted_at"),
    ("escalations", "status"): lambda value: (
        {} if value in ("RESOLVED", "DISMISSED") else {"resolved_by": None, "resolved_at": None}
    ),
    ("escalations", "resolved_by"): lambda value: {"status": "OPEN", "resolved_at": None} if value is None else {},
    ("escalations", "resolved_at"): lambda value: {"status": "OPEN", "resolved_by": None} if value is None else {},
    **{("segmented_weights", column): other_weights(column) for column in WEIGHTS},
    ("weight_adjustment_logs", "valid_segments"): lambda value: {"total_segments": 2**31 - 1},
    ("weight_adjustment_logs", "total_segments"): lambda value: {"valid_segments": 0},
    ("learning_events", "actual_improvement"): without("accuracy", "evaluated_at"),
    ("learning_events", "accuracy"): without("actual_improvement", "evaluated_at"),
    ("learning_events", "evaluated_at"): without("actual_improvement", "accuracy"),
    ("legal_holds", "released_by"): without("released_at"),
    ("legal_holds", "released_at"): without("released_by"),
}


def tied(model, column, value):
    """Return what other columns must hold when one holds this value."""
    return TIED.get((model._meta.table_name, column), lambda value: {})(value)


def row_for(db, model, /, **given):
    """Return a valid row of a table, its parents inserted."""
    row = {}
    if model._meta.table_name == "feature_queue" and not {"priority", "priority_rank"} & given.keys():
        given = {"priority": "HIGH", **given}
    for column, value in list(given.items()):
        given = {**tied(model, column, value), **given}
    for field in model._meta.sorted_fields:
        if field.column_name in given:
            row[field.column_name] = given[field.column_name]
        elif isinstance(field, kit.ForeignKey):
            row[field.column_name] = None if field.null else put(db, field.rel_model)["id"]
        else:
            row[field.column_name] = valid(field)
    if model is ScriptCommand and "model" in row and row["model"] is None and row["actor_type"] == "AI":
        # The CHECK ties the two columns together.
        row["model" if "model" not in given else "actor_type"] = "model-a" if "model" not in given else "USER"
    if model is LegalHold and row["post_id"] is row["author_id"] is None:
        # It is on exactly one of the two.
        held = "author_id" if "author_id" not in given else "post_id"
        row[held] = put(db, model._meta.columns[held].rel_model)["id"]
    return row


def insert(db, model, row):
    """Insert a row with plain SQL, in a savepoint."""
    columns = ", ".join(f'"{column}"' for column in row)
    marks = ", ".join([db.dialect.param] * len(row))
    gate = db.open_gate(model._meta.table_name) if model._meta.gated else nullcontext()
    with transaction(), gate:
        db.change(f'INSERT INTO "{model._meta.table_name}" ({columns}) VALUES ({marks})', tuple(row.values()))


def put(db, model, /, **given):
    """Insert a valid row and return it."""
    row = row_for(db, model, **given)
    insert(db, model, row)
    return row


def refused_values(field):
    """Yield values that the column must refuse, with the constraint that does it where both engines name it."""
    name = f"ck_{field.model._meta.table_name}_{field.column_name}"
    target = field.rel_field if isinstance(field, kit.ForeignKey) else field
    if isinstance(target, kit.EnumField):
        yield from [("nosuch", name), (field.values[0].lower() + " ", name)]
    elif isinstance(target, kit.TextField):
        if field.max_length is not None:
            yield "é" * (field.max_length + 1), name
        if field.min_length:
            yield "x" * (field.min_length - 1), name
    elif isinstance(target, kit.IntegerField):
        for value in (field.min - 1, field.max + 1):
            if abs(value) < 2**63:
                yield value, name if abs(value) < 2**31 else None
        yield "x", None
    elif isinstance(target, kit.BooleanField):
        yield from [(2, None), ("maybe", None)]
    elif isinstance(target, kit.UUIDField):
        yield from [("x", None), ("01a1fca4-af86-72e7-b08b-b033503a719g", None)]
    elif isinstance(target, kit.TimestampField):
        yield from [("x", None), ("2026-02-30T00:00:00.000000Z", None), ("2026-01-01T25:00:00.000000Z", None)]
    elif isinstance(target, kit.DateField):
        yield from [("x", None), ("2026-02-30", None), ("2026-1-2x", None)]
    elif isinstance(target, kit.FloatField):
        yield "x", None
        if field.min is not None:
            yield field.min - 1e-9, name
        if field.max is not None:
            yield math.nextafter(field.max, math.inf), name
    elif isinstance(target, kit.DecimalField):
        beyond = field.db_value(10 ** (field.max_digits - field.scale) - 1)
        yield from [("x", None), (type(beyond)(beyond + 1), None)]
    elif isinstance(target, kit.JSONField):
        yield from [("{", None), ("", None), ("{'a': 1}", None)]
    else:  # a kind of column that nobody thought of here must not go untested
        raise AssertionError(f"no refused values for {type(target).__name__}")


def accepted_values(field):
    """Yield values at the edge of what the column accepts."""
    if isinstance(field, kit.EnumField):
        yield from field.values
    elif isinstance(field, kit.TextField):
        if field.max_length is not None:
            yield "é" * field.max_length
        if field.min_length:
            yield "x" * field.min_length
    elif isinstance(field, kit.IntegerField):
        yield from (field.min, field.max)
    elif isinstance(field, kit.BooleanField):
        yield from (True, False)
    elif isinstance(field, kit.TimestampField):
        yield from ("0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "2024-02-29T12:00:00.000000Z")
    elif isinstance(field, kit.DateField):
        yield from ("0001-01-01", "9999-12-31", "2024-02-29")
    elif isinstance(field, kit.FloatField):
        above = field.column_name == "token_per_hour"  # whose table refuses nought as well
        yield 1e-300 if above else -1e308 if field.min is None else float(field.min)
        yield 1e308 if field.max is None else float(field.max)
    elif isinstance(field, kit.DecimalField):
        yield from (field.db_value(10 ** (field.max_digits - field.scale) - 1), field.db_value(0))
    elif isinstance(field, kit.JSONField):
        yield from ("[]", "null", '"x"', '{"a": [1.5, true, null, "é"]}')
    if field.null:
        yield None


@pytest.mark.parametrize(("model", "field"), COLUMNS, ids=name_of)
def test_a_column_refuses_what_is_outside_it(db, model, field):
    """Each bad value is a typed error that names the CHECK, and the row is not there afterwards."""
    base = row_for(db, model)
    for value, constraint in refused_values(field):
        others = tied(model, field.column_name, value)
        row = {**base, "id": str(uuid.uuid4()), **others, field.column_name: value}
        with pytest.raises(DatapkgError) as caught:
            insert(db, model, row)
        if constraint is not None:
            assert isinstance(caught.value, ConflictError), (value, caught.value)
            assert caught.value.constraint == constraint
    if not field.null:
        with pytest.raises(ConflictError) as caught:
            insert(db, model, {**base, "id": str(uuid.uuid4()), field.column_name: None})
        assert caught.value.constraint == f"nn_{model._meta.table_name}_{field.column_name}"
    assert db.fetch(f"SELECT count(*) FROM {model._meta.table_name} WHERE id = {db.dialect.param}", (base["id"],)) == [
        (0,)
    ]


@pytest.mark.parametrize(("model", "field"), COLUMNS, ids=name_of)
def test_a_column_accepts_what_is_just_inside(db, model, field):
    """The widest and narrowest values are stored."""
    table = model._meta.table_name
    for value in accepted_values(field):
        row = row_for(db, model, **{field.column_name: value})
        insert(db, model, row)
        stored = db.fetch(f'SELECT "{field.column_name}" FROM {table} WHERE id = {db.dialect.param}', (row["id"],))
        assert len(stored) == 1
        if isinstance(value, (str, int)) and not isinstance(field, (kit.JSONField, kit.TimestampField, kit.DateField)):
            assert stored[0][0] == value
        elif isinstance(field, kit.TimestampField) and value is not None:
            assert field.python_value(stored[0][0]) == dt.datetime.fromisoformat(value)
        with transaction(), db.open_gate(table):  # room for the next one under the same unique key
            db.change(f"DELETE FROM {table} WHERE id = {db.dialect.param}", (row["id"],))


UNIQUE = [
    (model, tuple(part.column_name for part in index._expressions))
    for model in MODELS
    for index in model._meta.fields_to_index()
    if index._unique
]
UNIQUE_INDEXES = {model: [columns for each, columns in UNIQUE if each is model] for model in MODELS}
PARTIAL = {
    (model, tuple(part.column_name for part in index._expressions)): True
    for model in MODELS
    for index in model._meta.fields_to_index()
    if index._unique and index._where is not None
}


@pytest.mark.parametrize(("model", "columns"), UNIQUE, ids=name_of)
def test_a_unique_constraint_refuses_the_same_and_accepts_the_next(db, model, columns):
    """The same values twice name the constraint; with one of several columns changed they are accepted."""
    fields = model._meta.columns
    # An empty column is different from every other.
    references = {
        column: put(db, fields[column].rel_model)["id"]
        for column in columns
        if isinstance(fields[column], kit.ForeignKey) and fields[column].null
    }
    first = put(db, model, **references)
    again = {**row_for(db, model), **{column: first[column] for column in columns}}
    table = model._meta.table_name
    for other in UNIQUE_INDEXES[model]:
        if other != columns:  # only the one that is tried may be broken
            for column in set(other) - set(columns):
                if isinstance(fields[column], kit.IntegerField):
                    again[column] = first[column] + 1
            if PARTIAL.get((model, other)):
                again["status"] = fields["status"].values[1]
    alone = {
        part.column_name for index in model._meta.fields_to_index() if index._unique for part in index._expressions
    }
    with pytest.raises(ConflictError) as caught:
        insert(db, model, again)
    # Where a column is unique by itself too, either constraint may be the one that is told.
    assert caught.value.constraint.startswith(f"uq_{table}_")
    if len(columns) == 1 or not any((model, (column,)) in UNIQUE for column in columns):
        assert caught.value.constraint == "_".join(("uq", table, *columns))
        assert set(caught.value.columns) == set(columns)
    enumerated = {field.column_name for field in model._meta.sorted_fields if isinstance(field, kit.EnumField)}
    for column in set(columns) & alone - enumerated:
        other = row_for(db, model)
        row = {**again, "id": other["id"], column: other[column]}
        if isinstance(fields[column], kit.IntegerField):
            row[column] = first[column] + 1
        for taken in alone - set(columns):  # another unique column must not be in the way
            row[taken] = other[taken] if not isinstance(fields[taken], kit.IntegerField) else first[taken] + 1
        if any((model, (name,)) in UNIQUE and row[name] == first[name] for name in columns):
            continue
        insert(db, model, row)


def test_a_primary_key_is_unique(db):
    """On every table; the error names it."""
    for model in MODELS:
        row = put(db, model)
        with pytest.raises(ConflictError):
            insert(db, model, row)


FOREIGN_KEYS = [(model, field) for model, field in COLUMNS if isinstance(field, kit.ForeignKey)]


@pytest.mark.parametrize(("model", "field"), FOREIGN_KEYS, ids=name_of)
def test_a_reference_must_exist_and_follows_its_rule_when_the_parent_goes(db, model, field):
    """An unknown parent is refused; deleting the parent cascades, restricts or empties as declared."""
    with pytest.raises(ConflictError):
        insert(db, model, row_for(db, model, **{field.column_name: str(uuid.uuid4())}))
    parent = put(db, field.rel_model)
    child = put(db, model, **{field.column_name: parent["id"]})
    delete = f"DELETE FROM {field.rel_model._meta.table_name} WHERE id = {db.dialect.param}"
    look = f'SELECT "{field.column_name}" FROM {model._meta.table_name} WHERE id = {db.dialect.param}'
    if field.on_delete == "RESTRICT":
        with pytest.raises(ConflictError), transaction(), db.open_gate(field.rel_model._meta.table_name):
            db.change(delete, (parent["id"],))
        assert db.fetch(look, (child["id"],)) == [(parent["id"],)]
    else:
        db.change(delete, (parent["id"],))
        assert db.fetch(look, (child["id"],)) == ([] if field.on_delete == "CASCADE" else [(None,)])


def test_every_reference_says_what_happens_to_it():
    """No foreign key is left to the engine's default."""
    assert FOREIGN_KEYS
    assert {field.on_delete for _, field in FOREIGN_KEYS} <= {"RESTRICT", "CASCADE", "SET NULL"}


def test_no_index_repeats_a_unique_constraint_or_another_index():
    """An index that starts like another one with the same columns is waste."""
    for model in MODELS:
        indexes = [tuple(part.column_name for part in index._expressions) for index in model._meta.fields_to_index()]
        partial = [
            tuple(part.column_name for part in index._expressions)
            for index in model._meta.fields_to_index()
            if index._where is not None
        ]
        for index in [each for each in indexes if each not in partial]:
            longer = [other for other in indexes if other != index and other[: len(index)] == index]
            assert not longer, f"{model._meta.table_name}: {index} is the beginning of {longer}"
        assert len(set(indexes)) == len(indexes)
