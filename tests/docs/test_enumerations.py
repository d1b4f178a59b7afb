"""docs/enumerations.md says what every enumeration may hold: no value is missing, and none is there that is not."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from datapkg import registry
from datapkg.evaluation.document_schemas import ROLES
from datapkg.kit.fields import EnumField
from datapkg.operations.bookkeeping import BOOKKEEPING
from datapkg.planning import BALANCE_STATUSES
from datapkg.scripts.legacy.report import STAGES
from datapkg.workqueue.waiting import REASONS

DOCUMENT = Path(__file__).parents[2] / "docs" / "enumerations.md"
ENUMERATIONS = {
    (model._meta.table_name, field.column_name): set(field.values)
    for model in [*(each for domain in registry.domains() for each in domain.models), *BOOKKEEPING]
    for field in model._meta.sorted_fields
    if isinstance(field, EnumField)
}


def documented():
    """Return the documented values, by table and column; ``as other_table.column`` stands for that one's."""
    found, last = {}, []
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line[1:-1].split("|")]
        if not line.startswith("| ") or len(cells) != 4 or cells[0] == "table":
            continue
        table, columns, values, _ = cells
        if columns:
            last = list(product(*(re.findall(r"`(\w+)`", cell) for cell in (table, columns))))
        same = re.fullmatch(r"as `(\w+)\.(\w+)`", values)
        for key in last:
            found.setdefault(key, set()).update(found[same.groups()] if same else re.findall(r"`(\w+)`", values))
    return found


def test_every_enumeration_is_documented_with_its_values():
    """What the models allow and what the page says are the same, column by column."""
    assert documented() == ENUMERATIONS


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("`backfill_progress.stage`", STAGES),
        ("a transcript's turn", ROLES),
        ("`planning.balance`", BALANCE_STATUSES),
        ("`workqueue.blocked`", REASONS),
    ],
    ids=["stages", "roles", "balances", "reasons"],
)
def test_what_is_fixed_without_a_check_is_documented_too(what, values):
    """Its row names each value, in the order in which the code has them."""
    (row,) = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {what}")]
    assert re.findall(r"`(\w+)`", row.split(" | ")[1]) == list(values)
