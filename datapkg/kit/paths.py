"""Names of files as callers give them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from datapkg.kit.errors import ValidationError

__all__ = ["as_file"]


def as_file(given: str | os.PathLike[str], *, what: str, name: str = "path") -> Path:
    """Return the path of a file that can be read more than once.

    Args:
        given: the path.
        what: what the error calls the input.
        name: the argument's name.

    Raises:
        ValidationError: it is no path, there is no such file, or it is a folder, a pipe or a device.
    """
    try:
        path = Path(given)
        os.fsencode(path)
        regular = stat.S_ISREG(path.stat().st_mode)
    except (TypeError, ValueError):  # no text, NUL, a lone surrogate
        raise ValidationError({name: ["Not a valid path."]}, what=what) from None
    except FileNotFoundError:
        raise ValidationError({name: [f"There is no file {path}."]}, what=what) from None
    except OSError as error:
        raise ValidationError({name: [f"The file cannot be read: {error}."]}, what=what) from error
    if not regular:
        raise ValidationError(
            {name: [f"{path} is no regular file, and it has to be read twice."]},
            what=what,
            fix="Give a file; write what comes through a pipe into one first. Nothing was written.",
        )
    return path
