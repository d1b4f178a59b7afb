"""Finding direct writes to gated tables in source, and listing what touches the database."""

from __future__ import annotations

import importlib.util
import os
import textwrap
from pathlib import Path

import pytest

import datapkg
from datapkg import registry
from datapkg.errors import NotFoundError
from datapkg.kit.domains import Domain
from datapkg.kit.fields import TextField
from datapkg.kit.models import Model
from datapkg.operations.linting import gated_tables, lint_writes, list_touchpoints
from datapkg.operations.linting.sources import LARGEST

IMPORTS = """
import peewee as pw
import datapkg.scripts.models as m
from datapkg import scripts
from datapkg.audit.models import AuditLog as Log
from datapkg.evaluation.models import Definition, Rubric
"""


def found(tmp_path, code, *, imports=IMPORTS):
    """Lint a piece of code; return (line of the code, kind, table) of each finding."""
    (tmp_path / "code.py").write_text(imports + textwrap.dedent(code), encoding="utf-8")
    before = imports.count("\n")
    return [(each.line - before, each.kind, each.table) for each in lint_writes([tmp_path])]


WRITES = {
    "insert": 'db.execute("INSERT INTO rubrics (id) VALUES (?)", (1,))',
    "lower case": 'db.execute("insert into rubrics values (1)")',
    "or replace": 'db.execute("INSERT OR REPLACE INTO rubrics VALUES (1)")',
    "replace": 'db.execute("REPLACE INTO rubrics VALUES (1)")',
    "update": 'db.execute("UPDATE rubrics SET name = 1")',
    "update only, alias": 'db.execute("UPDATE ONLY rubrics AS r SET name = 1")',
    "delete": 'db.execute("DELETE FROM rubrics")',
    "truncate": 'db.execute("TRUNCATE users, rubrics CASCADE")',
    "merge": 'db.execute("MERGE INTO rubrics r USING other o ON r.id = o.id WHEN MATCHED THEN DELETE")',
    "copy": 'cursor.copy_expert("COPY rubrics (id) FROM STDIN", file)',
    "copy_from": 'cursor.copy_from(file, "rubrics")',
    "insert_rows": 'db.insert_rows("rubrics", columns, rows)',
    "schema and quotes": "db.execute('DELETE FROM main.\"rubrics\" WHERE id = %s')",
    "comment first": 'db.execute("-- why\\n/* and how */ DELETE FROM rubrics")',
    "with": 'db.execute("WITH x AS (SELECT 1) DELETE FROM rubrics WHERE id IN x")',
    "in a with": 'db.execute("WITH gone AS (DELETE FROM rubrics RETURNING *) SELECT * FROM gone")',
    "second statement": 'db.executescript("BEGIN; DELETE FROM rubrics; COMMIT")',
    "explain analyze": 'db.execute("EXPLAIN ANALYZE DELETE FROM rubrics")',
    "trigger": 'db.execute("CREATE TRIGGER t AFTER INSERT ON users BEGIN DELETE FROM rubrics; END")',
    "do block": 'db.execute("DO $$ BEGIN DELETE FROM rubrics; END $$")',
    "f-string": 'db.execute(f"DELETE FROM rubrics{where}")',
    "f-string, schema": 'db.execute(f"DELETE FROM {schema}.rubrics WHERE {where}")',
    "sum": 'db.execute("DELETE FROM " + "rubrics " + where)',
    "percent": 'db.execute("DELETE FROM %s WHERE %s" % ("rubrics", where))',
    "format": 'db.execute("DELETE FROM {} WHERE {x}".format("rubrics", x=1))',
    "join": 'db.execute(" ".join(["DELETE FROM", "rubrics", where]))',
    "sql composition": 'c.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("rubrics")))',
    "constant": 'T = "rubrics"; db.execute(f"DELETE FROM {T}")',
    "model's table": 'db.execute(f"DELETE FROM {Rubric._meta.table_name}")',
    "bytes": 'c.execute(b"DELETE FROM rubrics")',
    "keyword": 'run(statement="DELETE FROM rubrics")',
    "parts": 'q = "DELETE FROM "; q += "rubrics"',
    "Model.insert": "Rubric.insert(name=1).execute()",
    "Model.insert_many": "Rubric.insert_many(rows).execute()",
    "Model.update": "Rubric.update(name=1).where(Rubric.id == 1).execute()",
    "Model.delete": "Rubric.delete().execute()",
    "Model.create": "Rubric.create(name=1)",
    "Model.bulk_create": "Rubric.bulk_create(rows)",
    "Model.bulk_update": "Rubric.bulk_update(rows, fields=[])",
    "Model.replace": "Rubric.replace(name=1).execute()",
    "other name": "R = Rubric; R.delete().execute()",
    "subclass": "class Mine(Rubric):\n    class Meta:\n        table_name = 'rubrics'\nMine.delete().execute()",
    "a model of one's own": "class Mine(pw.Model):\n    class Meta:\n        table_name = 'rubrics'\nMine.create()",
    "peewee.Table": 'from peewee import Table\nt = Table("rubrics"); t.insert({}).execute()',
    "new row": "Rubric(name=1).save()",
    "row": "r = Rubric.get_by_id(1); r.save()",
    "row of a loop": "for r in Rubric.select().where(Rubric.name == 1):\n    r.delete_instance()",
    "row of a comprehension": "[r.delete_instance() for r in Rubric.select()]",
    "parameter": "def f(r: Rubric | None, s):\n    r.save()",
    "parameter, quoted": "def f(r: 'Rubric'):\n    r.save()",
    "indexed": "Rubric[1].delete_instance()",
    "kit insert": "from datapkg.kit.statements import insert\ninsert(Rubric, {})",
    "kit insert_many": "from datapkg.kit import statements as s\ns.insert_many(Rubric, [])",
    "in a migration": 'def migrate(migrator):\n    migrator.orm["rubrics"].delete().execute()',
    "local import": "def f():\n    from datapkg.evaluation.models import Rubric as Q\n    Q.create()",
    "re-exported": "from datapkg import evaluation\nevaluation.Rubric.create()",
    "star import": "from datapkg.evaluation import *\nfrom datapkg.evaluation.models import *\nRubric.create()",
    "assigned with others": "a, b = Rubric, Definition\na.create(); b.create()",
    "one of several": "for each in (Definition, Rubric):\n    each.delete().execute()",
    "one of a list": "every = [Definition, Rubric]\n[each.delete() for each in every]",
    "a method kept": "remove = Rubric.delete\nremove().execute()",
    "a method passed on": "list(map(Rubric.delete_by_id, keys))",
    "a row's method kept": "def f(r: Rubric):\n    return r.save",
    "getattr": "getattr(Rubric, 'delete')().execute()",
    "getattr of the model": "from datapkg import evaluation\ngetattr(evaluation, 'Rubric').create()",
    "default": "def f(model=Rubric):\n    model.create()",
    "default by name": "def f(a, /, b, *, model=Rubric, c):\n    model.create()",
    "item removed": "del Rubric[1]",
    "item set": "Rubric[1] = {'name': 'x'}",
    "peewee's query": "pw.ModelDelete(Rubric).execute()",
    "decoded": 'c.execute(b"DELETE FROM rubrics".decode())',
    "before it is bound": "def f():\n    X.create()\nX = Rubric",
}


