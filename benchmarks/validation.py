"""What validating one definition content costs, by datapkg's recogniser and by marshmallow alone."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.harness import Figures, rotated
from datapkg.evaluation.documents import DEFINITION_CONTENT
from datapkg.kit import schemas

__all__ = ["measure_validation"]


def measure_validation(contents: list[dict[str, object]], *, rounds: int, times: int = 500) -> Figures:
    """Time both ways on the same valid contents.

    Args:
        contents: current, valid contents.
        rounds: figures for each way.
        times: contents in one round.
    """
    schema = schemas.instance(DEFINITION_CONTENT.schema)
    ways: dict[str, Any] = {"datapkg": DEFINITION_CONTENT.validate, "marshmallow": schema.load}
    figures = Figures()
    for number in range(-1, rounds):
        for name in rotated(list(ways), max(number, 0)):
            validate = ways[name]
            start = time.perf_counter()
            for each in range(times):
                validate(contents[each % len(contents)])
            if number >= 0:
                figures.add(name, (time.perf_counter() - start) / times)
    return figures
