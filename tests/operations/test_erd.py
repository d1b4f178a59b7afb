"""The drawing of the tables: where boxes and arrows are, what it says, and the copies in the documentation."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import datapkg
from datapkg import Domain, MutableModel, registry
from datapkg.errors import ConfigurationError, NotFoundError
from datapkg.kit.fields import EnumField, ForeignKey, TextField
from datapkg.operations.bookkeeping import BOOKS
from datapkg.operations.erd_drawing import draw
from datapkg.operations.erd_layout import HEAD, ROW, Reference, lay_out

IMAGES = Path(__file__).parents[2] / "docs" / "images"
NAMES = [each.name for each in (*registry.domains(), BOOKS)]


@st.composite
def tables(draw):
    """Boxes and arrows between them: forwards, backwards, to themselves, several between two."""
    count = draw(st.integers(1, 9))
    sizes = {f"t{index}": (draw(st.integers(60, 300)), draw(st.integers(1, 8))) for index in range(count)}
    names = st.sampled_from(list(sizes))
    found = draw(st.lists(st.tuples(names, names), max_size=14))
    rows = dict.fromkeys(sizes, 0)
    references = []
    for child, parent in found:
        if rows[child] < sizes[child][1]:
            references.append(Reference(child, rows[child], parent))
            rows[child] += 1
    return sizes, references


def segments(line):
    """The parts of a line, each as its left or upper end and its right or lower end."""
    return [tuple(sorted(pair)) for pair in itertools.pairwise(line) if pair[0] != pair[1]]


@given(tables())
def test_nothing_runs_over_anything(given_tables):
    """Boxes keep apart; lines run level and upright, round every box; those to two tables never lie on each other."""
    sizes, references = given_tables
    layout = lay_out(sizes, references, broad=900)
    boxes = {
        name: (x, y, x + sizes[name][0], y + HEAD + sizes[name][1] * ROW + ROW // 2)
        for name, (x, y) in layout.places.items()
    }
    assert boxes.keys() == sizes.keys()
    for left, upper, right, lower in boxes.values():
        assert left >= 0 and upper >= 0 and right <= layout.width and lower <= layout.height
    for (a, b, c, d), (e, f, g, h) in itertools.combinations(boxes.values(), 2):
        assert c + ROW // 2 <= e or g + ROW // 2 <= a or d + ROW // 2 <= f or h + ROW // 2 <= b
    level = []
    for reference, line in zip(references, layout.lines, strict=True):
        child, parent = boxes[reference.child], boxes[reference.parent]
        middle = child[1] + HEAD + reference.row * ROW + ROW // 2
        assert line[0][0] in (child[0], child[2]) and abs(line[0][1] - middle) < ROW // 2
        assert line[-1][0] == parent[2] and parent[1] < line[-1][1] < parent[1] + HEAD
        for (x, y), (to_x, to_y) in segments(line):
            assert x == to_x or y == to_y
            assert 0 <= x <= to_x <= layout.width and 0 <= y <= to_y <= layout.height
            for left, upper, right, lower in boxes.values():
                assert to_x <= left or x >= right or to_y <= upper or y >= lower
            level.append((reference.parent, x == to_x, x, y, to_x, to_y))
    for (one, upright, x, y, to_x, to_y), (other, too, e, f, to_e, to_f) in itertools.combinations(level, 2):
        if one != other and upright == too:
            on_each_other = x == e and y < to_f and f < to_y if upright else y == f and x < to_e and e < to_x
            assert not on_each_other


def test_the_drawing_tells_what_the_models_say():
    """Every table, column, reference and mark is there, well-formed, the same in another process with other hashes."""
    erd = datapkg.erd()
    root = ET.fromstring(erd.svg)
    texts = {each.text for each in root.iter("{http://www.w3.org/2000/svg}text")}
    titles = {each.text for each in root.iter("{http://www.w3.org/2000/svg}title")}
    models = [model for domain in (*registry.domains(), BOOKS) for model in domain.models]
    for model in models:
        assert model._meta.table_name in texts
        assert {field.column_name for field in model._meta.sorted_fields} <= texts
    assert "runs.definition_id → definitions.id, ON DELETE RESTRICT" in titles
    assert {"uuid?", "text 254 U", "text 64 U secret", "document", "decimal 14,6", "PK", "FK"} <= texts
    assert any("unique together: platform, platform_id" in title for title in titles)
    arrows = sum(isinstance(field, ForeignKey) for model in models for field in model._meta.sorted_fields)
    assert erd.svg.count('<g stroke="') == arrows > 40
    assert repr(erd) == f"<Erd of {len(models)} tables>" and str(erd) == erd._repr_svg_() == erd.svg
    told = subprocess.run(
        [sys.executable, "-c", "import datapkg; print(datapkg.erd().svg, end='')"],
        env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == erd.svg
    assert erd.svg.isascii() and "http" not in erd.svg.replace("http://www.w3.org/2000/svg", "")


def test_names_of_ones_own_are_escaped_and_drawn():
    """Any name is text, never markup; references to other domains' tables end at their names."""

    class Odd(MutableModel):
        """<b>Odd</b> & "quoted"."""

        kind = EnumField(choices=("<a>", "b&c"), column_name='kind<&">')
        note = TextField(null=True)

        class Meta:
            table_name = "odd<&'\">"

    class Other(MutableModel):
        """Refers to the odd one, and to itself."""

        odd = ForeignKey(Odd, on_delete="SET NULL", null=True)
        before = ForeignKey("self", on_delete="CASCADE", null=True, unique=True)

        class Meta:
            table_name = "others"

    first, second = (Domain(name=name, models=(model,)) for name, model in (("a<b", Odd), ("c&d", Other)))
    text = draw([first, second], [first, second])
    root = ET.fromstring(text)
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("odd<&'\">") == 2 and 'kind<&">' in texts and "a<b" in texts
    titles = [each.text for each in root.iter("{http://www.w3.org/2000/svg}title")]
    assert 'odd<&\'">.kind<&">: <a>, b&c' in titles and "others.before_id → others.id, ON DELETE CASCADE" in titles


def test_saving_replaces_drawings_alone(tmp_path):
    """An older drawing is replaced, any other file only when told to; an unknown domain is refused."""
    path = datapkg.erd(["flags"]).save(tmp_path / "tables.svg")
    assert "audit_logs" not in path.read_text()
    assert datapkg.erd(["audit"]).save(str(path)) == path and "audit_logs" in path.read_text()
    path.write_text("<svg>of mine</svg>")
    with pytest.raises(ConfigurationError, match="no drawing of tables"):
        datapkg.erd(["flags"]).save(path)
    assert path.read_text() == "<svg>of mine</svg>"
    assert "feature_flags" in datapkg.erd(["flags"]).save(path, overwrite=True).read_text()
    with pytest.raises(NotFoundError) as caught:
        datapkg.erd(["flags", "flaggs"])
    assert "flags, accounts" in caught.value.fix


@pytest.mark.parametrize("name", NAMES)
def test_the_drawings_in_the_documentation_are_current(name):
    """After a change of a model: ``datapkg erd --domain NAME --output docs/images/erd-NAME.svg``."""
    assert (IMAGES / f"erd-{name}.svg").read_text(encoding="utf-8") == datapkg.erd([name]).svg
