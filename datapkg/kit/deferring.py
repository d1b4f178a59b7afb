"""A package's functions, imported when one of them is first asked for: programs wait only for what they use."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["deferred"]


def deferred(package: str, present: Sequence[str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` (PEP 562) of a package that finds its functions in ``queries``.

    Args:
        package: the package's name.
        present: names that it has already, its models.
    """

    def find(name: str) -> Any:
        namespace = vars(sys.modules[package])
        if name.startswith("__") and name != "__all__":  # what Python itself looks for needs no import
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        queries = importlib.import_module(f"{package}.queries")
        namespace |= {each: getattr(queries, each) for each in queries.__all__}
        namespace["__all__"] = [*present, *queries.__all__]
        if name not in namespace:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return namespace[name]

    def names() -> list[str]:
        return sorted(find("__all__"))

    return find, names
