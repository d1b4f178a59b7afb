"""Databases worth moving: rows in every table, values that are hard to keep, and a domain with difficult references."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import random
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from datapkg import audit, engagement, registry
from datapkg.engagement import vocabulary
from datapkg.kit.database import current, transaction
from datapkg.kit.domains import Domain
from datapkg.kit.errors import ValidationError
from datapkg.kit.fields import (
    BooleanField,
    DateField,
    DecimalField,
    DocumentField,
    EnumField,
    FloatField,
    ForeignKey,
    IntegerField,
    JSONField,
    TextField,
    TimestampField,
    UUIDField,
)
from datapkg.kit.models import Model, MutableModel, new_id
from datapkg.kit.statements import insert_many
from datapkg.operations.moving.streams import digest_of, gate
from datapkg.operations.moving.tables import moved_tables
from datapkg.operations.seeding import seed
from datapkg.testing import factories

HOSTILE = [
    "",
    "\\N",
    "tab\tnew\nline\r\\",
    "ü € 😀 \u2028 \u0001\u007f",
    "'; DROP TABLE users; --",
    '"{}"',
    "%s %% %(a)s",
]
JSON = {"ü": [1, 1.0, 1e16, 1e-7, -0.0, 2**53, None, True, {"b": {}, "a": []}], 'quote"\\': HOSTILE, "a": "\u2028"}

SNAPSHOT = {
    **dict.fromkeys(("decision_id", "post_id"), "0" * 36),
    **dict.fromkeys(("sss_score", "ars_score", "evs_score", "trs_score", "composite_score"), 0.1 + 0.2),
    **dict.fromkeys(("archetype", "competitor_detected", "experiment_id", "experiment_variant", "predicted_mode")),
    **{"decided_at": "2026", "mode": vocabulary.OPERATIONAL_MODES[0], "safety_flags": HOSTILE[1:]},
    **{"is_power_user": True, "is_randomized_experiment": False},
}

# What the rules about several columns of a row want.
FIXED: dict[str, dict[str, object]] = {
    "escalations": {"status": "OPEN", "resolved_at": None, "resolved_by": None},
    "legal_holds": {"author": None},
    "replies": {"approval_status": "PENDING", "posted_at": None},
    "segmented_weights": dict.fromkeys(("sss_weight", "ars_weight", "evs_weight", "trs_weight"), 0.25),
}


def fill() -> None:
    """Put rows into every table of the database in force: the demo profile, accounts, and made-up ones in the rest."""
    seed(profile="demo")
    for number in range(3):
        factories.make_api_key()
        factories.make_session()
        factories.make_verification_token()
        factories.make_feature(name=HOSTILE[3])
        audit.record("thing", entity_id=str(number), action="try", actor="system", details={"text": HOSTILE, "n": 1.5})
    audit.erase_details("thing", entity_id="1", actor="system")
    factories.make_message()
    someone_anonymous()
    random_ = random.Random(7)
    with transaction():
        for table in moved_tables(registry.models()):
            if table.model not in (Team, Player, Step) and not table.model.select().exists():
                rows = [_row(table.model, random_, number) for number in range(4)]
                with gate(current(), table):
                    insert_many(table.model, rows)


def someone_anonymous() -> None:
    """Somebody whose handle was the only keyword of their post: nothing is left that a new post would need."""
    author = engagement.upsert_author("REDDIT", platform_id="t2_owl", handle="sara-owl")
    engagement.record_post(
        "REDDIT", platform_post_id="1", author_id=author.id, content="I am up", keyword_matches=["@sara-owl"]
    )
    engagement.anonymise_author(author.id, actor="system", reason="they asked")


def _row(model: type[Model], random_: random.Random, number: int) -> dict[str, object]:
    row = {field.name: _value(field, random_, number) for field in model._meta.sorted_fields}
    row |= FIXED.get(model._meta.table_name, {})
    return {name: value for name, value in row.items() if value is not NotImplemented}


def _value(field: Any, random_: random.Random, number: int) -> object:
    if field.primary_key:
        return new_id()
    if isinstance(field, ForeignKey):
        keys = [row.id for row in field.rel_model.select().limit(4)]
        return keys[number % len(keys)] if keys else None
    if field.null and number == 0:
        return None
    if isinstance(field, DocumentField):
        return NotImplemented if field.null else _document(field)
    made: dict[type, Any] = {
        JSONField: lambda: JSON,
        BooleanField: lambda: bool(number % 2),
        DateField: lambda: dt.date(2026, 1, 1) + dt.timedelta(days=number),
        TimestampField: lambda: dt.datetime(2026, 1, 1, 0, 0, 0, number, tzinfo=dt.UTC),
        DecimalField: lambda: Decimal(number) / 10 ** getattr(field, "scale", 0),
        EnumField: lambda: field.values[number % len(field.values)],
        UUIDField: new_id,
    }
    for kind, make in made.items():
        if isinstance(field, kind):
            return make()
    if isinstance(field, (IntegerField, FloatField)):
        low = 0 if field.min is None else field.min
        return min(low + number, 1 if isinstance(field, FloatField) else low + number)
    assert isinstance(field, TextField)
    text = f"{HOSTILE[number % len(HOSTILE)]} {new_id()} {random_.random()}"
    wanted = max(field.min_length, min(len(text), field.max_length or len(text)))
    return (text[::-1] * 10)[:wanted]


def _document(field: DocumentField) -> object:
    """A document of the current version: the first of some that its schema takes."""
    for content in ({"data": JSON}, {"values": {"ü": 1.5}}, {"values": {"ü": 1}}, [], SNAPSHOT):
        try:
            return field.document.validate(content)
        except ValidationError:
            continue
    return NotImplemented


def contents(database: Any = None) -> dict[str, Any]:
    """What every table holds, in short."""
    return {table.name: digest_of(database or current(), table) for table in moved_tables()}


def rewrite(path: Path, name: str, change: Any, *, honest: bool = False) -> None:
    """Change an entry of an archive; ``honest`` puts its new hash and count into the manifest."""
    with zipfile.ZipFile(path) as archive:
        entries = {each: archive.read(each) for each in archive.namelist()}
    entries[name] = change(entries[name])
    if honest:
        manifest = json.loads(entries["manifest.json"])
        for table in manifest["tables"]:
            data = entries[f"tables/{table['name']}.jsonl"]
            table["sha256"], table["rows"] = hashlib.sha256(data).hexdigest(), data.count(b"\n")
        entries["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in entries.items():
            if data is not None:
                archive.writestr(each, data)


# A domain of one's own ------------------------------------------------------------------------------------------------


class Team(Model):
    """A team, whose captain is one of its players: a circle of references."""

    name = TextField(max_length=20)

    class Meta:
        table_name = "teams"


class Player(MutableModel):
    """A player."""

    team = ForeignKey(Team, on_delete="RESTRICT")
    notes = JSONField(null=True)
    fee = DecimalField(max_digits=12, scale=3)

    class Meta:
        table_name = "players"


Team._meta.add_field("captain", ForeignKey(Player, on_delete="SET NULL", null=True, column_name="captain_id"))


class Step(Model):
    """A step after another one; the first comes after itself, and none ever changes."""

    after = ForeignKey("self", on_delete="RESTRICT")
    at = DateField()

    class Meta:
        table_name = "steps"
        append_only = True
        gated = True
        immutable = ("after_id",)


FIRST = """
from datapkg.kit.fields import *
from datapkg.kit.models import Model, MutableModel


