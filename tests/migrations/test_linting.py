"""The safety rules of migrations: each found with its safe rewrite, which passes; our own migrations are clean."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig

import pytest

import datapkg
from datapkg.kit.errors import UnsafeMigrationError
from datapkg.operations import migrations

BASE = """
@migrator.create_model
class Note(Model):
    text = TextField(max_length=20, null=True)
    kind = TextField(max_length=9, index=True)
    old = TextField(max_length=9, null=True)
    class Meta:
        table_name = "notes"

migrator.sql("INSERT INTO notes (id, created_at, kind) SELECT id, created_at, 'a' FROM users")
"""
# What is not safe, the rules that it breaks, and the safe way: bodies of migrations, one after the other.
UNSAFE = {
    "a column dropped": ('migrator.remove_fields("notes", "old")', ["breaking", "drop"], []),
    "a table dropped": ('migrator.remove_model("notes")', ["breaking", "drop"], []),
    "rows deleted": ('migrator.sql("DELETE FROM notes")', ["breaking", "drop"], []),
    "a column renamed": (
        'migrator.rename_field("notes", "old", "new")',
        ["breaking", "rename"],
        [
            'migrator.add_fields("notes", new=TextField(max_length=9, null=True))',
            'migrator.sql("UPDATE notes SET new = old")',
        ],
    ),
    "a table renamed": ('migrator.rename_table("notes", "papers")', ["breaking", "rename"], []),
    "a shorter text": ('migrator.change_fields("notes", kind=TextField(max_length=2))', ["breaking", "narrow"], []),
    "a rule": ('migrator.add_constraint("notes", "ck_notes_a", "CHECK (kind <> old)")', ["breaking", "narrow"], []),
    "not null": ('migrator.add_not_null("notes", "text")', ["breaking", "narrow"], []),
    "append-only": ('migrator.set_append_only("notes")', ["breaking", "narrow"], []),
    "a required column": (
        'migrator.add_fields("notes", size=IntegerField(), allow_not_null=True)',
        ["breaking", "required"],
        ['migrator.add_fields("notes", size=IntegerField(default=0))'],
    ),
    "rows and tables in one": (
        'migrator.add_fields("notes", new=TextField(max_length=9, null=True))\n'
        'migrator.sql("UPDATE notes SET new = old")',
        ["mixed"],
        [
            'migrator.add_fields("notes", new=TextField(max_length=9, null=True))',
            'migrator.run(print, "UPDATE notes SET new = old")',
        ],
    ),
    "an index": (
        'migrator.add_index("notes", "kind", "old")',
        ["index"],
        ['migrator.add_index("notes", "kind", "old", concurrently=True)'],
    ),
    "an index in SQL": ('migrator.sql("CREATE INDEX ix_notes_text ON notes (text)")', ["index"], []),
}


def lint(files, *bodies):
    """The rules that these migrations break, by line."""
    for number, body in enumerate(bodies, 1):
        files.write(f"{number:03d}_step", body)
    try:
        return migrations.lint(history="mine")
    finally:
        for path in files.folder.glob("*.py"):
            path.unlink()


def test_each_rule_is_found_and_its_safe_rewrite_is_clean(files):
    """A finding names file, line, rule and rewrite; the rewrite, a note and an allowance satisfy it."""
    assert lint(files, BASE) == []
    for unsafe, rules, safe in UNSAFE.values():
        found = lint(files, BASE, unsafe)
        assert sorted(each.rule for each in found) == rules, unsafe
        assert all(each.migration == "002_step" and each.rewrite and each.line >= 9 for each in found)
        assert lint(files, BASE, *safe) == []
    body = f"# migration-lint: allow drop nothing reads it since 2.0\n{UNSAFE['a column dropped'][0]}"
    files.write("001_base", BASE)
    path = files.write("002_drop", body)
    path.write_text(f'"""Drop.\n\nBreaking: code before 2.0 reads it.\n"""\n{path.read_text()}')
    assert migrations.lint() == []
    assert migrations.lint(history="mine", since="002") == []
    for wrong, says in (
        ("allow drop", "it has no reason"),
        ("allow narrow because", "nothing here breaks"),
        ("allow any because", "any is no rule"),
    ):
        path.write_text(path.read_text().replace("allow drop nothing reads it since 2.0", wrong))
        assert says in next(each.what for each in migrations.lint() if each.rule == "allowance")
        path.write_text(path.read_text().replace(wrong, "allow drop nothing reads it since 2.0"))


def test_an_index_is_built_while_others_write(files, database, connect, url):
    """Concurrently on PostgreSQL, plainly on SQLite; what a failed build left is mended; beside other steps refused."""
    files.write("001_base", BASE)
    migrations.migrate()
    files.write("002_index", 'migrator.add_index("notes", "kind", "old", unique=True, concurrently=True)', "pass")
    steps = [step.sql for step in migrations.plan()]
    assert len(steps) == 1
    if database.dialect.name == "postgresql":
        assert steps[0].startswith("CREATE UNIQUE INDEX CONCURRENTLY ")
        for n in (1, 2):
            database.execute_sql(
                "INSERT INTO notes (id, created_at, kind, old) "
                f"VALUES ('0192e4a0-0000-7000-8000-00000000000{n}', now(), 'a', 'b')"
            )
        with pytest.raises(datapkg.DatapkgError):
            migrations.migrate()  # two rows alike: PostgreSQL leaves an index that is not valid
        assert [index for index in migrations.catalog().tables["notes"].indexes if index.endswith("kind_old")]
        database.execute_sql("DELETE FROM notes")
    assert migrations.migrate().applied == ["mine: 002_index"]
    assert migrations.catalog().tables["notes"].indexes["uq_notes_kind_old"].unique
    files.write(
        "003_more", 'migrator.add_index("notes", "old", concurrently=True)\nmigrator.drop_index("notes", "kind")'
    )
    if database.dialect.name == "postgresql":
        with pytest.raises(UnsafeMigrationError, match="cannot share a migration"):
            migrations.plan()


# Why what squawk finds in our plans is fine; anything else fails the test.
ALLOWED = {
    "require-lock-timeout": "the runner sets it before the first statement, to what --lock-timeout says",
    "require-statement-timeout": "the runner sets it to 0 on purpose: a limit for queries must end no migration",
    "prefer-bigint-over-int": "an IntegerField says its bounds and a CHECK keeps them; keys, which grow, are UUIDs",
    "ban-drop-default": "of a column that the same transaction adds: the default fills the rows, and no client saw it",
}


@pytest.mark.datapkg_engines("postgresql")
def test_squawk_finds_nothing_else_in_our_sql(files, database, tmp_path):
    """Every built-in migration, and the safe way of each rule, passes squawk but for what is justified above."""
    squawk = shutil.which("squawk", path=sysconfig.get_path("scripts"))
    assert squawk, "pip install 'datapkg[test]'"

    def complaints(steps, *, allowed):
        path = tmp_path / "plan.sql"
        # Where a value is bound the plan shows it behind the statement; any value does for the rules.
        bound = re.compile(r"(.*DEFAULT )%s(.*)  -- .*")
        plain = [bound.sub(r"\1'1'\2", step.sql) for step in steps if step.tag != "data"]
        path.write_text("".join(f"{sql};\n" for sql in plain))
        exclude = [f"--exclude={','.join(allowed)}"] if allowed else []
        command = [squawk, "--assume-in-transaction", "--pg-version=15", "--reporter=gcc", *exclude, str(path)]
        return subprocess.run(command, capture_output=True, text=True).stdout

    files.write("001_base", BASE)
    for number, body in enumerate((body for *_, safe in UNSAFE.values() for body in safe), 2):
        if "concurrently" not in body:
            files.write(f"{number:03d}_safe", body.replace("new", f"new{number}"))
    steps = migrations.plan()
    assert len(steps) > 200
    assert set(re.findall(r" (?:warning|error): ([\w-]+) ", complaints(steps, allowed=()))) == set(ALLOWED)
    assert complaints(steps, allowed=ALLOWED) == ""
    files.write("098_unsafe", UNSAFE["a required column"][0] + "\n" + UNSAFE["a column dropped"][0])
    assert "ban-drop-column" in complaints(migrations.plan(), allowed=ALLOWED)
