"""Where the boxes of a drawing stand and where its arrows run: layers from left to right, with room for each arrow.

Parents stand left of what refers to them. The references to one table share a line, which runs only where no box is:
upright in the channels between the layers, level through lanes that are kept free in the layers it passes. Every
measure is a whole number, so the same tables give the same drawing everywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["HEAD", "ROW", "Layout", "Reference", "lay_out"]

ROW = 18
"""Height of a row; boxes and lanes stand at multiples of it."""
HEAD = 27
"""Height of a box's head; its rows follow, then half a row."""

# Where lines leave a box or a lane, modulo ROW: apart, so that no two level lines of a channel can lie on each other.
_PORT, _OUTWARD, _LANES = 12, 5, (16, 2)
_GAP, _LANE_GAP, _EDGE, _TRACK = 2 * ROW, ROW, 22, 10
_SWEEPS = 12

Point = tuple[int, int]
_Node = tuple[int, str, bool]  # a layer, a table, and whether its line passes there; else it stands there itself


@dataclass(frozen=True)
class Reference:
    """An arrow.

    Attributes:
        child: the table that refers.
        row: which of its rows does, from 0.
        parent: the table referred to.
    """

    child: str
    row: int
    parent: str


@dataclass(frozen=True)
class Layout:
    """A finished layout.

    Attributes:
        places: the upper left corner of each box.
        lines: the corners of each reference's line, from the row that refers to the head referred to.
        width, height: of the whole.
    """

    places: Mapping[str, Point]
    lines: Sequence[Sequence[Point]]
    width: int
    height: int


def height(rows: int) -> int:
    """Return the height that a box with this many rows takes."""
    return (rows + 2) * ROW


def lay_out(sizes: Mapping[str, tuple[int, int]], references: Sequence[Reference], *, broad: int) -> Layout:
    """Lay boxes out.

    Args:
        sizes: width and number of rows of each box, parents first.
        references: the arrows between them.
        broad: the width up to which boxes without any arrow stand beside each other, below the others.
    """
    linked = {name for each in references for name in (each.child, each.parent)}
    graph = _Graph({name: size for name, size in sizes.items() if name in linked}, references)
    places, width, bottom = dict(graph.places), graph.width, graph.height
    x = tallest = 0
    top = bottom + (_GAP if bottom else 0)
    for name in (name for name in sizes if name not in linked):
        if x and x + sizes[name][0] > max(width, broad):
            x, top, tallest = 0, top + tallest + _GAP, 0
        places[name] = (x, top)
        tallest = max(tallest, height(sizes[name][1]))
        x += sizes[name][0] + _GAP
        width, bottom = max(width, x - _GAP), max(bottom, top + tallest)
    return Layout(places, graph.lines, width, bottom)


