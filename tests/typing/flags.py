"""The flags domain, as a program downstream sees it; checked by mypy, never run."""

from __future__ import annotations

import datetime as dt
from typing import assert_type
from uuid import UUID

from datapkg import flags
from datapkg.flags import FeatureFlag
from datapkg.kit.results import Rows


def feature_flag_columns(row: FeatureFlag) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.key, str)
    assert_type(row.enabled, bool)
    assert_type(row.description, str | None)
    assert_type(row.rollout_percentage, int | None)


def functions(text: str) -> None:
    """What each function gives."""
    flags.delete_flag(text)
    assert_type(flags.find_flag(text), FeatureFlag | None)
    assert_type(flags.get_flag(text), FeatureFlag)
    assert_type(flags.is_enabled(text), bool)
    assert_type(flags.list_flags(), Rows[FeatureFlag])
    assert_type(flags.set_flag(text), FeatureFlag)
