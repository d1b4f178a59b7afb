"""``datapkg queue``."""

from __future__ import annotations

import datetime as dt
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from datapkg.cli.commands import Choice
from datapkg.cli.completion import FEATURES
from datapkg.cli.options import paged
from datapkg.cli.render import progress, say, show, show_rows
from datapkg.cli.root import CHECK_FAILED, Settings, group
from datapkg.cli.streams import echo

if TYPE_CHECKING:
    from datapkg.workqueue import Feature

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["queue"]

# As in datapkg.workqueue.models, which is slow to import for --help alone; a test compares them.
_STATUSES = ["DRAFT", "PENDING", "IN_PROGRESS", "COMPLETED", "FAILED"]
_SHOWN = ("feature", "name", "category", "status", "priority", "depends_on_ids", "claimed_by", "attempt", "created_at")


@group()
def queue() -> None:
    """Fill the work queue, work on it, and look at it.

    FEATURE is a number, such as 5 or FEAT-005.

    \b
    Example:
      datapkg queue list --status PENDING
    """


def _record(feature: Feature) -> dict[str, object]:
    return {**feature.public(), "depends_on_ids": feature.depends_on_ids}


def _seconds(name: str, *, default: float, help: str) -> Callable[[F], F]:
    return click.option(name, type=float, metavar="SECONDS", default=default, show_default=True, help=help)


