"""Completion, asked as a shell asks: commands, options, words, names of the package, and names of a SQLite file."""

from __future__ import annotations

import os

import pytest
from click.shell_completion import ShellComplete

from datapkg import registry
from datapkg.cli import completion, queue, settings
from datapkg.cli.root import root
from datapkg.kit import urls
from datapkg.operations.documents import document_columns
from datapkg.operations.migrations import histories
from datapkg.operations.migrations.files import scan
from datapkg.operations.seeding import profiles
from datapkg.workqueue import FEATURE_STATUSES


def complete(*words):
    """Return what the last word may become."""
    found = ShellComplete(root, {}, "datapkg", "_DATAPKG_COMPLETE").get_completions(list(words[:-1]), words[-1])
    return [item.value for item in found]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, and no URL."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return tmp_path


def test_commands_options_and_words(here):
    """Whatever the case of a word that is stored in capitals."""
    assert complete("sta") == ["status"]
    assert complete("queue", "st") == ["stats", "stop"]
    assert complete("evaluation", "runs", "--st") == ["--status"]
    assert complete("evaluation", "runs", "--status", "co") == ["COMPLETED"]
    assert complete("queue", "add", "x", "--priority", "") == ["HIGH", "MEDIUM", "LOW"]
    assert complete("--log-level", "d") == ["debug"]
    assert complete("completion", "") == ["bash", "zsh", "fish"]
    assert complete("environment", "prod") == ["production"]


def test_names_of_the_package(here):
    """Domains, profiles, migrations, document types and policies, without a database, and nothing is made."""
    assert complete("dump", "--domain", "ev") == ["evaluation"]
    assert complete("seed", "--profile", "") == profiles()
    assert complete("migrate", "--to", "00") == [each.name for each in scan(histories()[0]) if each.number < "010"]
    assert complete("documents", "schema", "") == sorted({each.document.name for each in document_columns()})
    assert complete("retention", "plan", "--policy", "p") == ["posts"]
    assert complete("scripts", "log", "") == [] and complete("planning", "balance", "") == []
    assert list(here.iterdir()) == []


def test_names_of_the_database(demo, monkeypatch):
    """Ids and names of the SQLite file that is meant; of none that is no database; of no server."""
    monkeypatch.chdir(demo.folder)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    before = sorted(path.name for path in demo.folder.iterdir())
    script = demo.json("scripts", "list")[0]["id"]
    assert complete("scripts", "log", script[:5]) == [script]
    assert complete("planning", "balance", "website relaunch") == ["Website relaunch", "Website relaunch, smaller"]
    assert complete("queue", "explain", "FEAT") == ["FEAT-005", "FEAT-006"]
    assert len(complete("evaluation", "compare", "")) == 2
    assert len(complete("evaluation", "tree", "01")) == 6
    assert complete("--database", "sqlite:///none.db", "scripts", "log", "") == []
    assert complete("--database", "postgresql://127.0.0.1:1/none", "scripts", "log", "") == []
    (demo.folder / "datapkg.db").write_text("no database " * 100)
    assert complete("scripts", "log", "") == []
    assert sorted(path.name for path in demo.folder.iterdir()) == before


def test_files_are_left_to_the_shell(here):
    """Which knows them best."""
    asked = ShellComplete(root, {}, "datapkg", "_DATAPKG_COMPLETE")
    assert [item.type for item in asked.get_completions(["load"], "x")] == ["file"]
    assert [item.type for item in asked.get_completions(["retention", "apply"], "")] == ["dir"]


def test_what_is_written_down_twice_agrees():
    """Words that stand in the command line too, because their own module is slow to import."""
    assert list(completion.DOMAINS) == [each.name for each in registry._built_in()]
    assert set(completion.POLICIES) == {each.name for domain in registry._built_in() for each in domain.retention}
    assert settings.DEFAULT_URL == urls.DEFAULT_URL
    assert tuple(queue._STATUSES) == FEATURE_STATUSES


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(shell, name):
    """And only of these."""
    assert "_DATAPKG_COMPLETE" in shell("completion", name).stdout
    assert "Did you mean 'fish'?" in shell("completion", "fishy", expect=2).stderr


def test_a_word_is_completed_quickly_and_without_the_package(shell):
    """Neither Peewee nor a domain is imported; a name with a blank comes in quotes for bash."""
    (shell.folder / "sitecustomize.py").write_text(
        "import atexit, sys\n"
        "atexit.register(lambda: print([name for name in ('peewee', 'marshmallow', 'psycopg2', 'datapkg.accounts')"
        " if name in sys.modules]))\n"
    )
    asked = {"_DATAPKG_COMPLETE": "bash_complete", "PYTHONPATH": str(shell.folder)}
    for words in (["dump", "--domain", "ev"], ["scripts", "log", "01"], ["migrate", "--to", "0"], ["se"]):
        line = "\n".join(["datapkg", *words])
        printed = shell(COMP_WORDS=line, COMP_CWORD=str(len(words)), **asked).stdout
        assert printed.splitlines()[-1] == "[]", printed


def test_bash_gets_names_in_quotes(demo):
    """Unless the quote is open already."""
    for word, expected in (("Web", "plain,'Website relaunch'"), ("'Web", "plain,Website relaunch")):
        line = os.linesep.join(["datapkg", "planning", "balance", word])
        printed = demo(_DATAPKG_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD="3").stdout
        assert expected in printed.splitlines()
