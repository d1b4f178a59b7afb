"""The mean of paired differences and its standard error, in exact arithmetic.

Every float is a whole multiple of 2**-1074, so sums of floats and of their squares are kept as integers: nothing is
rounded before the last step. Hence the result depends neither on the order of the pairs nor on the machine, a large
common offset costs no digit, and one pass with constant memory does.
"""

from __future__ import annotations

import math

__all__ = ["PairedSums"]

_SHIFT = 1074
_BITS = 128  # of a square before its root is taken: twice what a float holds, and more


def _units(value: float) -> int:
    """Return a finite number as a multiple of 2**-1074."""
    numerator, denominator = value.as_integer_ratio()
    return numerator << (_SHIFT + 1 - denominator.bit_length())


class PairedSums:
    """Pairs of numbers, summed up.

    Attributes:
        n: how many pairs.
    """

    def __init__(self) -> None:
        self.n = 0
        self._baseline = self._comparison = self._squares = 0

    def add(self, baseline: float, comparison: float) -> None:
        """Add a pair of finite numbers."""
        first, second = _units(baseline), _units(comparison)
        self.n += 1
        self._baseline += first
        self._comparison += second
        self._squares += (second - first) ** 2

    @property
    def baseline_mean(self) -> float | None:
        """The mean of the first numbers, None without any."""
        return self._mean(self._baseline)

    @property
    def comparison_mean(self) -> float | None:
        """The mean of the second numbers, None without any."""
        return self._mean(self._comparison)

    @property
    def mean_difference(self) -> float | None:
        """The mean of second minus first, None without any.

        Raises:
            OverflowError: it is too large for a float.
        """
        return self._mean(self._comparison - self._baseline)

    def _mean(self, total: int) -> float | None:
        # Python divides integers of any size to the nearest float.
        return total / (self.n << _SHIFT) if self.n else None

    @property
    def standard_error(self) -> float | None:
        """The differences' standard deviation (n - 1) over the root of n; None with fewer than two.

        Raises:
            OverflowError: it is too large for a float.
        """
        if self.n < 2:
            return None
        above = self.n * self._squares - (self._comparison - self._baseline) ** 2
        below = self.n**2 * (self.n - 1)
        more = max(0, _BITS - above.bit_length() + below.bit_length()) // 2 + 1
        root = math.isqrt((above << 2 * more) // below)
        return root / (1 << _SHIFT + more)
