"""The graph functions, against slow and simple ones."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from datapkg.workqueue.graph import cycles, in_order, longest_chain, path

NODES = st.integers(0, 7)
GRAPHS = st.dictionaries(NODES, st.lists(NODES, max_size=3, unique=True), max_size=8)


def reaches(graph, start, end):
    """Return whether a way of at least one step leads from start to end."""
    seen, waiting = set(), list(graph.get(start, ()))
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting.extend(graph.get(node, ()))
    return end in seen


@given(GRAPHS)
def test_cycles_are_found_exactly_where_there_are_any(graph):
    """Each is a real one, written from its smallest node; without them the graph has an order."""
    found = cycles(graph)
    assert bool(found) == any(reaches(graph, node, node) for node in graph)
    for cycle in found:
        assert cycle[0] == cycle[-1] == min(cycle)
        assert len(set(cycle)) == len(cycle) - 1
        assert all(after in graph[before] for before, after in itertools.pairwise(cycle))
    assert (len(in_order(graph, rank=lambda node: node)) == len(graph)) == (not found)


@given(GRAPHS)
def test_an_order_has_everything_after_what_it_waits_for(graph):
    """Only what leads into a cycle is left out; of what could come next the lowest comes."""
    order = in_order(graph, rank=lambda node: -node)
    for place, node in enumerate(order):
        before = set(order[:place])
        free = [
            each for each in graph if each not in before and all(o in before or o not in graph for o in graph[each])
        ]
        assert node == max(free)
    stuck = {node for node in graph if any(reaches(graph, node, o) and reaches(graph, o, o) for o in graph)}
    assert set(graph) - set(order) == stuck | {node for node in graph if reaches(graph, node, node)}


@given(GRAPHS, NODES, NODES)
def test_a_path_is_a_way_and_none_is_shorter(graph, start, end):
    """Checked against growing the set of nodes step by step."""
    found = path(graph, start, end)
    reached, steps = {start}, 0
    while end not in reached and steps < 10:
        reached |= {each for node in reached for each in graph.get(node, ())}
        steps += 1
    if found is None:
        assert end not in reached
        return
    assert (found[0], found[-1], len(found) - 1) == (start, end, steps)
    assert all(after in graph[before] for before, after in itertools.pairwise(found))


@given(GRAPHS)
def test_the_longest_chain_is_one_and_the_longest(graph):
    """In graphs with cycles, among what has an order."""
    order = in_order(graph, rank=lambda node: node)
    chain = longest_chain(graph, order)
    assert all(before in graph[after] for before, after in itertools.pairwise(chain))

    def depth(node):
        return 1 + max((depth(each) for each in graph[node] if each in order), default=0)

    assert len(chain) == max(map(depth, order), default=0)


def test_long_chains_need_no_deep_recursion():
    """A hundred thousand nodes in a row, and in a ring."""
    chain = {node: [node + 1] for node in range(100_000)}
    assert cycles(chain) == []
    order = in_order(chain, rank=lambda node: node)
    assert len(longest_chain(chain, order)) == 100_000
    assert len(cycles({**chain, 99_999: [0]})[0]) == 100_001
