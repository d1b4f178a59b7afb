"""The tests of a split against SciPy, and against figures worked out by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from scipy import stats

from datapkg.engagement.ab_statistics import binomial_p_value, chi_square_p_value, split_p_value

SPLITS = (0.5, 0.1, 0.9, 0.37, 1e-6, 1 / 3)


def test_chi_square_agrees_with_scipy():
    """From even to absurd counts, the p-value is SciPy's, down to the smallest."""
    for split in SPLITS:
        for n in (10, 1000, 10**6, 10**9):
            for off in (0, 1, n // 50, n // 10):
                in_a = min(n, round(n * split) + off)
                expected = stats.chisquare([in_a, n - in_a], [n * split, n * (1 - split)]).pvalue
                assert chi_square_p_value(in_a, n - in_a, split=split) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_the_exact_test_agrees_with_scipy():
    """For every count of small numbers, and around the expected one of larger ones."""
    for split in SPLITS:
        for n in (1, 2, 7, 30):
            for in_a in range(n + 1):
                expected = stats.binomtest(in_a, n, split).pvalue
                assert binomial_p_value(in_a, n - in_a, split=split) == pytest.approx(expected, rel=1e-7, abs=1e-300)
        for n in (199, 5000 if min(split, 1 - split) < 0.01 else 150):
            for in_a in {0, n // 3, round(n * split), round(n * split) + 3, n}:
                expected = stats.binomtest(in_a, n, split).pvalue
                assert binomial_p_value(in_a, n - in_a, split=split) == pytest.approx(expected, rel=1e-6, abs=1e-300)


def test_the_exact_test_agrees_with_fractions():
    """Worked out without rounding: outcomes as likely as the one found count, on either side."""
    for n, in_a, split in ((9, 2, Fraction(1, 2)), (12, 6, Fraction(1, 4)), (8, 0, Fraction(3, 4))):
        likely = [math.comb(n, k) * split**k * (1 - split) ** (n - k) for k in range(n + 1)]
        wanted = sum(each for each in likely if each <= likely[in_a])
        assert binomial_p_value(in_a, n - in_a, split=float(split)) == pytest.approx(float(wanted), rel=1e-12)


def test_cases_worked_out_by_hand():
    """Coins: ten heads of ten, an even split, a split of all or nothing; and the change from one test to the other."""
    assert binomial_p_value(10, 0, split=0.5) == pytest.approx(2 / 1024)
    assert binomial_p_value(5, 5, split=0.5) == pytest.approx(1)
    assert binomial_p_value(2, 1, split=0.5) == pytest.approx(1)
    assert chi_square_p_value(50, 50, split=0.5) == 1
    # Off by 1.96 standard deviations of 50: p is 5 %.
    assert chi_square_p_value(5000 + 98, 5000 - 98, split=0.5) == pytest.approx(0.05, abs=1e-4)
    assert split_p_value(7, 0, split=1) == split_p_value(0, 7, split=0) == ("binomial", 1)
    assert split_p_value(6, 1, split=1) == split_p_value(1, 6, split=0) == ("binomial", 0)
    assert split_p_value(100, 99, split=0.5)[0] == "binomial"
    assert split_p_value(100, 100, split=0.5)[0] == "chi-square"
    # Chance gives five where one is expected more than once in a thousand times; chi-square would say 6 in 100,000.
    test, p_value = split_p_value(5, 999_995, split=1e-6)
    assert (test, round(p_value, 5)) == ("binomial", 0.00366)
    assert split_p_value(10**6, 0, split=1e-6) == ("binomial", 0)