@pytest.mark.parametrize("code", WRITES.values(), ids=WRITES)
def test_a_direct_write_is_found(tmp_path, code):
    """Each way to write a gated table past its function is one finding."""
    assert [(kind, table) for _, kind, table in found(tmp_path, code)] == [("write", "rubrics")]


def test_a_finding_names_place_table_and_what_to_call(tmp_path):
    """Whole modules imported under another name are seen through; columns count characters."""
    (tmp_path / "code.py").write_text(IMPORTS + "é = 1; m.ScriptCommand.create()\nLog.delete().execute()\n")
    first, second = lint_writes([tmp_path])
    assert (first.path, first.line, first.column) == (str(tmp_path / "code.py"), 7, 8)
    assert (first.table, first.what) == ("script_commands", "m.ScriptCommand.create writes script_commands directly")
    assert first.instead == "call datapkg.scripts.append"
    assert (second.line, second.table) == (8, "audit_logs")
    assert "datapkg.audit.record" in second.instead


def test_a_statement_deep_in_a_literal_has_its_own_line(tmp_path):
    """A script in one long literal is told apart, line by line."""
    code = 'db.executescript("""\n  SELECT 1;\n  DELETE FROM rubrics;\n  DELETE FROM audit_logs""")\n'
    assert found(tmp_path, code) == [(3, "write", "rubrics"), (4, "write", "audit_logs")]


