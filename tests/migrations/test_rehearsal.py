"""``migrate --rehearse``: everything pending runs on a clone, and the database itself stays as it is."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

import datapkg
from datapkg.errors import MigrationError
from datapkg.kit.engines import SqliteDatabase
from datapkg.operations import migrations
from datapkg.operations.migrations.cloning import CLONE_PREFIX

BASE = """
@migrator.create_model
class Note(MutableModel):
    text = TextField(max_length=20)
    pages = IntegerField(min=0, default=1)
    class Meta:
        table_name = "notes"
"""
FILL = """
def fill():
    from datapkg import flags
    from datapkg.kit.database import current
    for n in range(3):
        current().execute_sql("UPDATE notes SET pages = pages + 1 WHERE pages > 0")
    flags.set_flag("rehearsed", enabled=True)
migrator.run(fill)
migrator.sql("DELETE FROM notes WHERE text = %s", "t2")
"""
ROW = (
    "INSERT INTO notes (id, created_at, updated_at, text, pages) VALUES ('0192e4a0-0000-7000-8000-{:012d}', "
    "'2024-01-01T00:00:00.000000Z', '2024-01-01T00:00:00.000000Z', 't{}', {})"
)


def clones(database):
    """What is left of clones."""
    if isinstance(database, SqliteDatabase):
        return [path.name for path in Path(tempfile.gettempdir()).glob(f"{CLONE_PREFIX}*")]
    return database.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (CLONE_PREFIX,))


def test_a_rehearsal_runs_everything_on_a_clone(database, files, notes, connect, url, monkeypatch, tmp_path):
    """It tells SQL, rows, times and counts; nothing of the real database changes, also when a migration fails."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where no other test makes a clone meanwhile
    assert list(datapkg.rehearse(to="001").seconds) == ["001_audit"]
    assert migrations.status().state in ("missing", "empty")
    files.write("001_base", BASE)
    migrations.migrate()
    datapkg.set_environment("production")
    for n in range(5):
        database.execute_sql(ROW.format(n, n, n + 1))
    # Somebody else is connected all the time, and in the middle of a transaction of its own.
    other = connect(url)
    before = len(clones(database)), notes.everything(database), migrations.catalog(), migrations.status().as_dict()
    with other.atomic():
        other.fetch("SELECT count(*) FROM notes", ())
        assert datapkg.rehearse().seconds == {}
        files.write("002_wider", 'migrator.change_fields("notes", text=TextField(max_length=5))')
        files.write("003_fill", FILL)
        files.write("004_drop", 'migrator.remove_fields("notes", "pages")\n' + BASE.replace('"notes"', '"more"'))
        report = datapkg.rehearse()
        files.write("005_wrong", 'migrator.sql("INSERT INTO nowhere SELECT 1")')
        with pytest.raises(MigrationError, match=r"005_wrong\.py, line 9"):
            datapkg.rehearse()
        (files.folder / "005_wrong.py").unlink()
    now = migrations.status().as_dict()
    assert now.pop("pending") == ["mine: 002_wider", "mine: 003_fill", "mine: 004_drop"]
    assert (len(clones(database)), notes.everything(database), migrations.catalog()) == before[:3]
    assert now["applied"] == before[3]["applied"]
    print(report)
    assert list(report.seconds) == ["mine: 002_wider", "mine: 003_fill", "mine: 004_drop"]
    assert {name: report.after.get(name) for name in ("notes", "more")} == {"notes": 4, "more": 0}
    assert {row["table"]: (row["before"], row["after"]) for row in report.tables()} == {
        "more": (None, 0),
        "notes": (5, 4),
        "feature_flags": (0, 1),
    }
    function, delete = (step for step in report.steps if step.migration == "003_fill")
    assert function.tag == "data"
    assert function.rows >= 15 + 1
    assert function.sql[:2] == ["python function fill", "UPDATE notes SET pages = pages + 1 WHERE pages > 0 (3 times)"]
    assert (delete.tag, delete.rows) == ("destructive", 1)
    assert "notes: 5 -> 4" in str(report)
    assert report.public()["before"]["notes"] == 5
