"""Paired differences: against SciPy, and against exact fractions."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from datapkg.evaluation.paired import PairedSums

FLOATS = st.floats(allow_nan=False, allow_infinity=False, max_value=1e300, min_value=-1e300)


def summed(pairs):
    """Return the sums of some pairs."""
    sums = PairedSums()
    for baseline, comparison in pairs:
        sums.add(baseline, comparison)
    return sums


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=2, max_size=30))
def test_means_are_the_floats_nearest_to_the_exact_ones(pairs):
    """Whatever the sizes of the numbers, a mean is rounded once, and the error is next to the exact one."""
    sums = summed(pairs)
    n = len(pairs)
    differences = [Fraction(second) - Fraction(first) for first, second in pairs]
    assert sums.n == n
    assert sums.baseline_mean == float(sum(Fraction(first) for first, _ in pairs) / n)
    assert sums.comparison_mean == float(sum(Fraction(second) for _, second in pairs) / n)
    mean = sum(differences) / n
    assert sums.mean_difference == float(mean)
    square = sum((each - mean) ** 2 for each in differences) / (n - 1) / n
    error = sums.standard_error
    assert (Fraction(math.nextafter(error, 0)) ** 2 <= square) or error == 0
    assert Fraction(math.nextafter(error, math.inf)) ** 2 >= square


@given(st.lists(st.tuples(FLOATS, FLOATS), max_size=20), st.randoms())
def test_the_order_of_the_pairs_does_not_count(pairs, chance):
    """Any order gives the same result bit for bit."""
    other = list(pairs)
    chance.shuffle(other)
    assert figures(summed(pairs)) == figures(summed(other))


def figures(sums):
    """Return all that is read from sums."""
    return sums.n, sums.baseline_mean, sums.comparison_mean, sums.mean_difference, sums.standard_error


@given(
    st.integers(0, 2**32),
    st.integers(2, 200),
    st.sampled_from([0.0, 1.0, -1e6, 1e9, 1e12]),
    st.sampled_from([1e-3, 1.0, 1e4]),
)
def test_it_agrees_with_scipy(seed, n, offset, spread):
    """SciPy's paired t is the mean difference over its standard error, also far from zero."""
    chance = random.Random(seed)
    baseline = [offset + chance.gauss(0, 1) * spread for _ in range(n)]
    comparison = [each + chance.gauss(0.5, 1) * spread for each in baseline]
    sums = summed(zip(baseline, comparison, strict=True))
    # Far from zero the numbers are coarse: few small differences may all be one, and t has no divisor then.
    assume(sums.standard_error)
    found = stats.ttest_rel(comparison, baseline)
    assert sums.mean_difference / sums.standard_error == pytest.approx(found.statistic, rel=1e-6)
    differences = [second - first for first, second in zip(baseline, comparison, strict=True)]
    assert sums.standard_error == pytest.approx(stats.sem(differences), rel=1e-9)


def test_too_few_pairs_have_no_figures():
    """Without a pair there is no mean, with one there is no standard error."""
    assert figures(PairedSums()) == (0, None, None, None, None)
    assert figures(summed([(1.0, 3.0)])) == (1, 1.0, 3.0, 2.0, None)
    assert figures(summed([(1.0, 3.0)] * 2)) == (2, 1.0, 3.0, 2.0, 0.0)


@pytest.mark.parametrize(
    ("pairs", "mean", "error"),
    [
        ([(0.0, 5e-324), (0.0, 5e-324)], 5e-324, 0.0),
        ([(0.0, 1e-320), (0.0, -1e-320)], 0.0, 1e-320),
        ([(0.0, 1e200), (0.0, -1e200)], 0.0, 1e200),
        ([(1e308, -5e307), (-1e308, 5e307)], 0.0, 1.5e308),
        ([(0, 2**63 - 1), (0, 2**63 + 1)], float(2**63), 1.0),
    ],
)
def test_the_extremes_are_exact(pairs, mean, error):
    """The smallest and the largest numbers, and integers of 64 bits, lose nothing to their squares."""
    sums = summed(pairs)
    assert (sums.mean_difference, sums.standard_error) == (mean, error)


def test_what_no_float_holds_is_an_overflow():
    """A difference may be too large although both numbers are not; their means are still there."""
    sums = summed([(-1.7e308, 1.7e308), (-1.7e308, 1.7e308)])
    with pytest.raises(OverflowError):
        _ = sums.mean_difference
    assert (sums.baseline_mean, sums.comparison_mean) == (-1.7e308, 1.7e308)
    wide = summed([(-1.7e308, 1.7e308), (1.7e308, -1.7e308)])
    assert wide.mean_difference == 0.0
    with pytest.raises(OverflowError):
        _ = wide.standard_error
