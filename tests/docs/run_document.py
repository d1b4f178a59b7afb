"""Run the code blocks of one Markdown file in the current folder, in order, as a reader would who follows along.

``python`` blocks share one namespace, ``pycon`` blocks are doctests in it. In ``console`` and ``bash`` blocks the
lines that start with ``$ `` are run; where output is shown below one, it has to be what the command prints, with
``...`` standing for any text. A block right after ``<!-- file: name -->`` is written to that file instead of run, for
a later command to use. A block right after ``<!-- not run: reason -->`` is left alone; any other language
is not code.

Usage: python run_document.py FILE
"""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

BLOCK = re.compile(
    r"(?P<skip><!-- not run: (?P<reason>[^\n]*?) -->\n+)?(?:<!-- file: (?P<file>[\w./-]+) -->\n+)?"
    r"^```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
RUNNABLE = ("python", "pycon", "console", "bash")
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line number, language and code of every block that is to be run; a file's language is its name."""
    for match in BLOCK.finditer(text):
        if match["file"]:
            yield text[: match.start("code")].count("\n") + 1, f"file:{match['file']}", match["code"]
            continue
        if match["language"] in RUNNABLE and not match["skip"]:
            yield text[: match.start("code")].count("\n") + 1, match["language"], match["code"]


def run_python(code: str, name: str, line: int, namespace: dict[str, object]) -> None:
    """Execute a block; line numbers in a traceback are the document's."""
    exec(compile("\n" * (line - 1) + code, name, "exec"), namespace)


def run_pycon(code: str, name: str, line: int, namespace: dict[str, object]) -> None:
    """Run a block as a doctest."""
    test = doctest.DocTestParser().get_doctest(code, namespace, name, name, line - 1)
    # Names made here are for the blocks below too, so the doctest gets the namespace itself, not its copy.
    test.globs = namespace
    report: list[str] = []
    if doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=report.append, clear_globs=False).failed:
        raise AssertionError("".join(report))


def run_console(code: str) -> None:
    """Run each command, and compare its output with what the document shows below it."""
    for command, shown in re.findall(r"^\$ (.*(?:\\\n.*)*)\n((?:(?!\$ ).*\n)*)", code, re.MULTILINE):
        result = subprocess.run(
            command, shell=True, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if result.returncode:
            raise AssertionError(f"$ {command}\nended with {result.returncode}:\n{result.stdout}")
        if shown.strip() and not doctest.OutputChecker().check_output(shown, result.stdout, OPTIONS):
            raise AssertionError(f"$ {command}\nThe document shows:\n{shown}\nIt prints:\n{result.stdout}")


def main(path: str) -> int:
    """Run a file's blocks; the number of blocks run goes to stdout, the first failure to stderr."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    found = list(blocks(Path(path).read_text(encoding="utf-8")))
    for line, language, code in found:
        try:
            if language.startswith("file:"):
                Path(language.removeprefix("file:")).write_text(code, encoding="utf-8")
            elif language == "python":
                run_python(code, path, line, namespace)
            elif language == "pycon":
                run_pycon(code, path, line, namespace)
            else:
                run_console(code)
        except BaseException:
            print(f"{path}:{line}: this {language} block does not work.", file=sys.stderr)
            traceback.print_exc()
            return 1
    print(f"{len(found)} blocks run")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
