"""What the whole test suite shares: databases on both engines, and the server that they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from datapkg.kit.engines import KitDatabase
from datapkg.testing.databases import PostgresServer, RunDatabases


@pytest.fixture(scope="session", autouse=True)
def _backups_in_a_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what a migration in production saves first out of the folder that the tests run in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAPKG_BACKUP_FOLDER", str(tmp_path_factory.mktemp("backups")))
        yield


@pytest.fixture
def db(datapkg_db: KitDatabase) -> KitDatabase:
    """The test's own migrated database, on each engine."""
    return datapkg_db


@pytest.fixture(scope="session")
def postgres_server(datapkg_databases: RunDatabases) -> PostgresServer:
    """The run's PostgreSQL server: ``.url`` of its admin database, ``.new_database()`` for databases to drop again."""
    return datapkg_databases.server()


@pytest.fixture
def new_url(
    request: pytest.FixtureRequest, datapkg_engine: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], str]]:
    """Make the URL of an empty database that every thread and process can use; one more with each call."""
    with ExitStack() as stack:
        folder: list[Path] = []

        def make() -> str:
            if datapkg_engine == "sqlite":
                folder.append(tmp_path_factory.mktemp("sqlite"))
                return f"sqlite:///{folder[-1] / 'test.db'}"
            server: PostgresServer = request.getfixturevalue("postgres_server")
            return stack.enter_context(server.new_database())

        yield make
