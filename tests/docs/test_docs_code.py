"""Documentation is executed: what README.md and docs/ show works in an empty folder, with the installed package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nursery
import pytest

from datapkg.testing.databases import PostgresServer

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if "\n```" in path.read_text(encoding="utf-8")
]


RUN = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import run_document; " + (
    "sys.exit(run_document.main(sys.argv[1]))"
)
Run = Callable[[Path, Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(postgres_server: PostgresServer) -> Run:
    """Run a document's blocks in a folder, with the package's commands on the PATH and no database named.

    Tests that a document runs use the server that is here; starting one for each takes seconds.
    """
    unset = ("DATABASE_URL", "DATAPKG_BACKUP_FOLDER", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    environment["DATAPKG_TEST_POSTGRES_URL"] = postgres_server.url
    return lambda document, folder: nursery.run_python(RUN, document, cwd=folder, env=environment)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_code_in_the_documentation_works(document: Path, tmp_path: Path, run: Run) -> None:
    """Every block runs, in order, and prints what the document says it prints."""
    result = run(document, tmp_path)
    assert result.returncode == 0, result.stderr


FAULTS = {
    "python": "```python\nimport no_such_module\n```\n",
    "a name of no earlier block": "```python\na = 1\n```\n```python\nassert a == b\n```\n",
    "pycon": "```pycon\n>>> 1 + 1\n3\n```\n",
    "command": "```console\n$ false\n```\n",
    "second command": "```bash\n$ true\n$ exit 3\n```\n",
    "output": "```console\n$ echo one\ntwo\n```\n",
    "exit": "```python\nraise SystemExit\n```\n",
}


@pytest.mark.parametrize("text", FAULTS.values(), ids=FAULTS)
def test_a_block_that_does_not_work_is_reported(text: str, tmp_path: Path, run: Run) -> None:
    """A wrong block of each kind fails the run, and the report names the file."""
    document = tmp_path / "wrong.md"
    document.write_text(text, encoding="utf-8")
    result = run(document, tmp_path)
    assert result.returncode == 1
    assert "wrong.md" in result.stderr


def test_blocks_run_in_order_in_one_namespace_and_folder(tmp_path: Path, run: Run) -> None:
    """Names and files made in one block are there in the next, of whatever kind; a block marked not run is not.

    Blocks of a namespace share theirs with nobody else.
    """
    document = tmp_path / "right.md"
    document.write_text(
        "```python\nfrom pathlib import Path\nPath('made').write_text('seven')\n```\n"
        "```console\n$ cat made\nseven\n$ echo abc; echo def\na...\n```\n"
        "```pycon\n>>> text = Path('made').read_text()\n>>> text\n'seven'\n```\n"
        "<!-- not run: it would end badly -->\n```python\nraise SystemExit('run all the same')\n```\n"
        "```json\n{not code}\n```\n"
        "<!-- namespace: other -->\n```python\nassert 'text' not in vars()\ntext = 'eight'\n```\n"
        "```python\nassert text == 'seven'\n```\n"
        "<!-- namespace: other -->\n```python\nassert text == 'eight'\n```\n",
        encoding="utf-8",
    )
    result = run(document, tmp_path)
    assert (result.returncode, result.stdout) == (0, "6 blocks run\n"), result.stderr
