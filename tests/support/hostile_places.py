"""Where a hostile text is written to in the script store, the work queue and planning."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid

import pytest

from datapkg import audit, flags, planning, scripts, workqueue
from datapkg.errors import ValidationError
from datapkg.testing import factories

numbers = itertools.count()


def fields(*names):
    """Write the text into all of these arguments; those that are refused get another value, and the rest is stored.

    So a field that takes less than another one does not hide what becomes of the other.
    """

    def decorated(write):
        def place(text):
            values = dict.fromkeys(names, text)
            while True:
                try:
                    return write(**values), values
                except ValidationError as error:
                    told = {part for path in error.errors for part in path.split(".")}
                    refused = [name for name in names if name in told and values[name] == text != "x"]
                    assert refused, error.errors
                    values = {**values, **dict.fromkeys(refused, "x")}

        return place

    return decorated


@fields("title", "text", "actor_id", "model")
def script(**values):
    """Create a script by an AI's command; its commands, its elements and its version say the same."""
    made = scripts.create_script(factories.make_user().id, actor_type="AI", **values)
    (command,) = scripts.list_commands(made.id)
    assert (command.payload["title"], command.payload["text"]) == (values["title"], values["text"])
    newest, version = scripts.at(made.id), scripts.at(made.id, version=1)
    assert (newest.text, newest.content_hash, version.text) == (values["text"], version.content_hash, values["text"])
    assert repr(newest) and newest._repr_html_()
    return {
        "title": scripts.get_script(made.id).title, "text": newest.text, "actor_id": command.actor_id,
        "model": command.model,
    }  # fmt: skip


@fields("text", "persona", "title")
def commands(text, persona, title):
    """Insert, edit and import an element, set the title and begin a page; then compare the states."""
    made, key = factories.make_script(), str(uuid.uuid4())
    element = {"kind": "DIALOGUE", "text": text, "persona": persona}
    batch = [
        {"command_type": "INSERT_ELEMENT", "position": 0, "kind": "NOTE", "text": "", "element_id": key},
        {"command_type": "EDIT_ELEMENT", "element_id": key, **element},
        {"command_type": "SET_TITLE", "title": title},
        {"command_type": "IMPORT", "elements": [element], "title": title},
        {"command_type": "START_PAGE", "position": 0, "title": title},
    ]
    scripts.append(made.id, commands=batch, expected_sequence=1, actor_type="USER")
    stored = [scripts.at(made.id, **moment) for moment in ({}, {"sequence": 4}, {"version": 2})]
    found = {(state.title, state.elements[0].text, state.elements[0].persona) for state in stored}
    assert [page.title for page in scripts.at(made.id).pages] == [title]
    assert isinstance(scripts.diff(made.id, 1, 6, by="sequence").unified, str)
    ((title, text, persona),) = found
    return {"title": title, "text": text, "persona": persona}


@fields("name", "description")
def persona(name, description):
    """Create a persona."""
    made = factories.make_script()
    scripts.create_persona(made.id, name=name, description=description)
    found = scripts.get_persona(made.id, name=name)
    return {"name": found.name, "description": found.description}


@fields("content")
def message(content):
    """Record a chat message."""
    user = factories.make_user()
    scripts.record_message(user.id, role="USER", content=content)
    return {"content": scripts.list_messages(user_id=user.id)[0].content}


@fields("name", "category", "test_steps")
def feature(**values):
    """Put a feature into the queue, alone and with others, and change one to the same."""
    alone, (one, _) = workqueue.enqueue(**values), workqueue.enqueue_many([values, values])
    other = workqueue.update_feature(factories.make_feature(), **values)
    found = [workqueue.get_feature(row.id) for row in (alone, one, other)]
    ((name, category, steps),) = {(row.name, row.category, row.test_steps) for row in found}
    assert name in {row.name for row in workqueue.list_features(category=category)}
    return {"name": name, "category": category, "test_steps": steps}


def claim(worker="w"):
    """Claim a feature that has a category of its own."""
    category = f"c{next(numbers)}"
    made = factories.make_feature(category=category)
    row = workqueue.claim_next(worker, category=category)
    assert row.id == made.id
    return row


@fields("worker", "result_data", "execution_log", "role", "git_branch")
def result(worker, result_data, execution_log, role, git_branch):
    """Complete what such a worker has claimed."""
    row = claim(worker)
    workqueue.complete(
        row, claim_token=row.claim_token, result_data=result_data, execution_log=execution_log,
        metrics=factories.execution_metrics(agents_used=[{"role": role, "cost": 1.0}]), roi={"git_branch": git_branch},
    )  # fmt: skip
    done = workqueue.get_feature(row.id)
    by = {each.actor for each in workqueue.list_transitions(feature=row.id) if each.to_status != "PENDING"}
    assert by == {row.claimed_by}
    return {
        "worker": row.claimed_by, "result_data": done.result_data, "execution_log": done.execution_log,
        "role": workqueue.get_execution_metric(row.id).agents_used[0]["role"],
        "git_branch": workqueue.get_roi_metric(row.id).git_branch,
    }  # fmt: skip


