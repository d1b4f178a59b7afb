"""Rolling back, and the environment stamp that guards it."""

from __future__ import annotations

import pytest

from datapkg.errors import EnvironmentGuardError, MigrationError, ValidationError
from datapkg.operations import migrations

TABLE = """
@migrator.create_model
class Thing(Model):
    text = TextField(max_length=20)
    class Meta:
        table_name = "{name}"
"""


@pytest.fixture
def three(database, files):
    """Three migrations, each with a table of its own, all applied."""
    for number, name in enumerate(("ones", "twos", "threes"), 1):
        files.write(f"00{number}_{name}", TABLE.format(name=name), f"migrator.remove_model('{name}')")
    migrations.migrate(history="mine")
    return lambda: sorted({"ones", "twos", "threes"} & set(migrations.catalog().tables))


def test_rollback_undoes_the_newest(three):
    """Without more it undoes one."""
    report = migrations.rollback(history="mine")
    assert report.rolled_back == ["mine: 003_threes"]
    assert [row["done"] for row in report.rows()] == ["rolled back"]
    assert three() == ["ones", "twos"]
    assert migrations.status().pending[-1] == "mine: 003_threes"


def test_rollback_by_count_and_to(three):
    """Several are undone newest first; `to` keeps the one it names."""
    assert migrations.rollback(history="mine", count=2).rolled_back == ["mine: 003_threes", "mine: 002_twos"]
    migrations.migrate(history="mine")
    assert migrations.rollback(history="mine", to="1").rolled_back == ["mine: 003_threes", "mine: 002_twos"]
    assert three() == ["ones"]
    assert migrations.rollback(history="mine", to="zero").rolled_back == ["mine: 001_ones"]
    assert three() == []
    assert migrations.rollback(history="mine").rolled_back == []


def test_rollback_to_what_is_not_applied(three):
    """A target that is not applied is an error, and nothing is undone."""
    migrations.rollback(history="mine")
    with pytest.raises(MigrationError, match="no migration '003'"):
        migrations.rollback(history="mine", to="003")
    assert three() == ["ones", "twos"]


def test_a_migration_without_rollback_is_not_merely_unmarked(three, files):
    """It is refused by name before anything newer is undone."""
    files.write("004_data", "migrator.sql(\"UPDATE ones SET text = 'x'\")")
    files.write("005_fives", TABLE.format(name="fives"), "migrator.remove_model('fives')")
    migrations.migrate(history="mine")
    with pytest.raises(MigrationError, match=r"004_data\.py has no function rollback"):
        migrations.rollback(history="mine", count=2)
    assert "fives" in migrations.catalog().tables
    assert migrations.status().state == "behind"  # the built-in ones alone are pending
    assert migrations.migrate(history="mine").applied == []


def test_a_failed_rollback_leaves_the_database_as_it_was(three, files, database):
    """An error in a rollback undoes what it did, and names file and line."""
    files.write("004_bad", "pass", "migrator.remove_model('ones')\nmigrator.run(lambda: 1 / 0)")
    migrations.migrate(history="mine")
    with pytest.raises(MigrationError, match=r"004_bad\.py, line \d+, failed: ZeroDivisionError"):
        migrations.rollback(history="mine")
    assert three() == ["ones", "threes", "twos"]
    assert not database.in_transaction()


def test_the_environment_is_development_unless_set(database):
    """The stamp is kept in the database and can be changed, before and after the first migration."""
    assert migrations.environment() == "development"
    assert migrations.set_environment("staging") == "staging"
    assert migrations.status().state == "unmigrated"
    migrations.migrate()
    migrations.set_environment("production")
    assert migrations.environment() == "production"
    assert migrations.status().environment == "production"


@pytest.mark.parametrize("name", ["", "Production", "prod uction", "9prod", "a" * 51, "prod\n", None, "production;"])
def test_bad_environment_names_are_refused(database, name):
    """Only short lower-case words are environments; nothing is written otherwise."""
    with pytest.raises(ValidationError, match="environment"):
        migrations.set_environment(name)
    assert migrations.catalog().tables == {}


@pytest.mark.parametrize("name", ["prod", "prodution", "poduction", "production1"])
def test_what_may_be_meant_for_production_is_refused(database, name):
    """Only the word itself is guarded, so a slip would leave the database without; other names are taken."""
    with pytest.raises(ValidationError, match="Did you mean 'production'"):
        migrations.set_environment(name)
    assert migrations.set_environment("pre-production") == "pre-production"


def test_production_refuses_a_rollback_unless_told(three):
    """In production a rollback needs to be told the name of the environment."""
    migrations.set_environment("production")
    for said in (None, "development", "Production"):
        with pytest.raises(EnvironmentGuardError, match="rollback is refused") as caught:
            migrations.rollback(history="mine", i_know_this_is=said)
        assert caught.value.meta == {"environment": "production", "action": "rollback"}
    assert three() == ["ones", "threes", "twos"]
    assert migrations.rollback(history="mine", i_know_this_is="production").rolled_back == ["mine: 003_threes"]


def test_the_guard_lets_other_environments_pass(database):
    """Outside of production nothing has to be said."""
    migrations.guard("load --replace")
    migrations.set_environment("staging")
    migrations.guard("load --replace")
    migrations.guard("load --replace", i_know_this_is="staging")
    with pytest.raises(EnvironmentGuardError, match="is staging, and not production"):
        migrations.guard("load --replace", i_know_this_is="production")
    migrations.set_environment("production")
    migrations.guard("load --replace", i_know_this_is="production")
    with pytest.raises(EnvironmentGuardError, match="load --replace"):
        migrations.guard("load --replace")
