"""The pytest plugin in a project that is not this one, run as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datapkg.testing import POSTGRES_URL_VARIABLE
from datapkg.testing.databases import PostgresServer

# Plugins that this suite needs and a user's project need not have; to load them takes longer than most of its runs.
NOT_THEIRS = ("cacheprovider", "hypothesispytest", "anyio")

CONFTEST = '''
from pathlib import Path

from datapkg import Domain, MutableModel, register
from datapkg.kit.fields import TextField


class Book(MutableModel):
    """A table of the project's own."""

    title = TextField(max_length=20, unique=True)

    class Meta:
        table_name = "books"


register(Domain(name="library", models=(Book,), migrations=Path(__file__).with_name("migrations")))
'''

MIGRATION = """
from datapkg.kit.fields import TextField
from datapkg.kit.models import MutableModel


def migrate(migrator, database, *, fake=False):
    @migrator.create_model
    class Book(MutableModel):
        title = TextField(max_length=20, unique=True)

        class Meta:
            table_name = "books"


def rollback(migrator, database, *, fake=False):
    migrator.remove_model("books")
"""

TESTS = """
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import datapkg
from conftest import Book
from datapkg import evaluation, flags
from datapkg.kit.errors import ConflictError
from datapkg.testing import factories


@pytest.mark.parametrize("again", range(3))
def test_each_test_has_a_database_of_its_own(datapkg_db, again):
    Book.create(title="the same")
    flags.set_flag("the_same", enabled=True)
    with pytest.raises(ConflictError):
        Book.create(title="the same")
    assert (Book.select().count(), len(flags.list_flags())) == (1, 1)
    assert datapkg.status().state == "current"


def test_the_engine_is_what_it_says(datapkg_db, datapkg_engine):
    assert datapkg_db.dialect.name == datapkg_engine
    # What PostgreSQL would refuse, SQLite refuses too.
    with pytest.raises(ConflictError):
        Book.create(title="x" * 21)


@pytest.mark.datapkg_commits
@pytest.mark.parametrize("again", range(2))
def test_others_can_see_what_was_committed(datapkg_db, datapkg_url, again):
    Book.create(title="committed")
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(book.title for book in Book.select()))
    thread.start()
    thread.join()
    assert seen == ["committed"]
    code = (
        "import sys, datapkg; datapkg.connect(sys.argv[1]); from datapkg import flags; flags.set_flag('from_outside')"
    )
    here = Path(__file__).parent
    subprocess.run([sys.executable, "-c", "import conftest;" + code, datapkg_url], check=True, cwd=here)
    assert [flag.key for flag in flags.list_flags()] == ["from_outside"]


def test_factories_and_domains_work_together(datapkg_db):
    tree = factories.make_definition_tree(depth=3, width=2)
    assert len(evaluation.get_descendants(tree.root.id)) == 6


def test_without_a_database():
    assert datapkg.Domain
"""


def project(folder: Path, **files: str) -> Path:
    """Write a project's files; names are given with underscores for slashes and without the suffix."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\naddopts = --strict-markers\n", encoding="utf-8")
    return folder


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A small project with a domain of its own."""
    return project(tmp_path, conftest=CONFTEST, migrations__001_books=MIGRATION, test_books=TESTS)


def run(folder: Path, *options: str, server: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run pytest in a project as its user would, with a PostgreSQL server or without any."""
    dropped = (POSTGRES_URL_VARIABLE, "DATABASE_URL", "PYTEST_ADDOPTS", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in dropped and "XDIST" not in name}
    if server is not None:
        environment[POSTGRES_URL_VARIABLE] = server
    return subprocess.run(
        [sys.executable, "-m", "pytest", *(f"-pno:{name}" for name in NOT_THEIRS), "-rA", *options],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def outcomes(result: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """The counts of the last line: ``{"passed": 3}``."""
    lines = result.stdout.strip().splitlines() or [result.stderr]
    return {
        word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error|skipped|deselected)", lines[-1])
    }


def names(result: subprocess.CompletedProcess[str]) -> set[str]:
    """The tests that passed, with their parameters."""
    return set(re.findall(r"PASSED \S+::(\S+)", result.stdout))


# A user's project -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_project_with_its_own_domain_runs_on_both_engines(
    library: Path, postgres_server: PostgresServer, workers: str
) -> None:
    """Every test runs once on each engine with the project's own tables, in one process and in several."""
    result = run(library, "--datapkg-engine", "all", "-n", workers, server=postgres_server.url)
    assert outcomes(result) == {"passed": 2 * 7 + 1}, result.stdout + result.stderr
    assert "test_factories_and_domains_work_together[postgresql]" in names(result)
    assert "test_factories_and_domains_work_together[sqlite]" in names(result)


def test_a_project_needs_no_server_of_its_own(library: Path) -> None:
    """Without any server the workers share one that comes from the wheel, and sqlite is the default engine."""
    (library / "test_where.py").write_text(
        "import os, pathlib\n"
        "def test_where(datapkg_db):\n"
        f"    pathlib.Path('servers').open('a').write(os.environ['{POSTGRES_URL_VARIABLE}'] + '\\n')\n"
        "test_where_too = test_where\n",
        encoding="utf-8",
    )
    result = run(library, "--datapkg-engine", "postgresql", "-n", "2", "--dist", "each", "test_where.py")
    assert outcomes(result) == {"passed": 4}, result.stdout + result.stderr
    assert len(set((library / "servers").read_text().splitlines())) == 1
    assert not os.path.exists((library / "servers").read_text().partition("host=")[2].partition("&")[0])


def test_sqlite_is_the_default_and_starts_nothing(library: Path) -> None:
    """Without the option tests run on SQLite alone, and no PostgreSQL is started."""
    (library / "conftest.py").write_text(
        CONFTEST + "\ndef pytest_sessionfinish():\n"
        f"    import os\n    assert '{POSTGRES_URL_VARIABLE}' not in os.environ\n",
        encoding="utf-8",
    )
    result = run(library)
    assert outcomes(result) == {"passed": 8}, result.stdout + result.stderr
    assert result.returncode == 0
    assert not any("postgresql" in name for name in names(result))


def test_no_server_is_started_for_tests_without_a_database(tmp_path: Path) -> None:
    """With all engines chosen, a run whose tests need no database starts no PostgreSQL."""
    project(
        tmp_path,
        test_plain=f"import os\ndef test_plain():\n    assert '{POSTGRES_URL_VARIABLE}' not in os.environ\n",
    )
    assert outcomes(run(tmp_path, "--datapkg-engine", "all")) == {"passed": 1}


def test_the_ini_file_chooses_the_engine_and_the_option_wins(library: Path, postgres_server: PostgresServer) -> None:
    """`datapkg_engine = all` in pytest's configuration is a project's default; a wrong one is refused."""
    with (library / "pytest.ini").open("a") as ini:
        ini.write("datapkg_engine = all\n")
    chosen = run(library, "-k", "engine_is", server=postgres_server.url)
    assert names(chosen) == {"test_the_engine_is_what_it_says[sqlite]", "test_the_engine_is_what_it_says[postgresql]"}
    assert names(run(library, "-k", "engine_is", "--datapkg-engine", "sqlite")) == {
        "test_the_engine_is_what_it_says[sqlite]"
    }
    ini_file = library / "pytest.ini"
    ini_file.write_text(ini_file.read_text().replace("= all", "= oracle"))
    refused = run(library)
    assert refused.returncode == pytest.ExitCode.USAGE_ERROR
    assert "datapkg_engine must be one of" in refused.stderr


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_missing_engine_fails_the_run(library: Path, tmp_path: Path, workers: str) -> None:
    """A server that cannot be reached is an error of every test that needs it, never a skip."""
    result = run(
        library,
        "--datapkg-engine",
        "postgresql",
        "-n",
        workers,
        "-k",
        "engine_is",
        server=f"postgresql://u:hunter2@/d?host={tmp_path}",
    )
    assert outcomes(result)["error"] == 1
    assert not {"passed", "skipped"} & set(outcomes(result))
    assert result.returncode == 1
    assert "hunter2" not in result.stdout.replace("u:hunter2@/d", "")


def test_a_run_leaves_nothing_on_a_server_that_stays(library: Path, postgres_server: PostgresServer) -> None:
    """Templates and clones are dropped at the end, also those of tests that failed."""
    (library / "test_fails.py").write_text(
        "import pathlib, pytest\n"
        "@pytest.mark.datapkg_commits\n"
        "def test_fails(datapkg_db):\n"
        "    pathlib.Path('name').write_text(datapkg_db.database)\n"
        "    datapkg_db.connect(reuse_if_open=True)\n"
        "    datapkg_db.begin()\n"
        "    raise RuntimeError\n"
        "def test_passes(datapkg_db): pass\n",
        encoding="utf-8",
    )
    result = run(library, "--datapkg-engine", "postgresql", "-n", "2", "test_fails.py", server=postgres_server.url)
    assert outcomes(result) == {"failed": 1, "passed": 1}, result.stdout
    prefix = "_".join((library / "name").read_text().split("_")[:3])
    assert prefix.startswith("datapkg_test_")
    left = postgres_server.run("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (prefix,))
    assert left == []


# Markers and mistakes -------------------------------------------------------------------------------------------------


def test_a_test_about_one_engine_runs_there_or_is_deselected(tmp_path: Path) -> None:
    """`datapkg_engines` narrows the engines; what is left out is counted as deselected, not skipped."""
    project(
        tmp_path,
        test_engines=(
            "import pytest\n"
            "@pytest.mark.datapkg_engines('postgresql')\n"
            "def test_p(datapkg_engine): pass\n"
            "@pytest.mark.datapkg_engines('sqlite')\n"
            "def test_s(datapkg_engine): pass\n"
            "def test_b(datapkg_engine): pass\n"
        ),
    )
    everything = run(tmp_path, "--datapkg-engine", "all")
    assert names(everything) == {"test_p[postgresql]", "test_s[sqlite]", "test_b[sqlite]", "test_b[postgresql]"}
    some = run(tmp_path, "--datapkg-engine", "sqlite")
    assert (names(some), outcomes(some)) == ({"test_s[sqlite]", "test_b[sqlite]"}, {"passed": 2, "deselected": 1})


@pytest.mark.parametrize("arguments", ["", "'oracle'", "'sqlite', 'oracle'"])
def test_an_unknown_engine_in_a_marker_is_refused(tmp_path: Path, arguments: str) -> None:
    """A marker that names no engine, or one that is none, fails the collection with the test's name."""
    project(
        tmp_path,
        test_wrong=f"import pytest\n@pytest.mark.datapkg_engines({arguments})\ndef test_w(datapkg_engine): pass\n",
    )
    result = run(tmp_path)
    assert result.returncode != 0
    assert "datapkg_engines takes one or more of sqlite, postgresql" in result.stdout + result.stderr


WITHOUT: dict[str, tuple[str, str]] = {
    "the url without the mark": (
        "def test_a(datapkg_url): pass\n",
        "datapkg_url needs @pytest.mark.datapkg_commits",
    ),
    "a fixture asked for later, on two engines": (
        "def test_a(request): request.getfixturevalue('datapkg_db')\n",
        "cannot run on several engines",
    ),
}


@pytest.mark.parametrize(("test", "words"), WITHOUT.values(), ids=WITHOUT)
def test_mistakes_are_explained(tmp_path: Path, test: str, words: str) -> None:
    """A fixture that cannot do what it is asked for says what to write instead."""
    result = run(project(tmp_path, test_mistake=test), "--datapkg-engine", "all", "-k", "not postgresql")
    assert result.returncode == 1
    assert words in result.stdout


def test_unittest_classes_and_late_requests_work_on_one_engine(tmp_path: Path) -> None:
    """A TestCase gets its database through usefixtures, and request.getfixturevalue gives one."""
    project(
        tmp_path,
        test_case=(
            "import unittest, pytest\n"
            "from datapkg import flags\n"
            "@pytest.mark.usefixtures('datapkg_db')\n"
            "class TestFlags(unittest.TestCase):\n"
            "    def test_one(self): flags.set_flag('a'); self.assertEqual(len(flags.list_flags()), 1)\n"
            "    def test_two(self): self.assertEqual(len(flags.list_flags()), 0)\n"
            "def test_late(request):\n"
            "    request.getfixturevalue('datapkg_db')\n"
            "    assert len(flags.list_flags()) == 0\n"
        ),
    )
    assert outcomes(run(tmp_path)) == {"passed": 3}


def test_loading_the_plugin_costs_next_to_nothing() -> None:
    """It is loaded in every pytest run on the machine, so it imports neither a driver nor the kit."""
    code = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import datapkg.testing.plugin\n"
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before}))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "['datapkg']\n"


def test_the_testing_folder_offers_what_it_says() -> None:
    """Names load when they are asked for; another name is an attribute error."""
    import datapkg.testing as kit

    assert sorted(dir(kit)) == sorted(kit.__all__)
    offered: dict[str, Callable[..., object] | object] = {name: getattr(kit, name) for name in kit.__all__}
    assert all(offered.values())
    with pytest.raises(AttributeError, match="no_such_name"):
        kit.no_such_name  # noqa: B018  # looking it up is the test
