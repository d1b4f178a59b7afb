"""Whichever module of a domain a program imports first, it gets it."""

from __future__ import annotations

import importlib
import pkgutil

import nursery

from datapkg import registry

FIRST = """
import importlib, sys
for name in sys.argv[1:]:
    package = ".".join(name.split(".")[:2])
    for loaded in [each for each in sys.modules if each.startswith(package)]:
        del sys.modules[loaded]
    importlib.import_module(name)
"""
PACKAGES = [importlib.import_module(f"datapkg.{name}") for name in ("cli", *(each.name for each in registry.domains()))]


def test_every_module_can_be_the_first():
    """None needs that another of its domain was imported before: what is imported in a circle is found all the same."""
    names = [
        each.name for package in PACKAGES for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ]
    assert len(names) > 80
    done = nursery.run_python(FIRST, *names)
    assert done.returncode == 0, done.stderr


def test_a_function_has_no_module_s_name():
    """``from datapkg.accounts import users`` can mean one thing only."""
    for package in PACKAGES:
        modules = {each.name for each in pkgutil.iter_modules(package.__path__)}
        assert modules & set(package.__all__) == set(), package.__name__
