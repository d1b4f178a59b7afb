"""Pictures of balances and simulations: one bar for each skill pool, and its supply as a mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datapkg.kit.errors import ConfigurationError
from datapkg.kit.results import cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["STATUSES", "Bar", "figure", "plot_bars"]

STATUSES = ("OK", "AT_RISK", "OVER")
# Told apart by lightness too, and each bar says its status in words.
_COLOURS = {"OK": "#2a9d8f", "AT_RISK": "#e9b44c", "OVER": "#b5392f"}


@dataclass(frozen=True, slots=True)
class Bar:
    """What is drawn of one pool.

    Attributes:
        pool: its name.
        label: what is written beside the bar.
        status: one of ``STATUSES``, for the colour.
        inner: where the dark part ends.
        outer: where the light part ends.
        supply: where the mark stands; None for no mark.
        point: where a cross stands; None for no cross.
    """

    pool: str
    label: str
    status: str
    inner: float
    outer: float
    supply: float | None
    point: float | None = None


def figure(value: float | None) -> str:
    """Return a figure for people: thousands apart, at most one decimal place; nothing for None."""
    if value is None:
        return ""
    text = f"{value:,.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def plot_bars(bars: Sequence[Bar], *, axes: Axes | None, title: str, inner: str, outer: str, point: str = "") -> Axes:
    """Draw the bars, the first on top.

    Args:
        bars: one for each pool.
        axes: where to draw; None for a figure of its own.
        title: what stands above.
        inner, outer, point: what the parts and the cross are called in the key.

    Raises:
        ConfigurationError: matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ConfigurationError(
            "Pictures need matplotlib, which is not installed.", fix="Run: pip install matplotlib."
        ) from None
    made = None
    if axes is None:
        made, axes = pyplot.subplots(figsize=(9, 1.9 + 0.45 * max(len(bars), 1)), layout="constrained")
    ends = [0.0]
    for place, bar in enumerate(bars):
        colour = _COLOURS[bar.status]
        axes.barh(place, bar.inner, height=0.6, color=colour)
        axes.barh(place, bar.outer - bar.inner, left=bar.inner, height=0.6, color=colour, alpha=0.4)
        end = max(bar.outer, bar.supply or 0.0, bar.point or 0.0)
        if bar.supply is not None:
            axes.plot([bar.supply] * 2, [place - 0.42, place + 0.42], color="black", linewidth=2.5)
        if bar.point is not None:
            axes.plot([bar.point], [place], color="black", marker="x", linestyle="none")
        axes.annotate(bar.label, (end, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize="small")
        ends.append(end)
    axes.set_xlim(0, max(ends) * 1.3 or 1)  # room for the labels
    axes.set_yticks(range(len(bars)), [cell(bar.pool) for bar in bars], parse_math=False)  # a name may hold $
    axes.set_ylim(max(len(bars), 1) - 0.4, -0.6)
    axes.set_xlabel("tokens")
    axes.xaxis.set_major_formatter(lambda value, _: figure(value))
    axes.set_title(title, loc="left", parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    # The key is in grey, as the colours stand for the statuses.
    key = [
        axes.barh([0], [0], color="#555555", label=inner),
        axes.barh([0], [0], color="#555555", alpha=0.4, label=outer),
        *axes.plot([], [], color="black", marker="|", markersize=14, markeredgewidth=2.5, ls="none", label="supply"),
    ]
    if point:
        key += axes.plot([], [], color="black", marker="x", linestyle="none", label=point)
    if made is None:
        axes.legend(handles=key, frameon=False)
    else:
        made.legend(handles=key, loc="outside lower left", frameon=False, ncols=len(key))
    return axes