class _Graph:
    """The boxes with arrows."""

    def __init__(self, sizes: Mapping[str, tuple[int, int]], references: Sequence[Reference]) -> None:
        self.sizes, self.references = sizes, references
        self.layer = self._layers()
        self.spans = self._spans()
        self.columns = self._columns()
        self.top = self._tops()
        self._place_and_route()

    def _layers(self) -> dict[str, int]:
        """Put each table right of those it refers to; a reference to itself or further down is no reason."""
        order = {name: index for index, name in enumerate(self.sizes)}
        forward = [each for each in self.references if order[each.parent] < order[each.child]]
        layer = dict.fromkeys(self.sizes, 0)
        for name in self.sizes:
            layer[name] = max((layer[each.parent] + 1 for each in forward if each.child == name), default=0)
        # What nothing holds on the left comes next to the nearest table that refers to it.
        for name in reversed(list(self.sizes)):
            children = [layer[each.child] for each in forward if each.parent == name]
            if children and not any(each.child == name for each in forward):
                layer[name] = min(children) - 1
        return layer

    def _exit(self, reference: Reference) -> int:
        """Return the channel that a reference begins in; the channel n lies right of the layer n."""
        child = self.layer[reference.child]
        return child - 1 if child > self.layer[reference.parent] else child

    def _spans(self) -> dict[str, tuple[int, int]]:
        """Return the first and the last channel of the line to each table referred to."""
        channels: dict[str, list[int]] = {}
        for each in self.references:
            channels.setdefault(each.parent, [self.layer[each.parent]]).append(self._exit(each))
        return {name: (min(found), max(found)) for name, found in channels.items()}

    def _columns(self) -> list[list[_Node]]:
        """Return each layer's boxes and lanes, in an order in which few lines cross."""
        columns: list[list[_Node]] = [[] for _ in range(max(self.layer.values(), default=-1) + 1)]
        for name, layer in self.layer.items():
            columns[layer].append((layer, name, False))
        for name, (first, last) in self.spans.items():
            for layer in range(first + 1, last + 1):
                columns[layer].append((layer, name, True))
        self.neighbours = self._neighbours()
        for sweep in range(_SWEEPS):
            rightward = sweep % 2 == 0
            for index in range(len(columns)) if rightward else reversed(range(len(columns))):
                beside = index - 1 if rightward else index + 1
                if 0 <= beside < len(columns):
                    rank = {node: place for place, node in enumerate(columns[beside])}
                    self._reorder(columns[index], rank)
        return columns

    def _reorder(self, column: list[_Node], rank: Mapping[_Node, int]) -> None:
        keys = {}
        for place, node in enumerate(column):
            found = [rank[each] for each in self.neighbours[node] if each in rank]
            # Whole numbers: a mean, times a number that every small count divides.
            keys[node] = sum(found) * 27720 // len(found) if found else place * 27720
        column.sort(key=keys.__getitem__)

    def _neighbours(self) -> dict[_Node, list[_Node]]:
        found: dict[_Node, list[_Node]] = defaultdict(list)

        def join(a: _Node, b: _Node) -> None:
            found[a].append(b)
            found[b].append(a)

        for name, (first, last) in self.spans.items():
            home = self.layer[name]
            for layer in range(first + 2, last + 1):
                join((layer - 1, name, True), (layer, name, True))
            if last > home:
                join((home, name, False), (home + 1, name, True))
        for each in self.references:
            layer, home = self.layer[each.child], self.layer[each.parent]
            if layer > home:
                join((layer - 1, each.parent, layer - 1 > home), (layer, each.child, False))
            elif layer < home:
                join((layer, each.child, False), (layer + 1, each.parent, True))
        return found

    def _height(self, node: _Node) -> int:
        return ROW if node[2] else height(self.sizes[node[1]][1])

    def _gap(self, a: _Node, b: _Node) -> int:
        return (_GAP, _LANE_GAP, 0)[a[2] + b[2]]

    def _tops(self) -> dict[_Node, int]:
        """Return the upper edge of every box and lane, near to what it is joined to."""
        tops: dict[_Node, int] = {}
        for column in self.columns:
            self._stack(column, tops, dict.fromkeys(column, 0))
        for sweep in range(_SWEEPS):
            for column in self.columns if sweep % 2 == 0 else reversed(self.columns):
                wanted = {}
                for node in column:
                    middles = [tops[each] + self._height(each) // 2 for each in self.neighbours[node]]
                    wanted[node] = sum(middles) // len(middles) - self._height(node) // 2 if middles else tops[node]
                self._stack(column, tops, wanted)
        highest = min(tops.values(), default=0)
        return {node: top - highest for node, top in tops.items()}

    def _stack(self, column: list[_Node], tops: dict[_Node, int], wanted: Mapping[_Node, int]) -> None:
        """Place a layer as wanted as its order allows: between pushing all down and pushing all up."""
        down: dict[_Node, int] = {}
        for index, node in enumerate(column):
            before = column[index - 1] if index else None
            limit = wanted[node] if before is None else down[before] + self._height(before) + self._gap(before, node)
            down[node] = max(wanted[node], limit)
        up: dict[_Node, int] = {}
        for index in reversed(range(len(column))):
            node = column[index]
            after = column[index + 1] if index + 1 < len(column) else None
            limit = wanted[node] if after is None else up[after] - self._height(node) - self._gap(node, after)
            up[node] = min(wanted[node], limit)
        for node in column:
            # Heights and gaps are multiples of a row, so rounding keeps them.
            tops[node] = (down[node] + up[node]) // 2 // ROW * ROW

    def _place_and_route(self) -> None:
        self.places: dict[str, Point] = {}
        tracks: list[dict[str, int]] = []
        x = 0
        for layer, column in enumerate(self.columns):
            boxes = [(name, self.top[layer, name, lane]) for _, name, lane in column if not lane]
            self.places |= {name: (x, top) for name, top in boxes}
            right = x + max(self.sizes[name][0] for name, _ in boxes)
            order = self._ordered(layer)
            tracks.append({name: right + _EDGE + index * _TRACK for index, name in enumerate(order)})
            x = right + (2 * _EDGE + (len(order) - 1) * _TRACK if order else 0)
        self.width = x
        bottoms = [top + self._height(node) for node, top in self.top.items()]
        self.height = max(bottoms, default=0)
        self.lines = [self._line(each, tracks) for each in self.references]

    def _start(self, reference: Reference) -> Point:
        """Return where a reference leaves its box: on the left, or on the right where its target is not on the left."""
        x, y = self.places[reference.child]
        middle = y + HEAD + reference.row * ROW + ROW // 2
        if self.layer[reference.child] > self.layer[reference.parent]:
            return x, middle
        return x + self.sizes[reference.child][0], middle + _OUTWARD

    def _lane(self, layer: int, name: str) -> int:
        """Return the height at which a table's line passes a layer."""
        return self.top[layer, name, True] + _LANES[layer % 2]

    def _ends(self, channel: int, name: str) -> tuple[list[int], list[int]]:
        """Return the heights at which a table's line comes into a channel from the left and from the right."""
        first, last = self.spans[name]
        left = [self._lane(channel, name)] if channel > first else []
        right = [self._lane(channel + 1, name)] if channel < last else []
        if self.layer[name] == channel:
            left.append(self.top[channel, name, False] + _PORT)
        for each in self.references:
            if each.parent == name and self._exit(each) == channel:
                normal = self.layer[each.child] > self.layer[name]
                y = self.top[self.layer[each.child], each.child, False] + HEAD + each.row * ROW + ROW // 2
                (right if normal else left).append(y if normal else y + _OUTWARD)
        return left, right

    def _ordered(self, channel: int) -> list[str]:
        """Return the lines of a channel from left to right, in an order in which few of them cross."""
        names = [name for name, (first, last) in self.spans.items() if first <= channel <= last]
        ends = {name: self._ends(channel, name) for name in names}
        reach = {name: (min(left + right), max(left + right)) for name, (left, right) in ends.items()}

        def crossings(a: str, b: str) -> int:
            """Count what crosses if ``a`` runs left of ``b``."""
            by_a = sum(reach[b][0] < y < reach[b][1] for y in ends[a][1])
            return by_a + sum(reach[a][0] < y < reach[a][1] for y in ends[b][0])

        for _ in names:
            for index in range(len(names) - 1):
                a, b = names[index : index + 2]
                if crossings(b, a) < crossings(a, b):
                    names[index : index + 2] = [b, a]
        return names

    def _line(self, reference: Reference, tracks: Sequence[Mapping[str, int]]) -> list[Point]:
        parent, channel = reference.parent, self._exit(reference)
        home = self.layer[parent]
        points = [self._start(reference)]
        while channel != home:
            step = -1 if channel > home else 1
            lane = channel if step < 0 else channel + 1
            y = self._lane(lane, parent)
            points += [(tracks[channel][parent], points[-1][1]), (tracks[channel][parent], y)]
            channel += step
        x, y = self.places[parent]
        track = tracks[home][parent]
        return [*points, (track, points[-1][1]), (track, y + _PORT), (x + self.sizes[parent][0], y + _PORT)]