NOT_WRITES = {
    "docstring": 'def f():\n    """DELETE FROM rubrics"""',
    "comment": "# DELETE FROM rubrics",
    "sentence": 'help = "Update the table rubrics, or delete rows from rubrics."',
    "sentence that begins like SQL": 'help = "Insert into rubrics is refused."',
    "sentence with a full stop": 'help = "Delete from rubrics."',
    "update without set": 'help = "Update rubrics"',
    "copy": 'help = "Copy rubrics from the old database"',
    "log": 'logger.info("DELETE FROM rubrics")',
    "log of an attribute": 'self._log.debug("UPDATE rubrics SET x = 1 took %s", 3)',
    "error": 'raise ValueError("DELETE FROM rubrics")',
    "print": 'print("DELETE FROM rubrics")',
    "comparison": 'assert sql == "DELETE FROM rubrics", "DELETE FROM rubrics"',
    "read": 'db.execute("SELECT * FROM rubrics FOR UPDATE"); Rubric.select().where(Rubric.id == 1)',
    "copy to": 'c.copy_expert("COPY rubrics TO STDOUT", file)',
    "open table": 'db.execute("DELETE FROM definitions"); Definition.delete().execute(); Definition.create().save()',
    "similar table": 'db.execute("DELETE FROM rubrics_old"); db.execute(f"DELETE FROM my_{x}")',
    "column": 'db.execute("INSERT INTO definitions (rubrics) SELECT rubrics FROM definitions")',
    "trigger on it": 'db.execute("CREATE TRIGGER t BEFORE DELETE ON rubrics BEGIN SELECT 1; END")',
    "dictionary": 'rubrics = {}; rubrics.update(a=1); set().update("rubrics")',
    "shadowed": "def f(Rubric):\n    Rubric.create()",
    "rebound": "Rubric = object(); Rubric.delete()",
    "somebody else's class": "from elsewhere import Rubric\nRubric.create()",
    "star import, rebound": "from datapkg.evaluation import *\nRubric = object()\nRubric.create()",
    "star import of others": "from elsewhere import *\nRevision.create()",
    "methods of others": "f = Definition.delete, form.save, getattr(Rubric, name), getattr(Rubric, 'select')",
    "item of another": "del Definition[1], rubrics[1]; rubrics[1] = Rubric[1]",
    "default of another": "def f(a=Rubric, b=Definition):\n    b.create()",
    "other object": "form.save(); x.delete_instance()",
    "its own method name": "class A:\n    def create(self): ...\nA().create()",
}


@pytest.mark.parametrize("code", NOT_WRITES.values(), ids=NOT_WRITES)
def test_what_is_no_write_is_not_found(tmp_path, code):
    """Words of SQL in sentences, reads, and names that only look alike."""
    assert found(tmp_path, code) == []


def test_gates_are_found_where_they_are_opened(tmp_path):
    """One finding for the gate; what is written behind it is not told again, and behind another's it is."""
    code = """\
    with db.open_gate("rubrics"):
        db.execute("DELETE FROM rubrics")
        Rubric.delete().execute()
        Log.delete().execute()
    with db.open_gate(table):
        pass
    db.execute("SELECT set_config('datapkg.gate', 'rubrics', true)")
    db.execute("SET LOCAL datapkg.gate = 'rubrics'")
    db.execute('SET LOCAL "datapkg"."gate" TO rubrics')
    connection.create_function("datapkg_gate", 0, lambda: "rubrics")
    connection.create_function("gate", 0, lambda: "rubrics")
    """
    assert found(tmp_path, code) == [
        (1, "gate", "rubrics"),
        (4, "write", "audit_logs"),
        (5, "gate", ""),
        (7, "gate", ""),
        (8, "gate", ""),
        (9, "gate", ""),
        (10, "gate", ""),
    ]


def test_one_line_can_be_allowed_with_a_reason(tmp_path):
    """On the line, above it, or on any line of a long expression; the lines around are still looked at."""
    code = """\
    Rubric.create()  # datapkg: allow-write the legacy import, reviewed
    # datapkg: allow-write the legacy import, reviewed
    # in 2026
    Rubric.create()
    Rubric.create(
        name=1,
    )  # datapkg: allow-write: as above
    Rubric.create()
    text = "# datapkg: allow-write not a comment"; Rubric.create()
    """
    assert found(tmp_path, code) == [(8, "write", "rubrics"), (9, "write", "rubrics")]


