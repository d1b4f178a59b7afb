"""A released migration never changes: databases out there have applied it, by its content's hash."""

from __future__ import annotations

from datapkg.operations import migrations
from datapkg.operations.migrations import files

# What 0.1.0 shipped. A release adds lines here and changes none.
RELEASED = {
    "001_audit": "5a1351e274480d1595760f72d315f5aae7af638503265a4f74d084781d76e0d0",
    "002_flags": "ddf968d7cac5b4a177539ffebee118ebfa2c14845184b9781fecd205db997014",
    "003_accounts": "384568080fae6e43f090f7e3241f88b2715ddfa7c90fc412e1a3fa6340c968c1",
    "004_init_full_schema": "f81f4cfbbcbf12d09b133f9f8f130e3f26e936d2e5f1a1889f455fb599d15af3",
    "005_workqueue": "3432e4b246c1581dc5f2ab67f6d482ced71b30923f8a2494113ff22bc1979356",
    "006_planning": "b5fb8f4201867c774006b01d66c95bfa53f44872082a2480b2b2fa372e2fc691",
    "007_add_planning_mode": "500840e273c1de936b405c16fff97be1822bdcc2d7a49480696c95e0fdf80512",
    "008_add_token_domain_tables": "622efeb8009b6a7854cb5bcb3733a72b55059a58aa190225e5a95beb15d22d87",
    "009_scripts": "028875a28fa1376527af1e432af5112b49f3f0e61325b4ee1027499c56f0882d",
    "010_engagement": "2c0df3ab4c1d193b7fbd11a16e2d9a3117d5b59b218a26fc32c17de26cb26f0c",
}


def test_released_migrations_are_as_they_were_released():
    """Each is there, under its name, with its content; what changes the tables is a migration of its own."""
    (history,) = [each for each in migrations.histories() if each.name == "datapkg"]
    there = {each.name: each.sha256 for each in files.scan(history)}
    assert {name: there.get(name) for name in RELEASED} == RELEASED
