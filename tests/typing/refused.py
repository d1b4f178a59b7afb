"""What a type checker refuses a program downstream: each line that is marked, for the reason that it is marked with."""

# ruff: noqa: B018
from __future__ import annotations

from uuid import UUID

import datapkg
from datapkg import Model, evaluation, flags, planning, workqueue
from datapkg.kit.fields import EnumField, ForeignKey, IntegerField, TextField, UUIDField


class Note(Model):
    """A table of a user's own."""

    text = TextField(length=10)  # refused: call-overload
    kind = EnumField(null=True)  # refused: call-overload
    size = IntegerField(min="0")  # refused: call-overload
    token = UUIDField(default=None, nul=True)  # refused: call-overload
    other = ForeignKey("Other", on_delete="RESTRICT")  # refused: call-overload
    loose = ForeignKey(datapkg.evaluation.Run)  # refused: call-overload
    good = TextField(null=True)


@datapkg.run_in_transaction
def rename(key: UUID, *, name: str) -> None:
    """A function in a transaction."""
    evaluation.update_definition(key, name=name)


def wrong(key: UUID, note: Note, run: evaluation.Run) -> None:
    """Arguments, keywords and results that are not what they are taken for."""
    evaluation.get_run(1)  # refused: arg-type
    evaluation.get_run(key, 2)  # refused: call-arg
    evaluation.get_runn(key)  # refused: attr-defined
    evaluation.list_runs(state="FAILED")  # refused: call-arg
    evaluation.list_runs(limit="50")  # refused: arg-type
    evaluation.create_transcripts(key, rows=[], on_error="ignore")  # refused: arg-type
    evaluation.create_definition("a", "content")  # refused: call-arg
    evaluation.find_run(key).status  # refused: union-attr
    run.statuss  # refused: attr-defined
    run.status + 1  # refused: operator
    run.status = 3  # refused: assignment
    run.experiment.name  # refused: union-attr
    note.good.upper()  # refused: union-attr
    flags.set_flag("x", enabled="yes")  # refused: arg-type
    flags.set_flag("x", rollout=5)  # refused: call-arg
    workqueue.update_feature(1, prioritet="HIGH")  # refused: call-arg
    planning.simulate(key, draws=1.5)  # refused: arg-type
    datapkg.connect("sqlite:///:memory:", migrat=True)  # refused: call-arg
    datapkg.seed("demo")  # refused: call-arg
    rename(key)  # refused: call-arg
    rename(key, name=1)  # refused: arg-type
    for each in evaluation.list_runs():
        each.nothing  # refused: attr-defined
