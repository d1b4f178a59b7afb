"""DataFrames: the same columns with the same types from both engines, whether there are rows or not."""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
import re
from decimal import Decimal
from typing import Any, Literal, TypedDict
from uuid import UUID

import numpy
import pandas
import peewee as pw
import pytest
from pandas.testing import assert_frame_equal

import datapkg
from datapkg import evaluation, planning, registry, scripts
from datapkg.kit.documents import Document
from datapkg.kit.engines import KitDatabase
from datapkg.kit.fields import (
    BigIntegerField,
    BooleanField,
    DateField,
    DecimalField,
    DocumentField,
    EnumField,
    FloatField,
    ForeignKey,
    IntegerField,
    JSONField,
    TextField,
    TimestampField,
)
from datapkg.kit.models import Model
from datapkg.kit.results import Rows
from datapkg.kit.schemas import Schema, Text
from datapkg.testing import factories

TEXT = pandas.StringDtype(na_value=numpy.nan)
GRADES = pandas.CategoricalDtype(["LOW", "HIGH"])
KEYS = [UUID(int=number) for number in (3, 1, 2)]


class NoteSchema(Schema):
    """A document."""

    text = Text(0, 100)


def _v0_to_v1(stored: dict[str, object]) -> dict[str, object]:
    return stored


class Kinds(Model):
    """A column of every kind, once as it must be there and once as it may be empty."""

    text = TextField()
    text_or_none = TextField(null=True)
    grade = EnumField(choices=("LOW", "HIGH"))
    grade_or_none = EnumField(choices=("LOW", "HIGH"), null=True)
    whole = IntegerField()
    whole_or_none = BigIntegerField(null=True)
    flag = BooleanField()
    flag_or_none = BooleanField(null=True)
    figure = FloatField()
    figure_or_none = FloatField(null=True)
    price = DecimalField(max_digits=18, scale=4, null=True)
    moment_or_none = TimestampField(null=True)
    day = DateField(null=True)
    other = ForeignKey("self", on_delete="RESTRICT", null=True)
    anything = JSONField(null=True)
    note = DocumentField(Document("frame-note", NoteSchema, upcasters=(_v0_to_v1,)), null=True)
    hidden = TextField(secret=True, default="hunter2")

    class Meta:
        table_name = "kit_kinds"


FIRST, LAST = dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)
COLUMNS: dict[str, tuple[list[Any], Any]] = {
    "id": ([str(key) for key in KEYS], TEXT),
    "text": (["", "é\U0001f600", "None"], TEXT),
    "text_or_none": ([None, "nan", "x"], TEXT),
    "grade": (["LOW", "HIGH", "LOW"], GRADES),
    "grade_or_none": (["HIGH", None, None], GRADES),
    "whole": ([0, -(2**31), 2**31 - 1], "int64"),
    "whole_or_none": ([2**63 - 1, None, -(2**63)], "Int64"),
    "flag": ([True, False, True], "bool"),
    "flag_or_none": ([None, True, False], "boolean"),
    "figure": ([0.1, 1e308, -5e-324], "float64"),
    "figure_or_none": ([None, 1.0, 0.30000000000000004], "float64"),
    "price": ([Decimal("99999999999999.9999"), None, Decimal("-0.1000")], object),
    "moment_or_none": ([FIRST, None, LAST], "datetime64[us, UTC]"),
    "day": ([dt.date(1, 1, 1), dt.date(9999, 12, 31), None], "datetime64[s]"),
    "other_id": ([None, str(KEYS[0]), str(KEYS[0])], TEXT),
    "anything": ([{"b": [1, None]}, None, 1.5], object),
    "note": ([{"schema_version": 1, "text": "a"}, None, {"schema_version": 1, "text": ""}], object),
    "created_at": ([FIRST, LAST, LAST], "datetime64[us, UTC]"),
}


def expected() -> pandas.DataFrame:
    """The frame of the three rows, written by hand."""
    return pandas.DataFrame({name: pandas.Series(values, dtype=dtype) for name, (values, dtype) in COLUMNS.items()})


def test_a_frame_holds_every_kind_of_column_alike_on_both_engines(db: KitDatabase) -> None:
    """Texts, extremes and empty values come out as they went in, each column with its one type; secrets stay out."""
    db.create_tables([Kinds])
    for number, key in enumerate(KEYS):
        values = {name: column[number] for name, (column, _) in COLUMNS.items() if name != "id"}
        Kinds(id=key, **values).save()
    stored = {row.id: row for row in Kinds.select()}
    assert_frame_equal(Rows(stored[key] for key in KEYS).df(), expected())
    one = Rows(Kinds.select().where(Kinds.id == KEYS[1]), of=Kinds).df()
    assert_frame_equal(one, expected().iloc[[1]].reset_index(drop=True))


def test_no_rows_give_the_same_columns_with_the_same_types(db: KitDatabase) -> None:
    """An empty list knows what it would hold, so that code written for a full one goes on working."""
    db.create_tables([Kinds])
    assert_frame_equal(Rows(Kinds.select(), of=Kinds).df(), expected().iloc[:0])
    assert Rows(of=Kinds).columns() == list(COLUMNS)


def test_keys_join() -> None:
    """Two frames meet by a key and the reference to it, and by what a CSV file made of them."""
    rows = [Kinds(id=KEYS[0], text="a"), Kinds(id=KEYS[1], text="b", other=KEYS[0])]
    frame = Rows(rows, of=Kinds).df()
    joined = frame.merge(frame, left_on="other_id", right_on="id")
    assert list(joined["text_x"]) == ["b"] and list(joined["text_y"]) == ["a"]


class Named(TypedDict):
    """A row that is a dictionary."""

    key: UUID
    kind: Literal["a", "b"]
    score: float | None
    parts: list[int]


