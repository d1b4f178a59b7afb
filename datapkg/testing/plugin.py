"""The pytest plugin: a fresh, migrated database for each test, on the engines of your choice.

pytest loads it wherever datapkg is installed, so importing it costs next to nothing; the rest loads when a test asks
for a database. ``docs/testing.md`` is its manual.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from datapkg.kit.engines import KitDatabase
    from datapkg.testing.databases import RunDatabases

__all__ = ["datapkg_databases", "datapkg_db", "datapkg_engine", "datapkg_url"]

ENGINES = ("sqlite", "postgresql")
CHOICES = (*ENGINES, "all")

_run: pytest.StashKey[RunDatabases] = pytest.StashKey()
_url: pytest.StashKey[str] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the setting that choose the engines."""
    about = "the engines that tests using a datapkg database run on: sqlite (the default), postgresql or all"
    parser.getgroup("datapkg").addoption("--datapkg-engine", choices=CHOICES, default=None, help=about)
    parser.addini("datapkg_engine", about, default="sqlite")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and refuse a setting that names no engine."""
    for line in (
        "datapkg_commits: the test really commits; it gets a SQLite file or a PostgreSQL database that other threads "
        "and processes can use (and the fixture datapkg_url)",
        "datapkg_engines(*names): the test is about these engines alone, 'sqlite' or 'postgresql'",
    ):
        config.addinivalue_line("markers", line)
    if config.getini("datapkg_engine") not in CHOICES:
        raise pytest.UsageError(f"datapkg_engine must be one of: {', '.join(CHOICES)}.")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close what was opened, and drop what was created on a server that stays."""
    databases = config.stash.get(_run, None)
    if databases is not None:
        databases.close()
        del config.stash[_run]


# pytest-xdist ---------------------------------------------------------------------------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Start the server before the workers, which find it in their environment and share it."""
    if "postgresql" in _chosen(config):
        from datapkg.kit.errors import DatapkgError

        try:
            _databases(config).server()
        except DatapkgError as error:
            raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell a worker the name of the run, so that all of them share one template."""
    node.workerinput["datapkg_run"] = _databases(node.config).run  # type: ignore[attr-defined]  # xdist's WorkerController


# Which engines --------------------------------------------------------------------------------------------------------


def _chosen(config: pytest.Config) -> tuple[str, ...]:
    choice = config.getoption("--datapkg-engine") or config.getini("datapkg_engine")
    return ENGINES if choice == "all" else (choice,)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that needs a database once on each engine."""
    if "datapkg_engine" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("datapkg_engines")
    about = tuple(marker.args) if marker else ENGINES
    if not about or not set(about) <= set(ENGINES):
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: datapkg_engines takes one or more of {', '.join(ENGINES)}."
        )
    # A test about an engine that was not chosen is deselected below, where pytest counts it.
    engines = [engine for engine in _chosen(metafunc.config) if engine in about] or about
    metafunc.parametrize("datapkg_engine", engines, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests about an engine that was not chosen."""
    chosen = _chosen(config)
    left_out = [
        item
        for item in items
        if isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and item.callspec.params.get("datapkg_engine", chosen[0]) not in chosen
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


# Fixtures -------------------------------------------------------------------------------------------------------------


def _databases(config: pytest.Config) -> RunDatabases:
    databases = config.stash.get(_run, None)
    if databases is None:
        from datapkg.testing.databases import RunDatabases

        given: dict[str, str] = getattr(config, "workerinput", {})
        databases = RunDatabases(run=given.get("datapkg_run"), owner=not given)
        config.stash[_run] = databases
    return databases


@contextmanager
def _cheap_passwords() -> Iterator[None]:
    """Hash passwords with little work: 50 ms each would be most of what many tests take."""
    from datapkg.accounts.passwords import use_profile

    before = use_profile("cheap")
    try:
        yield
    finally:
        use_profile(before)


@pytest.fixture(scope="session")
def datapkg_databases(pytestconfig: pytest.Config) -> RunDatabases:
    """What makes the run's databases; ``.server()`` is its PostgreSQL server, for databases of a test's own."""
    return _databases(pytestconfig)


@pytest.fixture
def datapkg_engine(request: pytest.FixtureRequest) -> str:
    """The engine that the test runs on: ``"sqlite"`` or ``"postgresql"``."""
    if hasattr(request, "param"):
        engine: str = request.param
        return engine
    # Asked for by request.getfixturevalue(), or by a unittest.TestCase, which pytest cannot run twice.
    chosen = _chosen(request.config)
    if len(chosen) > 1:
        pytest.fail(
            f"{request.node.nodeid} cannot run on several engines: name the fixture among the test's arguments, "
            "or choose one engine with --datapkg-engine.",
            pytrace=False,
        )
    return chosen[0]


@pytest.fixture
def datapkg_db(
    request: pytest.FixtureRequest, datapkg_engine: str, datapkg_databases: RunDatabases
) -> Iterator[KitDatabase]:
    """A fresh database with every table of every registered domain, connected for the length of the test.

    SQLite in memory; PostgreSQL in a transaction that is undone. With ``@pytest.mark.datapkg_commits`` a SQLite file,
    or a PostgreSQL database of the test's own. Passwords are hashed with the cheap profile meanwhile.
    """
    from datapkg.kit.database import bound

    node: pytest.Item = request.node
    if node.get_closest_marker("datapkg_commits") is None:
        fresh = datapkg_databases.in_memory() if datapkg_engine == "sqlite" else datapkg_databases.in_transaction()
        with fresh as database, bound(database), _cheap_passwords():
            yield database
        return
    if datapkg_engine == "sqlite":
        folders: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        committed = datapkg_databases.in_file(folders.mktemp("datapkg"))
    else:
        committed = datapkg_databases.in_clone()
    with committed as (database, url), bound(database), _cheap_passwords():
        node.stash[_url] = url
        yield database


@pytest.fixture
def datapkg_url(request: pytest.FixtureRequest, datapkg_db: KitDatabase) -> str:
    """The URL of the test's database, for other processes; the test must be marked ``datapkg_commits``."""
    node: pytest.Item = request.node
    if _url not in node.stash:
        pytest.fail(
            "datapkg_url needs @pytest.mark.datapkg_commits on the test: without it the database is in memory, or one "
            "open transaction, and no other process can see it.",
            pytrace=False,
        )
    return node.stash[_url]
