"""The draw of a sample: exact in number, the same everywhere, and open to anybody's check."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapkg.errors import ValidationError
from datapkg.evaluation.sampling import draw_sample

NAMES = [f"tone={number}" for number in range(40)]


def test_the_draw_is_the_documented_one():
    """Those with the smallest SHA-256 of seed and name are drawn, smallest first: the same for ever."""
    assert draw_sample(["a", "b", "c", "d", "é"], percentage=60, seed=7) == ["c", "é", "a"]
    by_hand = sorted(NAMES, key=lambda name: hashlib.sha256(f"7:{name}".encode()).hexdigest())
    assert draw_sample(NAMES, percentage=25, seed=7) == by_hand[:10]


def test_the_order_of_the_names_does_not_matter():
    """However they come, the same are drawn; another seed draws others."""
    shuffled = random.Random(1).sample(NAMES, len(NAMES))
    assert draw_sample(iter(shuffled), percentage=30, seed=1) == draw_sample(NAMES, percentage=30, seed=1)
    assert draw_sample(NAMES, percentage=30, seed=2) != draw_sample(NAMES, percentage=30, seed=1)


@pytest.mark.parametrize(
    ("number", "percentage", "drawn"),
    [
        (0, 50, 0),
        (1, 0.001, 1),
        (1000, 0.1, 1),  # as a binary fraction it is a little more than one
        (1000, 0.11, 2),
        (10, 10, 1),
        (10, 10.000001, 2),
        (3, 33.333, 1),
        (3, 33.334, 2),
        (700, 7, 49),
        (7, 99.9, 7),
        (7, 100, 7),
        (200, 28.999999999999996, 58),
    ],
)
def test_how_many_are_drawn(number, percentage, drawn):
    """The percentage counts as the decimal number it is written as, rounded up to whole names."""
    assert len(draw_sample(map(str, range(number)), percentage=percentage, seed=0)) == drawn


@given(st.sets(st.text(max_size=5)), st.floats(0.01, 100), st.floats(0.01, 100), st.integers(0, 2**53))
def test_a_greater_percentage_keeps_what_a_smaller_one_drew(names, one, other, seed):
    """With one seed the samples lie within each other, so a run can be widened."""
    names = {name for name in names if name.isprintable()}
    less, more = sorted((one, other))
    smaller = draw_sample(names, percentage=less, seed=seed)
    assert draw_sample(names, percentage=more, seed=seed)[: len(smaller)] == smaller


@pytest.mark.parametrize("percentage", [0, -1, 100.1, float("nan"), float("inf"), True, "50", None])
def test_no_percentage(percentage):
    """Percentage and seed are complained about together."""
    with pytest.raises(ValidationError) as caught:
        draw_sample(["a"], percentage=percentage, seed="1")
    assert set(caught.value.errors) == {"percentage", "seed"}


@pytest.mark.parametrize("names", [3, "abc", [1], ["\ud800"]], ids=["number", "text", "no-name", "surrogate"])
@pytest.mark.parametrize("seed", [-1, 2**53 + 1, 10**5000], ids=["negative", "large", "endless"])
def test_no_names_and_no_seed(names, seed):
    """What no run's config holds is refused, both at once."""
    with pytest.raises(ValidationError) as caught:
        draw_sample(names, percentage=50, seed=seed)
    assert set(caught.value.errors) == {"names", "seed"}
