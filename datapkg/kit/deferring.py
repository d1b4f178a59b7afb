"""A package's functions, imported when one of them is first asked for: programs wait only for what they use."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["deferred", "missing"]


def missing(module: str, name: str, names: Sequence[str]) -> AttributeError:
    """Return the error for a name that a module lacks; it says which one may have been meant, in IPython too.

    Args:
        module: the module's name.
        name: what it was asked for.
        names: what it has.
    """
    near = difflib.get_close_matches(name, names, n=1)
    hint = f". Did you mean: {near[0]!r}?" if near else ""
    return AttributeError(f"module {module!r} has no attribute {name!r}{hint}")


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
        if importlib.util.find_spec(f"{package}.{name}"):
            # One of its modules asks for another: the functions may be half imported, and on their way to here.
            return importlib.import_module(f"{package}.{name}")
        queries = importlib.import_module(f"{package}.queries")
        namespace |= {each: getattr(queries, each) for each in queries.__all__}
        namespace["__all__"] = [*present, *queries.__all__]
        if name not in namespace:
            raise missing(package, name, namespace["__all__"])
        return namespace[name]

    def names() -> list[str]:
        return sorted(find("__all__"))

    return find, names
