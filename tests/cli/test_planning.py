"""``datapkg planning``, driven as a process."""

from __future__ import annotations

import json

import pytest

PLAN = "Website relaunch"


def run(shell, code):
    """Run Python against the shell's database."""
    import subprocess
    import sys

    code = f"import datapkg; from datapkg import flags, planning; datapkg.connect()\n{code}"
    subprocess.run([sys.executable, "-c", code], cwd=shell.folder, env=shell.environment, check=True)


def bars(text):
    """Return each pool's bar."""
    lines = [line.split() for line in text.splitlines()]
    return {line[0]: line[2] for line in lines if len(line) > 5 and line[1] in ("OK", "AT_RISK", "OVER")}


def test_balance_shows_a_bar_for_each_pool(demo):
    """The supply's mark is in one column; a bar passes it where the figures exceed the supply; words say the rest."""
    text = demo("planning", "balance", PLAN).stdout
    assert text.startswith("Balance of Website relaunch (LEGACY): OVER\n")
    assert "not the P90 of the sum" in " ".join(text.split())
    assert bars(text) == {
        "backend": "██████████▒▒▒▒▒▒│········",
        "data": "████████████████│████▒▒▒▒»",
        "domain": "████████████████│████████»",
        "frontend": "████████████▒▒▒▒│▒▒······",
        "qa": "███████▒▒·······│········",
    }


def test_a_terminal_without_these_characters_gets_plain_ones(demo):
    """In ASCII nothing is lost or escaped."""
    text = demo("planning", "balance", PLAN, PYTHONIOENCODING="ascii").stdout
    assert bars(text)["data"] == "################|####====>"
    assert bars(text)["frontend"] == "############====|==......"
    assert "\\u" not in text + demo("planning", "simulate", PLAN, PYTHONIOENCODING="ascii").stdout


def test_balance_as_json(demo):
    """One object with a list of pools; unknown supplies are null."""
    data = demo.json("planning", "balance", PLAN)
    assert (data["scenario"], data["status"]) == (PLAN, "OVER")
    pools = {row["pool"]: row for row in data["pools"]}
    assert pools["domain"]["supply"] is None
    assert pools["frontend"]["status"] == "AT_RISK"
    assert pools["qa"] | {"demands": 2, "p90_known": 1, "sum_of_p50s": 55.0, "headroom": 65.0} == pools["qa"]
    assert "not the P90 of the sum" in data["legend"]


def test_check_exits_with_3_when_a_pool_is_over(demo):
    """And with 0 otherwise; the balance is printed either way."""
    assert "OVER" in demo("planning", "balance", PLAN, "--check", expect=3).stdout
    run(demo, "planning.create_scenario('empty')")
    assert "no supplies and no demands" in demo("planning", "balance", "empty", "--check").stdout
    run(
        demo,
        "plan = planning.create_scenario('idle'); pool = planning.find_skill_pool_by_name('qa')\n"
        "planning.set_supply(plan.id, skill_pool_id=pool.id, tokens=1)",
    )
    assert bars(demo("planning", "balance", "idle", "--check").stdout) == {"qa": "················│········"}


def test_simulate_is_the_same_for_a_seed(demo):
    """Text and JSON; without a seed one is drawn and shown."""
    given = ("planning", "simulate", PLAN, "--seed", "7", "--draws", "500")
    text = demo(*given).stdout
    assert text == demo(*given).stdout
    assert "500 draws" in text
    assert "seed 7" in text
    assert "not the P90 of the sum" in " ".join(text.split())
    data = demo.json(*given)
    assert (data["seed"], data["draws"], len(data["pools"])) == (7, 500, 5)
    drawn = demo.json("planning", "simulate", PLAN, "--draws", "100")
    again = demo.json("planning", "simulate", PLAN, "--draws", "100", "--seed", drawn["seed"])
    assert drawn == again


def test_simulate_matches_the_library(demo):
    """The command shows what the function returns."""
    shown = demo.json("planning", "simulate", PLAN, "--seed", "7", "--draws", "500")["pools"]
    run(
        demo,
        "import json; plan = planning.list_scenarios(name='Website relaunch')[0]\n"
        "rows = planning.simulate(plan.id, seed=7, draws=500).rows.records()\n"
        "open('rows.json', 'w').write(json.dumps(rows))",
    )
    assert json.loads((demo.folder / "rows.json").read_text()) == shown


def test_set_mode_needs_the_flag_and_is_recorded(demo):
    """Refused while the flag is off; then done, once; and back again."""
    switch = ("planning", "set-mode", PLAN, "TOKEN", "--actor", "me@example.com")
    refusal = demo.refusal(*switch)
    assert refusal["code"] == "invalid_transition"
    assert "set_flag" in refusal["fix"]
    run(demo, "flags.set_flag('token_planning_v1', enabled=True)")
    assert demo(*switch).stdout == "Website relaunch plans in TOKEN.\n"
    assert demo.json(*switch)["planning_mode"] == "TOKEN"
    assert [row["name"] for row in demo.json("planning", "scenarios", "--mode", "TOKEN")] == [PLAN]
    assert demo.json("planning", "set-mode", PLAN, "LEGACY", "--actor", "me")["planning_mode"] == "LEGACY"
    run(demo, "from datapkg import audit; assert len(audit.list_entries()) == 2")


def test_a_scenario_is_given_by_id_or_by_a_unique_name(demo):
    """A name that several have is refused with their ids; unknown ones are not found."""
    key = demo.json("planning", "balance", PLAN)["scenario_id"]
    assert demo.json("planning", "balance", key.upper())["scenario"] == PLAN
    run(demo, "planning.create_scenario('Website relaunch')")
    refusal = demo.refusal("planning", "balance", PLAN)
    assert refusal["code"] == "conflict"
    assert key in refusal["fix"]
    for unknown in ("nosuch", "01a1fca4-af86-72e7-b08b-b033503a7195", ""):
        assert demo.refusal("planning", "balance", unknown)["code"] in ("not_found", "validation")


def test_scenarios_are_listed(demo):
    """Newest first, a page at a time; a folder without any says so."""
    rows = demo.json("planning", "scenarios")
    assert [row["name"] for row in rows] == ["Website relaunch, smaller", PLAN]
    assert rows[0]["revision_of_id"] == rows[1]["id"]
    assert [row["id"] for row in demo.json("planning", "scenarios", "--after", rows[0]["id"])] == [rows[1]["id"]]
    assert PLAN in demo("planning", "scenarios", "--limit", "1", "--after", rows[0]["id"]).stdout
    assert "No planning scenarios" in demo("planning", "scenarios", "--mode", "TOKEN").stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["simulate", PLAN, "--draws", "99"], 1),
        (["simulate", PLAN, "--draws", "1000000000"], 1),
        (["simulate", PLAN, "--seed", "-1"], 1),
        (["simulate", PLAN, "--draws", "many"], 2),
        (["set-mode", PLAN, "tokens", "--actor", "me"], 2),
        (["set-mode", PLAN, "TOKEN"], 2),
        (["set-mode", PLAN, "LEGACY", "--actor", ""], 1),
        (["balance"], 2),
        (["scenarios", "--after", "x"], 1),
    ],
)
def test_bad_arguments(demo, arguments, code):
    """Wrong usage exits with 2, a refused value with 1 and a typed error."""
    refusal = demo.refusal("planning", *arguments, expect=code)
    assert refusal["code"] == ("usage" if code == 2 else "validation")
