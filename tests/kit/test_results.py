"""Lists for people: a table in a terminal, escaped HTML in a notebook, a DataFrame on request."""

from __future__ import annotations

import datetime as dt
import pickle
import subprocess
import sys
from typing import Any

import pytest

from datapkg.kit.engines import KitDatabase
from datapkg.kit.fields import DecimalField, JSONField, TextField, TimestampField
from datapkg.kit.markup import html_table
from datapkg.kit.models import Model
from datapkg.kit.results import Rows, cell, text_table

MOMENT = dt.datetime(2024, 2, 29, 12, 30, 45, 678, tzinfo=dt.UTC)


class Login(Model):
    """A row with a secret."""

    name = TextField()
    token = TextField(secret=True)
    at = TimestampField(null=True)
    price = DecimalField(max_digits=6, scale=2, null=True)
    doc = JSONField(null=True)

    class Meta:
        table_name = "kit_logins"


def logins(number: int = 3, **values: Any) -> Rows[Login]:
    """Rows that were never stored."""
    return Rows(Login(name=f"n{each}", token="hunter2", at=MOMENT, doc={"a": each}, **values) for each in range(number))


def test_rows_are_a_list() -> None:
    """Indexing, slicing, length, equality, iteration and pickling are a list's."""
    rows = Rows([{"a": 1}, {"a": 2}])
    assert rows == [{"a": 1}, {"a": 2}]
    assert (rows[0], rows[-1], len(rows), list(rows[1:]), bool(Rows())) == ({"a": 1}, {"a": 2}, 2, [{"a": 2}], False)
    assert isinstance(rows, list)
    again = pickle.loads(pickle.dumps(rows))
    assert (again, type(again)) == (rows, Rows)


def test_the_terminal_shows_an_aligned_table() -> None:
    """Columns are aligned, numbers to the right, empty values blank, booleans as words."""
    rows = Rows([{"name": "one", "size": 5, "ok": True}, {"name": "three", "size": -1500, "ok": None}])
    assert repr(rows).splitlines() == [
        "name    size  ok",
        "─────  ─────  ───",
        "one        5  yes",
        "three  -1500",
    ]


def test_long_lists_and_long_texts_are_cut_and_say_so() -> None:
    """At most twenty rows are shown, with the number of the others; long cells end in an ellipsis."""
    rows = Rows({"text": "x" * 500 + str(number)} for number in range(25))
    lines = repr(rows).splitlines()
    assert len(lines) == 2 + 20 + 1
    assert lines[-1] == "… and 5 more"
    assert lines[2].endswith("…") and len(lines[2]) == 40
    assert rows._repr_html_().count("<tr>") == 21
    assert "25 rows, 20 shown" in rows._repr_html_()


def test_control_characters_cannot_reach_the_terminal() -> None:
    """Escape sequences, line breaks and bidirectional marks in a value do not change the terminal or the table."""
    shown = repr(Rows([{"a": "\x1b[31mred\n\r\tline\u202e\x07"}]))
    assert not set(shown) & set("\x1b\r\t\x07\u202e")
    assert len(shown.splitlines()) == 3


def test_an_empty_list_says_so() -> None:
    """Nothing found is shown as such."""
    assert (repr(Rows()), Rows()._repr_html_(), Rows().columns()) == ("(no rows)", "<p>(no rows)</p>", [])


def test_secrets_are_in_no_table() -> None:
    """A secret column is missing from the text, the HTML, the records and the DataFrame."""
    rows = logins()
    assert "token" not in rows.columns()
    for shown in (repr(rows), str(rows), rows._repr_html_(), str(rows.records()), rows.df().to_csv()):
        assert "hunter2" not in shown and "token" not in shown
        assert "n0" in shown


def test_html_is_escaped_everywhere() -> None:
    """Markup in values, column names and captions stays text."""
    markup = "<img src=x onerror=alert(1)>&\"'"
    for shown in (
        Rows([{markup: markup}])._repr_html_(),
        Rows([Login(name=markup, token="x", doc={markup: [markup]})])._repr_html_(),
        html_table([markup], [[markup]], caption=markup),
    ):
        assert "<img" not in shown
        assert "&lt;img src=x onerror=alert(1)&gt;&amp;" in shown


def test_a_data_frame_has_a_column_for_each_public_column(db: KitDatabase) -> None:
    """Times are aware UTC datetimes, documents decoded, the order that of the list; an empty list is an empty frame."""
    db.create_tables([Login])
    for row in logins(price="1.50"):
        row.save()
    rows = Rows(Login.select().order_by(Login.name.desc()))
    frame = rows.df()
    assert list(frame.columns) == rows.columns()
    assert set(frame.columns) == {"id", "created_at", "name", "at", "price", "doc"}
    assert list(frame["name"]) == ["n2", "n1", "n0"]
    assert str(frame["at"].dt.tz) == "UTC" and frame["at"][0] == MOMENT
    assert frame["doc"][0] == {"a": 2}
    assert str(frame["price"][0]) == "1.50"
    assert Rows().df().empty


def test_without_pandas_the_error_says_how_to_get_it() -> None:
    """A program without the extra gets a ConfigurationError that names it; everything else works."""
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from datapkg.kit.results import Rows\n"
        "from datapkg.kit.errors import ConfigurationError\n"
        "rows = Rows([{'a': 1}]); print(rows)\n"
        "try: rows.df()\n"
        "except ConfigurationError as error: print(error.fix)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install pandas" in result.stdout


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (MOMENT, "2024-02-29 12:30:45"),
        (1.5, "1.5"),
        ("  a \n b ", "a b"),
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 39 + "…"),
    ],
)
def test_cells(value: object, text: str) -> None:
    """A value is one short line."""
    assert cell(value) == text


def test_a_text_table_without_rows_has_its_head() -> None:
    """Columns are shown also where nothing is under them."""
    assert text_table(["a", "longer"], []).splitlines() == ["a  longer", "─  ──────"]