def test_allowances_are_checked_too(tmp_path):
    """Without a reason it allows nothing; unused and misspelt ones are findings."""
    code = """\
    Rubric.create()  # datapkg: allow-write
    Rubric.create()  # datapkg: allow-write --
    x = 1  # datapkg: allow-write nothing here
    Rubric.create()  # datapkg: allow-writes twice
    # datapkg: allow-write at the end
    """
    assert found(tmp_path, code) == [
        *[(1, "write", "rubrics"), (1, "allowance", "")],
        *[(2, "write", "rubrics"), (2, "allowance", "")],
        (3, "allowance", ""),
        *[(4, "write", "rubrics"), (4, "allowance", "")],
        (5, "allowance", ""),
    ]


def test_models_are_followed_through_the_code_base(tmp_path):
    """Re-exports, star imports, relative imports, bases in other files, and imports in a circle."""
    package = tmp_path / "app"
    package.mkdir()
    (package / "__init__.py").write_text("from .tables import *\nfrom app.loop import Gone\n")
    (package / "tables.py").write_text(
        "import peewee\nfrom datapkg.evaluation.models import Rubric\n"
        "class Base(peewee.Model):\n    pass\n"
        "class Rubrics(Base):\n    pass\n"
    )
    (package / "loop.py").write_text("from app import Gone\n")
    (package / "use.py").write_text("from . import Rubric as R, Gone\nR.create()\nGone.create()\n")
    (tmp_path / "main.py").write_text(
        "import app.tables as t\nt.Rubrics.create()\nfrom app import Rubric\nRubric[1].save()"
    )
    places = [(Path(each.path).name, each.line) for each in lint_writes([tmp_path])]
    assert places == [("main.py", 2), ("main.py", 4), ("use.py", 2)]


BAD_FILES = {
    "syntax": (b"def f(:\n", "not valid Python"),
    "null": (b"x = 1\0\n", "not valid Python"),
    "not utf-8": (b"x = '\xff'\n", "encoding"),
    "unknown encoding": (b"# -*- coding: nonsense -*-\n", "encoding"),
    "parentheses": (b"(" * 5000 + b")" * 5000, "not valid Python"),
    "minus signs": (b"x = " + b"-" * 20000 + b"1\n", "nested too deeply"),
    "attributes": (b"x" + b".y" * 5000 + b"\n", "nested too deeply"),
    "too large": (b"#" * (LARGEST + 1), "larger than"),
}


