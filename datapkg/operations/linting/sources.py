"""Python source on the disk: which files there are, their text, and the lines that somebody allowed."""

from __future__ import annotations

import ast
import io
import os
import re
import stat
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from datapkg.kit.errors import NotFoundError

__all__ = ["LARGEST", "Allowance", "Source", "Unread", "module_name", "python_files", "read_source"]

LARGEST = 4 * 1024 * 1024
"""Bytes; a larger file is data, and reading it as source could take minutes."""

_SKIPPED = frozenset(("__pycache__", "node_modules", "venv"))
_COMMENT = re.compile(r"#\s*datapkg:\s*(allow\S*)\s*(.*)")


@dataclass(frozen=True)
class Unread:
    """A file that could not be read as Python.

    Attributes:
        path: which file.
        why: what is wrong with it.
        line: where, from 1.
    """

    path: str
    why: str
    line: int = 1


@dataclass
class Allowance:
    """A comment that allows the writes of one line.

    Attributes:
        line: where it stands, from 1.
        column: where it begins, from 1.
        covers: the line that it is about: its own, or the next line of code where it stands alone.
        word: the word after ``datapkg:``, which should be ``allow-write``.
        reason: what is written after it.
        used: whether it allowed anything.
    """

    line: int
    column: int
    covers: int
    word: str
    reason: str
    used: bool = False

    @property
    def valid(self) -> bool:
        """Whether it allows anything: spelled as it should be, with a reason."""
        return self.word == "allow-write" and bool(self.reason)


@dataclass
class Source:
    """A file that was read.

    Attributes:
        path: its path, as text below what was asked for.
        module: its dotted name.
        tree: what it says.
        lines: its text.
        allowances: its allowing comments.
    """

    path: str
    module: str
    tree: ast.Module
    lines: list[str]
    allowances: list[Allowance] = field(default_factory=list)


def python_files(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """Yield every Python file at or below some paths, each once, in sorted order for each path.

    Left out below a folder: hidden folders, ``__pycache__``, ``node_modules``, virtual environments, and folders that
    are symbolic links. What is named itself is always read.

    Raises:
        NotFoundError: a path does not exist.
    """
    seen: set[str] = set()
    for given in paths:
        top = Path(given)
        if not top.exists():
            raise NotFoundError("file or folder", str(top), fix="Check the path; it is taken from the current folder.")
        for path in _below(top) if top.is_dir() else [top]:
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                yield path


def _below(folder: Path) -> Iterator[Path]:
    # An unreadable folder is passed by like a skipped one, but for the one that was named.
    for at, folders, files in os.walk(folder, onerror=lambda error: _refuse(error, folder)):
        folders[:] = sorted(name for name in folders if not _skipped(Path(at, name)))
        yield from (Path(at, name) for name in sorted(files) if name.endswith(".py"))


def _refuse(error: OSError, folder: Path) -> None:
    if str(error.filename) == str(folder):
        raise error


def _skipped(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in _SKIPPED or (folder / "pyvenv.cfg").exists()


def module_name(path: Path) -> str:
    """Return the dotted name that a file is imported by, as far as the ``__init__.py`` files around it tell."""
    path = path.resolve()
    names = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        names.append(folder.name)
        folder = folder.parent
    return ".".join(reversed(names)) or path.parent.name


def read_source(path: Path) -> Source | Unread:
    """Read a file; nothing that may be in it raises."""
    shown = str(path)
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            return Unread(shown, "it is no regular file")
        if about.st_size > LARGEST:
            return Unread(shown, f"it is larger than {LARGEST // 1024 // 1024} MiB")
        data = path.read_bytes()
    except OSError as error:
        return Unread(shown, f"it cannot be opened: {error.strerror}")
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        return Unread(shown, f"its encoding is wrong: {error}")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in the source; not ours to tell
            tree = ast.parse(text)
    except SyntaxError as error:
        return Unread(shown, f"it is not valid Python: {error.msg}", error.lineno or 1)
    except ValueError as error:
        return Unread(shown, f"it is not valid Python: {error}")
    except (RecursionError, MemoryError):
        return Unread(shown, "it is nested too deeply")
    return Source(shown, module_name(path), tree, text.split("\n"), _allowances(text))


def _allowances(text: str) -> list[Allowance]:
    if "datapkg:" not in text:
        return []
    found: list[Allowance] = []
    waiting: list[Allowance] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                if match := _COMMENT.match(token.string):
                    line, column = token.start
                    reason = match[2].strip(" \t:-–—")
                    made = Allowance(
                        line, column + 1, line, match[1].rstrip(":"), reason if re.search(r"\w", reason) else ""
                    )
                    found.append(made)
                    if not token.line[:column].strip():
                        waiting.append(made)
            elif token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
                for each in waiting:
                    each.covers = token.start[0]
                waiting = []
    except (tokenize.TokenError, SyntaxError):
        pass  # what was read so far counts; Python itself took the file
    return found
