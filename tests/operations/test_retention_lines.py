"""Lines of archives: every value reads back as it was, also those that other columns and policies bring."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal

import pytest

from datapkg import registry
from datapkg.engagement.models import Post
from datapkg.engagement.retention import POSTS
from datapkg.errors import ConfigurationError
from datapkg.kit.database import open_database, override
from datapkg.kit.domains import Domain, RetentionPolicy
from datapkg.kit.fields import (
    BooleanField,
    DateField,
    DecimalField,
    FloatField,
    ForeignKey,
    IntegerField,
    JSONField,
    TextField,
    TimestampField,
)
from datapkg.kit.models import Model
from datapkg.operations.retention.layouts import layouts, period_of
from datapkg.operations.retention.lines import lines_of


class Sample(Model):
    """Every kind of column."""

    text = TextField(null=True)
    flag = BooleanField(null=True)
    number = IntegerField(null=True)
    rate = FloatField(null=True)
    price = DecimalField(max_digits=9, scale=2, null=True)
    day = DateField(null=True)
    at = TimestampField(null=True)
    extra = JSONField(null=True)


class Mark(Model):
    """Something that refers to a post and that no policy speaks of."""

    post = ForeignKey(Post, on_delete="CASCADE")


KEY = "0192e4a0-0000-7000-8000-000000000001"
AT = dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.timezone(dt.timedelta(hours=2)))
TEXTS = ["\n" * 50_000, '"', ",", "a,b\r\nc", '"\n,"', "\u2028é\t\\", "null", "ä" * 3, None]


@pytest.mark.parametrize("file_format", ["json", "csv"])
def test_every_value_reads_back(file_format):
    """Texts that look like the format's own marks, empty ones and NULL, and documents over several lines."""
    fields = Sample._meta.sorted_fields
    lines = lines_of(file_format, fields)
    documents = ['{"a":[1,2.50,"\\""]}', '"text"', "null", "[\n1,\r\n2]", "1e400", None]
    written = []
    with override(open_database("sqlite:///:memory:")):
        for place in range(18):
            text, extra = TEXTS[place % len(TEXTS)], documents[place % len(documents)]
            rest = (True, -7, 1e20, Decimal("1.50"), dt.date(2026, 1, 2), AT) if place % 2 else (None,) * 6
            values = dict(zip(("flag", "number", "rate", "price", "day", "at"), rest, strict=True))
            row = [KEY, AT, text, *values.values(), extra]
            written.append(lines.of_row([*map(_driver, fields, row)]))
        for place, line in enumerate(written):
            values = lines.values(line)
            assert values["text"] == TEXTS[place % len(TEXTS)]
            assert values["extra"] == documents[place % len(documents)]
            assert values["at"] == ("2026-01-02T01:04:05.000006Z" if place % 2 else None)
            assert lines.text([values[name] for name in lines.columns]) == line
            price = lines.bound(values)[lines.columns.index("price")]
            assert price == (Sample.price.db_value(Decimal("1.50")) if place % 2 else None)
    content = "".join(f"{line}\n" for line in [*filter(None, [lines.head]), *written])
    assert list(lines.records(io.StringIO(content, newline="\n"))) == written
    if file_format == "json":
        assert all(set(json.loads(line)) >= set(lines.columns) for line in written)


def _driver(field, value):
    """What SQLite's driver gives for a value."""
    return value if field.name == "extra" or value is None else field.db_value(value)


@pytest.mark.parametrize(
    "line",
    ["", "[]", '{"id"}', '{"id":}', '{"id":1', '{"id":1;', '{"id":1}x', "{1}", '{"id":"a" ,"b":1}'],
)
def test_a_line_of_something_else_is_refused(line):
    """By an error that says that the file is not ours, and not by whatever comes of it."""
    with pytest.raises(ValueError):
        lines_of("json", Sample._meta.sorted_fields).values(line)
    with pytest.raises(ValueError):
        lines_of("csv", Sample._meta.sorted_fields).values(line)


def test_lines_of_another_schema():
    """A column that is newer than the line takes its default; one that has become another kind does not read back."""
    made = lines_of("json", Post._meta.sorted_fields)
    bound = dict(zip(made.columns, made.bound({"id": KEY, "content": "c"}), strict=True))
    assert (bound["id"], bound["content"], bound["error_message"]) == (KEY, "c", None)
    assert bound["spam_filtered"] == Post.spam_filtered.db_value(False) and bound["error_count"] == 0
    lines = lines_of("json", [Sample.id, Sample.text])
    assert lines.reads_back(f'{{"id":"{KEY}","text":"5"}}')
    for other in (f'{{"id":"{KEY}","text":5}}', f'{{"id":"{KEY}"}}', f'{{"id":"{KEY}","text":[]}}', "{}"):
        assert not lines.reads_back(other)


def test_documents_count_by_content_where_engines_spell_them_differently():
    """The same row from another engine is the same; another number is not."""
    lines = lines_of("json", [Sample.id, Sample.extra])
    mine, theirs = f'{{"id":"{KEY}","extra":{{"a":1,"b":2}}}}', f'{{"id":"{KEY}","extra":{{"b": 2, "a": 1}}}}'
    assert lines.same(mine, theirs) and not lines.same(mine, theirs.replace("2", "2.0"))


@pytest.mark.parametrize(
    ("day", "month", "quarter", "year"),
    [
        ("2026-01-01", "2026-01", "2026-Q1", "2026"),
        ("2026-03-31", "2026-03", "2026-Q1", "2026"),
        ("0999-04-01", "0999-04", "0999-Q2", "0999"),
        ("2026-12-31", "2026-12", "2026-Q4", "2026"),
    ],
)
def test_periods(day, month, quarter, year):
    """A day's month, quarter and year."""
    assert [period_of(day, each) for each in ("month", "quarter", "year")] == [month, quarter, year]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": "../posts"}, "no name of a folder"),
        ({"format": "xml"}, "'xml'"),
        ({"period": "week"}, "'week'"),
        ({"by": "content"}, "no instant or date 'content'"),
        ({"parts": POSTS.parts[1:]}, "decisions.post_id refers to rows that would go"),
        ({"parts": ((Sample, "text"),)}, "no reference 'text' to posts"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(changes, why):
    """Above all one that would take rows along without archiving them."""
    given = {name: getattr(POSTS, name) for name in POSTS.__dataclass_fields__} | {"name": "own"} | changes
    with pytest.raises(ConfigurationError, match=why):
        layouts(policies=[RetentionPolicy(**given)])


def test_policies_of_registered_domains(tmp_path):
    """A domain's own tables only, by a field they have; what refers to an archived table must have a place too."""
    wrong = RetentionPolicy(name="samples", model=Post, by="detected_at", keep=dt.timedelta(1))
    domain = Domain(name="mine", models=(Sample,), migrations=tmp_path, retention=(wrong,))
    with pytest.raises(ConfigurationError, match="needs a table of the domain"):
        registry.register(domain)
    marks = Domain(name="mine", models=(Mark,), migrations=tmp_path)
    registry.register(marks)
    try:
        with pytest.raises(ConfigurationError, match=r"mark\.post_id refers to rows that would go"):
            layouts()
    finally:
        registry.unregister("mine")
    assert {layout.policy.name for layout in layouts()} == {"posts", "kpi_metrics", "audit_logs"}