@dataclasses.dataclass(frozen=True)
class Counted:
    """A row that is a dataclass."""

    name: str
    count: int
    seen: int | None
    sure: bool
    on: dt.date | None


@pytest.mark.parametrize(
    ("of", "row", "dtypes"),
    [
        (
            Named,
            {"key": KEYS[0], "kind": "b", "score": None, "parts": [1]},
            {"key": TEXT, "kind": pandas.CategoricalDtype(["a", "b"]), "score": "float64", "parts": object},
        ),
        (
            Counted,
            Counted("x", 1, None, True, dt.date(2026, 11, 21)),
            {"name": TEXT, "count": "int64", "seen": "Int64", "sure": "bool", "on": "datetime64[s]"},
        ),
        ({"a": str, "b": int | None}, {"a": "x", "b": None}, {"a": TEXT, "b": "Int64"}),
    ],
    ids=["TypedDict", "dataclass", "mapping"],
)
def test_rows_of_other_kinds_have_types_too(of: Any, row: Any, dtypes: dict[str, Any]) -> None:
    """What a TypedDict, a dataclass or a plain shape says of a column is its type, with and without rows."""
    for rows in (Rows([row], of=of), Rows(of=of)):
        assert dict(rows.df().dtypes) == dtypes


class Plain(Model):
    """A table with a column of Peewee's own."""

    title = pw.CharField()


@dataclasses.dataclass
class Elsewhere:
    """A row with a type that only type checkers know."""

    name: str
    what: NoSuchType  # noqa: F821  # that is the point


def test_what_is_not_known_is_left_to_pandas() -> None:
    """A column of another library, and a class whose annotations cannot be looked up, give a frame all the same."""
    assert list(Rows([Plain(title="a")]).df()["title"]) == ["a"]
    assert list(Rows([Elsewhere("x", 1)]).df().columns) == ["name", "what"]
    assert Rows([1, 2][:0], of=int).df().empty


def test_every_table_has_one_shape(db: KitDatabase) -> None:
    """For every table of the demo data, what a full list gives is what an empty one promises, columns in order."""
    datapkg.seed(profile="demo")
    full = 0
    for model in registry.models():
        rows, empty = Rows(model.select()), Rows(of=model).df()
        assert list(empty.columns) == list(model.public_shape())
        if rows:
            full += 1
            assert_frame_equal(rows.df().iloc[:0], empty, obj=model.__name__)
    assert full > 15


def test_every_public_list_promises_its_columns(db: KitDatabase) -> None:
    """Each public function that gives rows and can be called without arguments names their columns without any row."""
    for name, module in {name: getattr(datapkg, name) for name in (*datapkg._DOMAINS, "retention")}.items():
        for function in map(module.__dict__.get, dir(module)):
            if not inspect.isfunction(function) or not re.match(r"Rows\[", str(function.__annotations__["return"])):
                continue
            needed = [each for each in inspect.signature(function).parameters.values() if each.default is each.empty]
            if not needed:
                rows = function()
                assert len(rows) == 0 and rows.columns(), f"{name}.{function.__name__}"
                assert list(rows.df().columns) == rows.columns()


def test_results_other_than_lists_have_frames(db: KitDatabase) -> None:
    """Trees, differences, balances, simulations, reports, health and plans give frames, with and without rows."""
    root = factories.make_definition(name="root")
    child = evaluation.fork_definition(root.id, name="child")
    evaluation.fork_definition(child.id, name="leaf")
    tree = evaluation.get_definition_tree(root.id, content=False).df()
    assert list(tree["path"]) == ["root", "root / child", "root / child / leaf"]
    assert list(tree["depth"]) == [0, 1, 2]
    assert dict(tree.dtypes)["parent_id"] == TEXT and "content" not in tree
    assert list(evaluation.diff_definitions(root.id, child.id).df()["path"]) == ["name"]
    assert list(evaluation.diff_definitions(root.id, root.id).df().columns) == ["path", "change", "before", "after"]
    assert evaluation.get_ancestors(root.id).df().columns[0] == "depth"

    scenario = factories.make_planning_scenario()
    for made in (planning.balance, planning.simulate):
        empty = made(scenario.id).df()
        assert len(empty) == 0 and empty["supply"].dtype == "float64"
    factories.make_demand(scenario_id=scenario.id)
    assert planning.balance(scenario.id).df()["status"].dtype == pandas.CategoricalDtype(["OK", "AT_RISK", "OVER"])
    assert planning.diff_scenarios(scenario.id, scenario.id).df().empty

    script = factories.make_script(text="a\nb\n")
    assert len(scripts.at(script.id, sequence=1).df()) > 0
    assert len(datapkg.health().df()) == 1
    assert datapkg.engagement.report().df().empty
    assert datapkg.retention.plan().df()["due"].dtype == "int64"
    assert datapkg.workqueue.plan().df()["critical"].dtype == "bool"
    assert datapkg.status().rows().df()["applied_at"].dtype == "datetime64[us, UTC]"
    assert list(datapkg.plan().df().columns)[:2] == ["history", "migration"]


def test_the_path_of_a_deep_tree_is_bounded() -> None:
    """A chain of thousands of forks does not fill the memory with paths."""
    top = evaluation.TreeNode(evaluation.Definition(name="n0"))
    top.definition.depth = 0
    node = top
    for number in range(1, 3000):
        below = evaluation.TreeNode(evaluation.Definition(name=f"n{number}"))
        below.definition.depth = number
        node.children.append(below)
        node = below
    frame = top.df()
    assert len(frame) == 3000
    assert frame["path"].iloc[-1].split(" / ") == [f"n{number}" for number in range(2950, 3000)]
