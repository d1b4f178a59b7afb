"""A client that is none of ours: the driver alone, without the gate's function or setting."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import psycopg2
import pytest

Run = Callable[..., None]


@pytest.fixture
def foreign(datapkg_url: str) -> Run:
    """Run statements on a fresh connection of the plain driver, each committed by itself."""

    def run(*statements: str) -> None:
        if datapkg_url.startswith("sqlite"):
            connection = sqlite3.connect(datapkg_url.removeprefix("sqlite:///"), isolation_level=None)
            try:
                for statement in statements:
                    connection.execute(statement)
            finally:
                connection.close()
            return
        server = psycopg2.connect(datapkg_url)
        server.autocommit = True
        try:
            with server.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            server.close()

    return run


@pytest.fixture
def without_triggers(datapkg_url: str, foreign: Run) -> Run:
    """The same, by somebody who may alter the tables and takes the triggers away first."""
    if datapkg_url.startswith("sqlite"):
        names = ("update", "delete", "replace")
        foreign(*(f"DROP TRIGGER tg_{table}_{name}" for table in ("audit_logs", "audit_heads") for name in names))
    else:
        foreign(*(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in ("audit_logs", "audit_heads")))
    return foreign
