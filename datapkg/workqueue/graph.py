"""Dependency graphs as plain numbers: cycles, orders, longest chains. Nothing here knows the database."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["cycles", "in_order", "longest_chain", "path"]

Graph = Mapping[int, Iterable[int]]
"""For each node those that it waits for; nodes that are no key themselves wait for nothing."""


def cycles(graph: Graph) -> list[list[int]]:
    """Return cycles that together go through every part of the graph that has any, each from its smallest node.

    A cycle is ``[1, 2, 1]``: 1 waits for 2, which waits for 1.
    """
    found: list[list[int]] = []
    done: set[int] = set()
    for root in graph:
        if root in done:
            continue
        # Not recursive: a chain may be thousands of nodes long.
        way, on_way = [root], {root: 0}
        steps = [iter(graph.get(root, ()))]
        while steps:
            node = next(steps[-1], None)
            if node is None:
                steps.pop()
                left = way.pop()
                del on_way[left]
                done.add(left)
            elif node in on_way:
                found.append(_from_smallest(way[on_way[node] :]))
            elif node in graph and node not in done:
                on_way[node] = len(way)
                way.append(node)
                steps.append(iter(graph[node]))
    return found


def _from_smallest(cycle: list[int]) -> list[int]:
    at = cycle.index(min(cycle))
    turned = cycle[at:] + cycle[:at]
    return [*turned, turned[0]]


def path(graph: Graph, start: int, end: int) -> list[int] | None:
    """Return a shortest way from one node to another, both included, or None."""
    came_from: dict[int, int | None] = {start: None}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        if node == end:
            way = [node]
            while (before := came_from[way[-1]]) is not None:
                way.append(before)
            return way[::-1]
        for following in graph.get(node, ()):
            if following not in came_from:
                came_from[following] = node
                waiting.append(following)
    return None


def in_order(graph: Graph, *, rank: Callable[[int], Any]) -> list[int]:
    """Return the nodes, each after all that it waits for; of those that could come next, the lowest rank first.

    Nodes of a cycle, and those that wait for one, are left out.
    """
    left = {node: {each for each in waits if each in graph} for node, waits in graph.items()}
    followers: dict[int, list[int]] = {node: [] for node in graph}
    for node, waits in left.items():
        for each in waits:
            followers[each].append(node)
    missing = {node: len(waits) for node, waits in left.items()}
    heap = [(rank(node), node) for node, count in missing.items() if not count]
    heapq.heapify(heap)
    order = []
    while heap:
        _, node = heapq.heappop(heap)
        order.append(node)
        for each in followers[node]:
            missing[each] -= 1
            if not missing[each]:
                heapq.heappush(heap, (rank(each), each))
    return order


def longest_chain(graph: Graph, order: Iterable[int]) -> list[int]:
    """Return a longest chain in which each node waits for the one before it.

    Args:
        graph: what waits for what.
        order: the nodes, each after all that it waits for.
    """
    length: dict[int, int] = {}
    before: dict[int, int | None] = {}
    for node in order:
        known = [each for each in graph.get(node, ()) if each in length]
        longest = max(known, key=length.__getitem__, default=None)
        before[node] = longest
        length[node] = 1 if longest is None else 1 + length[longest]
    last: int | None = max(length, key=length.__getitem__, default=None)
    chain: list[int] = []
    while last is not None:
        chain.append(last)
        last = before[last]
    return chain[::-1]
