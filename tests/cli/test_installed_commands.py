"""Commands that installed packages bring: sound ones, broken ones, and one with a built-in command's name."""

from __future__ import annotations

import pytest

MODULE = '''
import click
from datapkg.cli import command, show


@command()
@click.pass_obj
def weather(settings):
    """Tell the weather."""
    show(settings, {"url": settings.url}, "It rains.")
'''

ENTRY_POINTS = """
[datapkg.commands]
weather = weather_commands:weather
unsound = weather_commands:no_such_name
number = weather_commands:MODULE
seed = weather_commands:weather
"""


@pytest.fixture
def with_package(shell):
    """A shell that sees a package with commands, installed as an installer would do it."""
    site = shell.folder / "site"
    info = site / "weather-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "weather_commands.py").write_text(MODULE + "\nMODULE = 1\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weather\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    shell.environment["PYTHONPATH"] = str(site)
    return shell


def test_an_installed_command_is_like_the_others(with_package):
    """It is listed and suggested, takes the options of all, and never takes a built-in command's place."""
    shown = with_package("--help").stdout.splitlines()
    assert [" ".join(line.split()) for line in shown if line.split()[:1] in (["weather"], ["unsound"], ["seed"])] == [
        "seed Load seed data.",
        "unsound (cannot be loaded)",
        "weather Tell the weather.",
    ]
    assert with_package("weather").stdout == "It rains.\n"
    assert with_package.json("--database", "sqlite:///w.db", "weather") == {"url": "sqlite:///w.db"}
    assert "Did you mean 'weather'?" in with_package("wether", expect=2).stderr


def test_a_broken_command_is_told_when_it_is_called(with_package):
    """What cannot be loaded names its entry point; the other commands go on working."""
    refusal = with_package.refusal("unsound")
    assert refusal["code"] == "configuration"
    assert "'unsound' (weather_commands:no_such_name) cannot be loaded: AttributeError" in refusal["why"]
    assert "is no command" in with_package.refusal("number")["why"]
