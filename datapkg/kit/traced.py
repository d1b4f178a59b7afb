"""Find the place in a JSON value that a failing function looked at last."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Sequence, ValuesView
from typing import Any

from datapkg.kit.json_values import dotted

__all__ = ["last_place"]


def last_place(steps: Sequence[Callable[[Any], object]], value: object) -> str:
    """Run steps one after the other, the last of which fails, and return the dotted path it looked at last.

    Args:
        steps: pure functions; the first gets a copy of ``value``, each other what the one before returned.
        value: parsed JSON.

    Returns:
        The path (of a key that may not be there), or ``""`` where nothing was looked at or nothing failed.
    """
    trace = _Trace()
    result: object = value
    try:
        for step in steps:
            trace.path = ()
            result = step(_wrap(result, (), trace))
    except Exception:
        return dotted(trace.path)
    return ""


class _Trace:
    path: tuple[object, ...] = ()


def _wrap(value: object, path: tuple[object, ...], trace: _Trace) -> object:
    if isinstance(value, dict):
        return _Dict(value, path, trace)
    return _List(value, path, trace) if isinstance(value, list) else value


class _Dict(dict[Any, Any]):
    def __init__(self, value: dict[Any, Any], path: tuple[object, ...], trace: _Trace) -> None:
        self._path, self._trace = path, trace
        super().__init__({key: _wrap(each, (*path, key), trace) for key, each in value.items()})

    def __getitem__(self, key: Any) -> Any:
        self._trace.path = (*self._path, key)
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._trace.path = (*self._path, key)
        return super().get(key, default)

    def pop(self, key: Any, *default: Any) -> Any:
        self._trace.path = (*self._path, key)
        return super().pop(key, *default)

    def items(self) -> ItemsView[Any, Any]:  # type: ignore[override]  # as in values
        return ItemsView(self)  # goes through __getitem__, which the dictionary's own view does not

    def values(self) -> ValuesView[Any]:  # type: ignore[override]  # a view that goes through __getitem__
        return ValuesView(self)


class _List(list[Any]):
    def __init__(self, value: list[Any], path: tuple[object, ...], trace: _Trace) -> None:
        self._path, self._trace = path, trace
        super().__init__(_wrap(each, (*path, number), trace) for number, each in enumerate(value))

    def __getitem__(self, number: Any) -> Any:
        self._trace.path = (*self._path, number)
        return super().__getitem__(number)

    def __iter__(self) -> Iterator[Any]:
        for number, each in enumerate(super().__iter__()):
            self._trace.path = (*self._path, number)
            yield each