def _numbers(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> list[int]:
    """Read ``5`` and ``FEAT-005``."""
    numbers = []
    for text in value:
        digits = text.upper().removeprefix("FEAT-")
        if not digits.isascii() or not digits.isdigit() or len(digits) > 20:
            raise click.BadParameter(f"{text!r} is not a feature's number, such as 5 or FEAT-005.", ctx, param)
        numbers.append(int(digits))
    return numbers


@queue.command("add")
@click.argument("name")
@click.option("--category", metavar="NAME", required=True, help="What kind of work it is, such as backend.")
@click.option("--test-steps", metavar="TEXT", required=True, help="Requirements and acceptance criteria.")
@click.option(
    "--priority",
    type=Choice(["HIGH", "MEDIUM", "LOW"]),
    metavar="PRIORITY",
    default="MEDIUM",
    show_default=True,
    help="HIGH, MEDIUM or LOW; HIGH is claimed first.",
)
@click.option(
    "--depends-on",
    metavar="N",
    multiple=True,
    callback=_numbers,
    shell_complete=FEATURES,
    help="A feature that must be completed first, by its number; may be repeated.",
)
@click.option("--number", type=int, metavar="N", help="Its number; else the next that is free.")
@click.option(
    "--max-attempts", type=int, metavar="N", default=3, show_default=True, help="How often it may be claimed."
)
@click.option("--draft", is_flag=True, help="Leave it out of the queue until it is submitted.")
@click.pass_obj
def add(
    settings: Settings,
    *,
    name: str,
    category: str,
    test_steps: str,
    priority: str,
    depends_on: list[int],
    number: int | None,
    max_attempts: int,
    draft: bool,
) -> None:
    """Put a feature into the queue.

    \b
    Example:
      datapkg queue add "Login page" --category frontend \\
        --test-steps "A user can log in." --depends-on 5
    """
    from datapkg import workqueue

    with settings.connected():
        made = workqueue.enqueue(
            name,
            category=category,
            test_steps=test_steps,
            priority=priority,
            depends_on_ids=depends_on,
            feature_number=number,
            draft=draft,
            max_attempts=max_attempts,
        )
        show(settings, _record(made), f"{made.label} is {made.status}.")


@queue.command("submit")
@click.argument("feature", shell_complete=FEATURES)
@click.pass_obj
def submit(settings: Settings, *, feature: str) -> None:
    """Put a draft into the queue.

    \b
    Example:
      datapkg queue submit FEAT-005
    """
    _by_hand(settings, "submit", feature)


@queue.command("stop")
@click.argument("feature", shell_complete=FEATURES)
@click.option("--note", metavar="TEXT", help="Why; kept in the history.")
@click.pass_obj
def stop(settings: Settings, *, feature: str, note: str | None) -> None:
    """Stop a feature that waits or is worked on.

    It is FAILED then, and its worker loses the claim.

    \b
    Example:
      datapkg queue stop FEAT-005 --note "not needed any more"
    """
    _by_hand(settings, "stop", feature, note=note)


@queue.command("retry")
@click.argument("feature", shell_complete=FEATURES)
@click.option("--note", metavar="TEXT", help="Why; kept in the history.")
@click.pass_obj
def retry(settings: Settings, *, feature: str, note: str | None) -> None:
    """Put a failed feature back into the queue.

    It has all of its attempts to use anew.

    \b
    Example:
      datapkg queue retry FEAT-005
    """
    _by_hand(settings, "retry", feature, note=note)


def _by_hand(settings: Settings, what: str, feature: str, **given: Any) -> None:
    from datapkg import workqueue

    with settings.connected():
        row = getattr(workqueue, what)(feature, actor="datapkg queue", **given)
        show(settings, _record(row), f"{row.label} is {row.status}.")


@queue.command("list")
@click.option("--status", type=Choice(_STATUSES), metavar="STATUS", help=f"Only those {', '.join(_STATUSES)}.")
@click.option("--category", metavar="NAME", help="Only those of this category.")
@paged
@click.pass_obj
def list_(settings: Settings, *, status: str | None, category: str | None, limit: int) -> None:
    """List features, newest first.

    \b
    Example:
      datapkg queue list --status PENDING
    """
    from datapkg import workqueue

    with settings.connected():
        found = workqueue.list_features(status=status, category=category, limit=limit)
        rows = [_record(feature) for feature in found]
        shown = rows if settings.json else [{name: row[name] for name in _SHOWN} for row in rows]
        show_rows(settings, shown, empty="No features.")


@queue.command("work")
@click.option(
    "--worker", metavar="NAME", help="The name that claims carry; else the machine's name and the process's number."
)
@click.option("--category", metavar="NAME", help="Only features of this category.")
@_seconds("--lease", default=300.0, help="How long a claim outlives its worker.")
@_seconds("--poll", default=1.0, help="How long between looks at an empty queue.")
@_seconds("--grace", default=10.0, help="How long between SIGTERM and SIGKILL.")
@click.option("--retry", is_flag=True, help="Try a feature whose command failed again, max-attempts times.")
@click.option("--once", is_flag=True, help="End after one feature, or at once when none is ready.")
@click.option("--drain", is_flag=True, help="End when nothing is ready.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def work(
    settings: Settings,
    *,
    worker: str | None,
    category: str | None,
    lease: float,
    poll: float,
    grace: float,
    retry: bool,
    once: bool,
    drain: bool,
    command: tuple[str, ...],
) -> None:
    """Claim features one after the other and run COMMAND for each.

    COMMAND reads the feature as JSON on stdin. If it exits with 0, the feature is completed: stdout is its result,
    stderr its log; otherwise it failed. SIGTERM or Ctrl-C ends the worker: COMMAND gets SIGTERM and --grace seconds,
    and a feature that is not done by then is given back.

    \b
    Example:
      datapkg queue work --category backend --drain -- python build.py
    """
    from datapkg import workqueue

    if once and drain:
        raise click.UsageError("Give --once or --drain, not both.")
    try:
        span = dt.timedelta(seconds=lease)
    except (OverflowError, ValueError):
        raise click.UsageError("--lease is not a number of seconds that a lease can last.") from None
    handler = workqueue.command_handler(command, grace=grace, retry=retry)

    with settings.connected(), _asked_to_stop() as asked:
        report = workqueue.work(
            handler,
            worker=worker,
            category=category,
            lease=span,
            poll=poll,
            until="one" if once else "drained" if drain else "stopped",
            stop=lambda: bool(asked),
            on_end=lambda feature, state: say(settings, f"{feature.label} {state}."),
        )
        data = {**report.public(), "features": dict(report.features)}
        figures = ", ".join(f"{value} {name}" for name, value in report.public().items() if name != "worker")
        show(settings, data, f"{report.worker}: {figures}.")


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Yield a list that is empty until SIGTERM or SIGINT comes."""
    asked: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        # Nothing more: whatever runs just then has to come to its end.
        signal.signal(number, lambda number, frame: asked.append(number))
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@queue.command("explain")
@click.argument("feature", shell_complete=FEATURES)
@click.pass_obj
def explain(settings: Settings, *, feature: str) -> None:
    """Tell why a feature is not done yet, or what became of it.

    \b
    Example:
      datapkg queue explain FEAT-005
    """
    from datapkg import workqueue
    from datapkg.kit.results import text_table

    with settings.connected():
        found = workqueue.explain(feature)
        names = ("created_at", "from_status", "to_status", "actor", "attempt", "note")
        rows = [[getattr(row, name) for name in names] for row in found.history]
        history = f"\n\n{text_table(names, rows)}" if rows else ""
        show(settings, found.public(), f"{found.feature} is {found.status}. {found.sentence}{history}")


@queue.command("plan")
@click.option("--dot", is_flag=True, help="Print a Graphviz graph.")
@click.pass_obj
def plan(settings: Settings, *, dot: bool) -> None:
    """Show in which order the unfinished features can run.

    And the critical path, and what is stuck.

    \b
    Examples:
      datapkg queue plan
      datapkg queue plan --dot | dot -Tsvg > plan.svg
    """
    from datapkg import workqueue

    with settings.connected():
        found = workqueue.plan()
        if dot:
            echo(found.dot())
            return
        if settings.json:
            show(settings, found.public(), "")
            return
        show_rows(settings, found.order.records(), empty="Nothing to run.")
        if len(found.critical_path) > 1:
            say(settings, "\nCritical path: " + " -> ".join(map(workqueue.feature_label, found.critical_path)))
        if found.blocked:
            say(settings, "\nStuck:")
            show_rows(settings, found.blocked.records(), empty="")


@queue.command("stats")
@click.option("--check", is_flag=True, help="Also look for wrong counts of unmet dependencies; exit with 3 if any.")
@click.pass_context
def stats(ctx: click.Context, *, check: bool) -> None:
    """Show the queue in figures.

    \b
    Example:
      datapkg queue stats
    """
    from datapkg import workqueue
    from datapkg.kit.results import facts_table

    settings: Settings = ctx.obj
    with settings.connected(), progress(settings, "counting"):
        found = workqueue.stats().public()
        wrong = workqueue.verify_counts() if check else []
    if check:
        found["wrong_counts"] = list(wrong)
    flat = {
        f"{name}.{key}" if key else name: each
        for name, value in found.items()
        for key, each in (value.items() if isinstance(value, dict) else [("", value)])
    }
    show(settings, found, facts_table(flat.items()))
    if wrong:
        ctx.exit(CHECK_FAILED)