@pytest.mark.parametrize(("data", "why"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_cannot_be_read_is_a_finding(tmp_path, data, why):
    """It is told, once, and the files after it are still looked at."""
    (tmp_path / "a.py").write_bytes(data)
    (tmp_path / "b.py").write_text("db.execute('DELETE FROM rubrics')\n")
    first, second = lint_writes([tmp_path])
    assert (first.kind, second.kind) == ("unread", "write")
    assert why in first.what
    assert [each.access for each in list_touchpoints([tmp_path])] == ["unread", "write"]


@pytest.mark.parametrize(
    "code",
    [
        "x = " + " + ".join(["'a'"] * 900) + "\n",
        "x = 'DELETE FROM '\n" + "x = x + x\n" * 60,
        "x = '%999999999d' % 3\ny = '{:999999999}{0[} {'.format(1)\n",
        "x = '" + "(" * 3000 + "'\nx = 'SELECT " + "(" * 3000 + "'\n",
        "x = 'SELECT \"'\ny = \"DELETE FROM 'x\"\nz = 'WITH a AS'\nv = 'UPDATE'\nw = 'COPY'\n",
        "def f(a: '(('): ...\nfrom ..... import *\nfrom . import x\nx.y.z[0]().q = 1\n",
    ],
    ids=["long sum", "doubling", "widths", "open parentheses", "broken SQL", "broken names"],
)
def test_odd_source_is_read_without_harm(tmp_path, code):
    """Nothing is run, built or repeated as the source would have it."""
    assert [each for each in found(tmp_path, code, imports="") if each[1] == "write"] == []


def test_a_latin_1_file_is_read(tmp_path):
    """A file's declared encoding holds, and lines end as they end."""
    (tmp_path / "a.py").write_bytes("# coding: latin-1\r\nx = 'é'; q('DELETE FROM rubrics')\r\n".encode("latin-1"))
    (one,) = lint_writes([tmp_path])
    assert (one.line, one.column) == (2, 12)


def test_folders_are_walked_in_order_without_what_is_not_source(tmp_path):
    """Hidden folders, caches, packages of others and links in a circle are left out; a named one is not."""
    for name in ("b", "a", ".hidden", "node_modules", "__pycache__", "venv", "env"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.py").write_text("q('DELETE FROM rubrics')\n")
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "again.py").symlink_to(tmp_path / "a" / "x.py")
    (tmp_path / "a" / "nowhere.py").symlink_to(tmp_path / "gone.py")
    (tmp_path / "a" / "notes.txt").write_text("DELETE FROM rubrics")
    os.mkfifo(tmp_path / "b" / "pipe.py")
    got = [(str(Path(each.path).relative_to(tmp_path)), each.kind) for each in lint_writes([tmp_path])]
    assert got == [("a/again.py", "write"), ("a/nowhere.py", "unread"), ("b/pipe.py", "unread"), ("b/x.py", "write")]
    assert len(lint_writes([tmp_path / ".hidden", tmp_path / ".hidden" / "x.py"])) == 1
    with pytest.raises(NotFoundError):
        lint_writes([tmp_path / "gone"])


class Receipt(Model):
    """A table of a domain that a program registers."""

    text = TextField()

    class Meta:
        table_name = "receipts"
        append_only = True


def test_tables_of_a_registered_domain_are_gated(tmp_path):
    """What is gated comes from the registry; a model without written_by gets its domain's name."""
    code = "db.execute('DELETE FROM receipts')"
    assert found(tmp_path, code) == []
    datapkg.register(Domain(name="till", models=(Receipt,), migrations=tmp_path))
    try:
        assert gated_tables()["receipts"] == "the functions of the domain 'till'"
        assert found(tmp_path, code) == [(1, "write", "receipts")]
        assert found(tmp_path, f"from {__name__} import Receipt\nReceipt.create()") == [(2, "write", "receipts")]
    finally:
        registry.unregister("till")
    assert found(tmp_path, code) == []


def test_every_gated_table_says_what_to_call():
    """Each built-in gated table names a function."""
    assert {"audit_logs", "audit_heads", "rubrics", "script_commands", "script_versions"} <= set(gated_tables())
    assert {table: call for table, call in gated_tables().items() if not call.startswith("datapkg.")} == {}


def test_the_inventory_lists_reads_and_writes_by_domain_and_table(tmp_path):
    """SELECTs with their joins, subqueries and CTEs, Peewee's reads, tables of nobody, and those not known."""
    (tmp_path / "code.py").write_text(
        IMPORTS
        + "db.execute('WITH x AS (SELECT * FROM users u) SELECT 1 FROM runs r, x JOIN (SELECT id FROM legacy) l')\n"
        + "db.execute('SELECT extract(day FROM created_at) FROM runs WHERE a IS DISTINCT FROM b')\n"
        + "db.execute(f'UPDATE {table} SET a = (SELECT max(id) FROM scripts)')\n"
        + "m.Script.select().join(Rubric)\n"
        + "db.execute('DROP TABLE IF EXISTS legacy'); x = 'Select a run from the list'\n"
        + "with db.open_gate('rubrics'):\n    Rubric.delete().execute()\n"
    )
    listed = [(each.domain, each.table, each.access, each.line, each.gated) for each in list_touchpoints([tmp_path])]
    assert listed == [
        ("", "?", "write", 9, False),
        ("", "legacy", "read", 7, False),
        ("", "legacy", "schema", 11, False),
        ("accounts", "users", "read", 7, False),
        ("evaluation", "rubrics", "gate", 12, True),
        ("evaluation", "rubrics", "read", 10, True),
        ("evaluation", "rubrics", "write", 13, True),
        ("evaluation", "runs", "read", 7, False),
        ("evaluation", "runs", "read", 8, False),
        ("scripts", "scripts", "read", 9, False),
        ("scripts", "scripts", "read", 10, False),
    ]


@pytest.mark.parametrize("name", ["click", "playhouse", "peewee", "peewee_migrate", "marshmallow"])
def test_well_known_packages_have_no_findings(name):
    """They write none of our tables, whatever SQL and whatever sentences they hold."""
    origin = Path(importlib.util.find_spec(name).origin)
    path = origin.parent if origin.name == "__init__.py" else origin
    assert list(lint_writes([path])) == []
    assert path.is_file() or len(list(path.rglob("*.py"))) > 3


def test_this_package_keeps_its_own_rules():
    """Every direct write in it is allowed on its line, with a reason."""
    assert list(lint_writes([Path(datapkg.__file__).parent])) == []