@fields("note", "result_data", "execution_log")
def attempt_failed(note, result_data, execution_log):
    """Fail an attempt."""
    row = claim()
    ended = workqueue.fail(
        row, claim_token=row.claim_token, note=note, result_data=result_data, execution_log=execution_log
    )
    told = workqueue.list_transitions(feature=row.id)[0].note
    return {"note": told, "result_data": ended.result_data, "execution_log": ended.execution_log}


@fields("actor", "note")
def by_hand(actor, note):
    """Stop a feature, and let it be tried again."""
    row = factories.make_feature()
    workqueue.stop(row, actor=actor, note=note)
    workqueue.retry(row, actor=actor, note=note)
    ((by, why),) = {(each.actor, each.note) for each in workqueue.list_transitions(feature=row.id)[:2]}
    return {"actor": by, "note": why}


@fields("name")
def plan(name):
    """Create a planning scenario, revise it under the same name, and find both by it."""
    made = planning.create_scenario(name)
    planning.revise_scenario(made.id, name=name)
    ((found,),) = {(row.name,) for row in planning.list_scenarios(name=name)}
    return {"name": found}


@fields("name", "description", "actor", "note")
def initiative(name, description, actor, note):
    """Create an initiative and begin it."""
    made = planning.create_initiative(name, description=description, actor=actor)
    planning.set_initiative_status(made.id, status="ACTIVE", actor=actor, note=note)
    read, log = planning.get_initiative(made.id), planning.list_initiative_statuses(initiative_id=made.id)
    assert {each.actor for each in log} == {actor}
    return {"name": read.name, "description": read.description, "actor": log[0].actor, "note": log[0].note}


@fields("name", "description")
def pool(name, description):
    """Create a skill pool, unless an earlier text that was refused has made the one of this name, and describe it."""
    made = planning.find_skill_pool_by_name(name) or planning.create_skill_pool(name, description=description)
    planning.update_skill_pool(made.id, name=name, description=description)
    read = planning.get_skill_pool(made.id)
    return {"name": read.name, "description": read.description}


@fields("notes")
def figures(notes):
    """Give a pool a supply, a demand and a rate with these notes."""
    key, by = factories.make_planning_scenario().id, factories.make_skill_pool().id
    wanted = {"initiative_id": factories.make_initiative().id, "tokens_p50": 1.0}
    made = [
        planning.set_supply(key, skill_pool_id=by, tokens=1.0, notes=notes),
        planning.set_demand(key, skill_pool_id=by, notes=notes, **wanted),
        planning.set_calibration(by, token_per_hour=1.0, effective_date=dt.date(2026, 1, 1), notes=notes),
    ]
    read = [planning.get_supply(made[0].id), planning.get_demand(made[1].id), planning.get_calibration(made[2].id)]
    ((found,),) = {(row.notes,) for row in read}
    return {"notes": found}


@fields("actor")
def mode(actor):
    """Change a scenario's planning mode, which the audit log tells."""
    flags.set_flag("token_planning_v1", enabled=True)
    made = factories.make_planning_scenario()
    planning.set_planning_mode(made.id, mode="TOKEN", actor=actor)
    return {"actor": audit.list_entries(entity_id=str(made.id))[0].actor}


def nothing_found(text):
    """Look for the text where it cannot be."""
    looked = [
        scripts.list_scripts(title=text), planning.list_scenarios(name=text), planning.list_initiatives(name=text),
        workqueue.list_features(category=text), planning.list_initiative_statuses(actor=text),
    ]  # fmt: skip
    return (looked, workqueue.claim_next("w", category=text)), ([[]] * 5, None)


def no_choice(text):
    """Give the text where only some words may stand, and where keys do."""
    made, user = factories.make_script(), factories.make_user()
    line = {"command_type": "INSERT_ELEMENT", "position": 0, "kind": text, "text": "x"}
    for call in (
        lambda: scripts.append(made.id, commands=[line], expected_sequence=1, actor_type="USER"),
        lambda: scripts.append(made.id, commands=[{"command_type": text}], expected_sequence=1, actor_type="USER"),
        lambda: scripts.create_script(user.id, title="x", actor_type=text),
        lambda: scripts.create_script(user.id, title="x", command_id=text),
        lambda: scripts.record_message(user.id, role=text, content="x"),
        lambda: scripts.get_script(text),
        lambda: factories.make_feature(priority=text),
        lambda: workqueue.list_features(status=text),
        lambda: workqueue.heartbeat(claim(), claim_token=text),
        lambda: planning.create_initiative("x", status=text),
        lambda: planning.set_planning_mode(factories.make_planning_scenario().id, mode=text, actor="me"),
    ):
        with pytest.raises(ValidationError):
            call()
    return None, None


# Each writes the text and returns what was read back beside what it should be.
PLACES = {
    "script": script,
    "commands": commands,
    "persona": persona,
    "message": message,
    "feature": feature,
    "result": result,
    "failed attempt": attempt_failed,
    "by hand": by_hand,
    "plan": plan,
    "initiative": initiative,
    "skill pool": pool,
    "figures": figures,
    "planning mode": mode,
    "nothing found": nothing_found,
    "no choice": no_choice,
    "find feature": lambda text: (workqueue.find_feature(text), None),
    "find pool": lambda text: (planning.find_skill_pool_by_name(text), None),
}
