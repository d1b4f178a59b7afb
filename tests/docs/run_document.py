"""Run the code blocks of one Markdown file in the current folder, in order, as a reader would who follows along.

``python`` blocks share one namespace, ``pycon`` blocks are doctests in it. In ``console`` and ``bash`` blocks the
lines that start with ``$ `` are run; where output is shown below one, it has to be what the command prints, with
``...`` standing for any text. A comment right before a block changes that:

- ``<!-- file: name -->``: it is written to that file instead of run, for a later command to use.
- ``<!-- namespace: name -->``: it shares its names with the blocks of that name alone.
- ``<!-- not run: reason -->``: it is left alone. So is every block in any other language.

Usage: python run_document.py FILE
"""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import nursery

BLOCK = re.compile(
    r"(?P<skip><!-- not run: (?P<reason>[^\n]*?) -->\n+)?(?:<!-- file: (?P<file>[\w./-]+) -->\n+)?"
    r"(?:<!-- namespace: (?P<namespace>\w+) -->\n+)?"
    r"^```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
RUNNABLE = ("python", "pycon", "console", "bash")
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(text: str) -> Iterator[tuple[int, str, str, str]]:
    """Yield line number, language, code and namespace of every block to be run; a file's language is its name."""
    for match in BLOCK.finditer(text):
        line = text[: match.start("code")].count("\n") + 1
        if match["file"]:
            yield line, f"file:{match['file']}", match["code"], ""
        elif match["language"] in RUNNABLE and not match["skip"]:
            yield line, match["language"], match["code"], match["namespace"] or ""


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
        plain, _, expected = command.partition(" || test $? -eq ")
        if words := words_of(plain):
            ended = nursery.run(words[1:])
            exited, printed = ended.returncode - int(expected or 0), ended.stdout + ended.stderr
        else:
            result = subprocess.run(
                command,
                shell=True,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            exited, printed = result.returncode, result.stdout
        if exited:
            raise AssertionError(f"$ {command}\nended with {exited}:\n{printed}")
        if shown.strip() and not doctest.OutputChecker().check_output(shown, printed, OPTIONS):
            raise AssertionError(f"$ {command}\nThe document shows:\n{shown}\nIt prints:\n{printed}")


def words_of(command: str) -> list[str]:
    """Return the words of a ``datapkg`` command, or none if it takes a shell to read it."""
    if not command.startswith("datapkg ") or re.search(r"[\\$`*?~#]", command):
        return []
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    return [] if any(set(word) <= set("();<>|&") for word in words) else words


def main(path: str) -> int:
    """Run a file's blocks; the number of blocks run goes to stdout, the first failure to stderr."""
    nursery.fork_from_here()
    sys.path.insert(0, "")  # as in an interpreter that was started in this folder
    namespaces: dict[str, dict[str, object]] = {}
    found = list(blocks(Path(path).read_text(encoding="utf-8")))
    for line, language, code, name in found:
        namespace = namespaces.setdefault(name, {"__name__": "__main__"})
        try:
            if language.startswith("file:"):
                file = Path(language.removeprefix("file:"))
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(code, encoding="utf-8")
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
