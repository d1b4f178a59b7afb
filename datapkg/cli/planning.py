"""``datapkg planning``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datapkg.cli.commands import Choice
from datapkg.cli.completion import PLANNING_SCENARIOS
from datapkg.cli.options import following, paged
from datapkg.cli.render import filled, progress, show, show_rows
from datapkg.cli.root import CHECK_FAILED, Settings, group
from datapkg.kit.words import did_you_mean

if TYPE_CHECKING:
    from datapkg.planning import Balance, PlanningScenario, PoolBalance

__all__ = ["planning"]

_MODES = ["LEGACY", "TOKEN"]

# Cells of a bar: the supply's mark stands behind the first part, so that it is in one line for all pools.
_SUPPLIED, _BEYOND = 16, 8


@group()
def planning() -> None:
    """Show, simulate and switch token planning scenarios.

    SCENARIO is an id, or a name that only one scenario has.

    \b
    Example:
      datapkg planning scenarios
    """


def _scenario(given: str) -> PlanningScenario:
    """Return the scenario with this id or this unique name."""
    from uuid import UUID

    from datapkg.kit.errors import ConflictError, NotFoundError
    from datapkg.planning import get_scenario, list_scenarios

    try:
        return get_scenario(UUID(given))
    except ValueError:
        pass
    found = list_scenarios(name=given, limit=10)
    if not found:
        meant = did_you_mean(given, [each.name for each in list_scenarios(limit=1000)])
        raise NotFoundError(
            "planning scenario", repr(given), fix=f"{meant} `datapkg planning scenarios` lists them.".strip()
        )
    if len(found) > 1:
        raise ConflictError(
            f"Several planning scenarios are called {given!r}.",
            fix=f"Give the id of one, such as {', '.join(str(each.id) for each in found)}.",
        )
    return found[0]


@planning.command()
@click.option("--mode", type=Choice(_MODES), metavar="MODE", help="Only those that plan in this mode, LEGACY or TOKEN.")
@paged
@following("scenario", None)
@click.pass_obj
def scenarios(settings: Settings, *, mode: str | None, limit: int, after: str | None) -> None:
    """List scenarios, newest first.

    \b
    Example:
      datapkg planning scenarios
    """
    from datapkg.planning import list_scenarios

    with settings.connected():
        rows = list_scenarios(planning_mode=mode, limit=limit, after=after)
        columns = ("id", "name", "planning_mode", "needs_reconciliation", "revision_of_id", "created_at")
        listed = [{column: row.public()[column] for column in columns} for row in rows]
        show_rows(settings, listed, empty="No planning scenarios; `datapkg seed --profile demo` brings some.")


@planning.command()
@click.argument("scenario", shell_complete=PLANNING_SCENARIOS)
@click.option("--check", is_flag=True, help="Exit with 3 if a pool is OVER.")
@click.pass_context
def balance(ctx: click.Context, *, scenario: str, check: bool) -> None:
    """Show what each skill pool has, and what is wanted of it.

    \b
    Example:
      datapkg planning balance "Website relaunch"
    """
    from datapkg import planning as domain

    settings: Settings = ctx.obj
    with settings.connected():
        result = domain.balance(_scenario(scenario).id)
    show(settings, result.public(), _balance_text(result))
    if check and result.status == "OVER":
        ctx.exit(CHECK_FAILED)


def _balance_text(result: Balance) -> str:
    from datapkg.kit.results import text_table
    from datapkg.planning.plots import figure

    columns = ["pool", "status", "", "supply", "sum_of_p50s", "sum_of_p90s", "headroom", "headroom_p90", "p90_known"]
    rows = [
        [
            row.pool,
            row.status,
            _bar(row),
            *map(figure, (row.supply, row.sum_of_p50s, row.sum_of_p90s, row.headroom, row.headroom_p90)),
            f"{row.p90_known} of {row.demands}",
        ]
        for row in result.rows
    ]
    table = text_table(columns, rows) if rows else "It has no supplies and no demands."
    key = (
        "█ sum of P50 figures, ▒ on to the sum of P90 figures (not the P90 of the sum), │ the supply, "
        "» more than one and a half times the supply."
    )
    words = "\n".join(map(filled, (key, result.legend)))
    return f"{result.title}\n\n{table}\n\n{words}"


def _bar(row: PoolBalance) -> str:
    """Draw a pool's figures as shares of its supply; the mark stands where the supply ends."""
    supply = row.supply or 0.0

    def cells(figure: float, *, fits: bool) -> int:
        if not figure:
            return 0
        share = figure / supply if supply else float("inf")
        # What there is of it shows, and it ends on the side of the mark on which the figure is.
        least, most = (1, _SUPPLIED) if fits else (_SUPPLIED + 1, _SUPPLIED + _BEYOND + 1)
        return min(max(round(min(share, 9.0) * _SUPPLIED), least), most)

    inner = cells(row.sum_of_p50s, fits=row.headroom >= 0)
    outer = max(inner, cells(row.sum_of_p90s, fits=row.headroom_p90 >= 0))
    line = ("█" * inner + "▒" * (outer - inner)).ljust(_SUPPLIED + _BEYOND, "·")
    end = "»" if outer > _SUPPLIED + _BEYOND else ""
    return f"{line[:_SUPPLIED]}│{line[_SUPPLIED : _SUPPLIED + _BEYOND]}{end}"


@planning.command()
@click.argument("scenario", shell_complete=PLANNING_SCENARIOS)
@click.option("--draws", type=int, metavar="N", default=10_000, show_default=True, help="How often, 100 to 1,000,000.")
@click.option("--seed", type=int, metavar="N", help="Where the random numbers begin; drawn and shown if left out.")
@click.pass_obj
def simulate(settings: Settings, *, scenario: str, draws: int, seed: int | None) -> None:
    """Estimate how the demands of each skill pool add up.

    It draws random numbers, and tells how likely they exceed the pool's supply.

    \b
    Example:
      datapkg planning simulate "Website relaunch" --seed 7
    """
    from datapkg import planning as domain

    with settings.connected(), progress(settings, "drawing"):
        result = domain.simulate(_scenario(scenario).id, draws=draws, seed=seed)
    show(settings, result.public(), f"{result.title}\n\n{result.table}\n\n{filled(result.legend)}")


@planning.command("set-mode")
@click.argument("scenario", shell_complete=PLANNING_SCENARIOS)
@click.argument("mode", type=Choice(_MODES))
@click.option("--actor", metavar="NAME", required=True, help="Who says so; it goes into the audit log.")
@click.pass_obj
def set_mode(settings: Settings, *, scenario: str, mode: str, actor: str) -> None:
    """Let a scenario plan in another mode, LEGACY or TOKEN.

    TOKEN needs the flag token_planning_v1.

    \b
    Example:
      datapkg planning set-mode "Website relaunch" TOKEN --actor me@example.com
    """
    from datapkg import planning as domain

    with settings.connected():
        made = domain.set_planning_mode(_scenario(scenario).id, mode=mode, actor=actor)
        show(settings, made.public(), f"{made.name} plans in {made.planning_mode}.")