def migrate(migrator, database, *, fake=False):
    class Team(Model):
        name = TextField(max_length=20)

        class Meta:
            table_name = "teams"

    migrator.create_model(Team)

    class Player(MutableModel):
        team = ForeignKey(Team, on_delete="RESTRICT")
        notes = JSONField(null=True)
        {fee}

        class Meta:
            table_name = "players"

    migrator.create_model(Player)
    migrator.add_fields("teams", captain=ForeignKey(Player, on_delete="SET NULL", null=True))

    class Step(Model):
        after = ForeignKey("self", on_delete="RESTRICT")
        at = DateField()

        class Meta:
            table_name = "steps"
            append_only = True
            gated = True
            immutable = ("after_id",)

    migrator.create_model(Step)


def rollback(migrator, database, *, fake=False):
    pass
"""
FEE = "fee = DecimalField(max_digits=12, scale=3)"
SECOND = """
from datapkg.kit.fields import *


def migrate(migrator, database, *, fake=False):
    migrator.add_fields("players", fee=DecimalField(max_digits=12, scale=3, default="1.5"))
    migrator.run(charge, database)


def charge(database):
    database.execute_sql("UPDATE teams SET name = 'paid ' || name")
"""


def league(folder: Path, *, old: bool = False) -> Domain:
    """Register the domain ``league``; ``old`` is how it was before players cost a fee."""
    folder.mkdir(exist_ok=True)
    (folder / "001_league.py").write_text(FIRST.replace("{fee}", "" if old else FEE), encoding="utf-8")
    models: tuple[type[Model], ...] = (Team, Player, Step)
    domain = Domain(name="league", models=models, migrations=folder)
    registry.register(domain)
    return domain


def fill_league() -> None:
    """Teams with captains, and steps of which each comes before the one it refers to."""
    database = current()
    with transaction():
        teams = [Team.create(name=f"t{number}") for number in range(3)]
        for number, team in enumerate(teams):
            players = [Player.create(team=team, notes=JSON, fee=Decimal(number) / 8) for _ in range(3)]
            if number:
                Team.update(captain=players[1]).where(Team.id == team.id).execute()
        keys = sorted(new_id() for _ in range(5))
        rows = [[str(key), str(after), "2026-01-02", "2026-01-01T00:00:00.000000Z"] for key, after in _chain(keys)]
        with database.open_gate("steps"):  # datapkg: allow-write the test's own table
            database.insert_at_once("steps", ["id", "after_id", "at", "created_at"], [rows])


def _chain(keys: list[Any]) -> list[tuple[Any, Any]]:
    """The newest key is the first step, and every other comes after the next newer one."""
    return [*itertools.pairwise(keys), (keys[-1], keys[-1])]
