"""Whether a split of subjects is what it was meant to be, with no more than the standard library.

A sample-ratio mismatch means that something other than chance decides who is counted where: a test of the metric is
then worth nothing. See Fabijan and others, "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments" (KDD
2019), and Kohavi, Tang and Xu, "Trustworthy Online Controlled Experiments" (2020), chapter 21, for the threshold.
"""

from __future__ import annotations

import math

__all__ = ["APPROXIMATE_FROM", "binomial_p_value", "chi_square_p_value", "split_p_value"]

APPROXIMATE_FROM = 100
"""From this many expected subjects in the smaller variant on, chi-square stands in for the exact test."""

_EQUAL = 1 + 1e-7  # two outcomes as likely as each other are rounded apart; R and SciPy allow for the same


def split_p_value(in_a: int, in_b: int, *, split: float) -> tuple[str, float]:
    """Return how likely a split at least as odd as this one is, and by which test.

    Args:
        in_a: how many subjects got A.
        in_b: how many got B; at least one subject in all.
        split: the share meant for A, 0 to 1.

    Returns:
        ``("binomial", p)``, exact, or ``("chi-square", p)`` where ``APPROXIMATE_FROM`` are expected on either side.
    """
    n = in_a + in_b
    if n * min(split, 1 - split) >= APPROXIMATE_FROM:
        return "chi-square", chi_square_p_value(in_a, in_b, split=split)
    return "binomial", binomial_p_value(in_a, in_b, split=split)


def chi_square_p_value(in_a: int, in_b: int, *, split: float) -> float:
    """Return the p-value of Pearson's chi-square test of two counts, without a correction for continuity.

    With one degree of freedom chi-square is the square of a standard normal variable, so that
    P(X > x) = erfc(sqrt(x / 2)) exactly (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.6.6; DLMF 7.2.2).

    Args:
        in_a: how many subjects got A.
        in_b: how many got B.
        split: the share meant for A, between 0 and 1.
    """
    n = in_a + in_b
    # Both cells are off by the same number, so their two terms are one fraction.
    chi_square = (in_a - n * split) ** 2 / (n * split * (1 - split))
    return math.erfc(math.sqrt(chi_square / 2))


def binomial_p_value(in_a: int, in_b: int, *, split: float) -> float:
    """Return the p-value of the two-sided exact binomial test: the sum of every outcome no likelier than this one.

    The test that R calls ``binom.test`` and SciPy ``binomtest``. Meant for up to some hundred expected subjects in the
    smaller variant.

    Args:
        in_a: how many subjects got A.
        in_b: how many got B.
        split: the share meant for A, 0 to 1.
    """
    n = in_a + in_b
    # The smaller variant is counted: its first term is then no less than e**-140, and the others follow from it.
    rare, share = (in_a, split) if split <= 0.5 else (in_b, 1 - split)
    odds = share / (1 - share)
    likely = math.exp(n * math.log1p(-share))
    terms = [likely]
    for count in range(n):
        likely *= (n - count) / (count + 1) * odds
        if likely == 0.0:
            break  # they grow up to the expected count and then shrink, so all that follow are nothing too
        terms.append(likely)
    limit = (terms[rare] if rare < len(terms) else 0.0) * _EQUAL
    return min(1.0, math.fsum(term for term in terms if term <= limit))
