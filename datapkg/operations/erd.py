"""A drawing of the registered tables; it reads the models and needs no database."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from datapkg import registry
from datapkg.kit.errors import ConfigurationError, NotFoundError, StorageError
from datapkg.kit.words import did_you_mean
from datapkg.operations.bookkeeping import BOOKS
from datapkg.operations.erd_drawing import MARK, draw

__all__ = ["Erd", "erd"]


class Erd:
    """A drawing of tables; a notebook shows it.

    Attributes:
        svg: the drawing, as SVG text.
    """

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def __str__(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<Erd of {self.svg.count('<g id=')} tables>"

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the drawing to a file, and return its path.

        Args:
            path: the file; an older drawing of this function is replaced.
            overwrite: whether any other file may be replaced too.

        Raises:
            ConfigurationError: there is another file of this name.
            StorageError: it cannot be written.
        """
        target = Path(path)
        try:
            if not overwrite and target.exists() and not _is_ours(target):
                raise ConfigurationError(
                    f"{target} is there already, and is no drawing of tables.",
                    fix="Choose another name, or repeat it with overwrite=True (--overwrite).",
                )
            target.write_text(self.svg, encoding="utf-8", newline="\n")
        except OSError as error:
            raise StorageError(
                f"{target} cannot be written: {error.strerror or error}.",
                fix="Check the folder and the room on its disk.",
            ) from error
        return target


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK.encode() in file.read(4096)


def erd(domains: Sequence[str] | None = None) -> Erd:
    """Draw the tables of every registered domain, or of some: columns, types, and what refers to what.

    The same models give the same text everywhere. Arrows to another domain's table end at its name alone.

    Args:
        domains: names of domains; None for all of them, and the package's own books.

    Raises:
        NotFoundError: there is no domain of a name.

    Example:
        >>> datapkg.erd(["evaluation"]).save("evaluation.svg")  # doctest: +SKIP
    """
    every = (*registry.domains(), BOOKS)
    known = {each.name: each for each in every}
    for name in domains or ():
        if name not in known:
            raise NotFoundError("domain", name, fix=f"Use some of: {', '.join(known)}.{did_you_mean(name, known)}")
    chosen = every if domains is None else tuple(known[name] for name in dict.fromkeys(domains))
    return Erd(draw(chosen, every))
