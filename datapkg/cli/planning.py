"""``datapkg planning``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datapkg.cli.render import show, show_rows
from datapkg.cli.root import CHECK_FAILED, Settings, group

if TYPE_CHECKING:
    from datapkg.planning import Balance, PlanningScenario, PoolBalance

__all__ = ["planning"]

# Cells of a bar: the supply's mark stands behind the first part, so that it is in one line for all pools.
_SUPPLIED, _BEYOND = 16, 8


@group()
def planning() -> None:
    """Show, simulate and switch token planning scenarios.

    SCENARIO is an id, or a name that only one scenario has.
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
        raise NotFoundError(
            "planning scenario", repr(given), fix="List what is there with: datapkg planning scenarios."
        )
    if len(found) > 1:
        raise ConflictError(
            f"Several planning scenarios are called {given!r}.",
            fix=f"Give the id of one, such as {', '.join(str(each.id) for each in found)}.",
        )
    return found[0]


@planning.command()
@click.option("--mode", type=click.Choice(["LEGACY", "TOKEN"]), help="Only those that plan in this mode.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Rows at the most.")
@click.option("--after", metavar="ID", help="The id of the last row of the page before.")
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
        show_rows(settings, listed, empty="There are no planning scenarios; datapkg seed --profile demo brings some.")


@planning.command()
@click.argument("scenario")
@click.option("--check", is_flag=True, help="Exit with 3 if a pool is OVER.")
@click.pass_context
def balance(ctx: click.Context, *, scenario: str, check: bool) -> None:
    """Show what each skill pool has in a scenario, and what is wanted of it.

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
    import textwrap

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
    words = "\n".join(textwrap.fill(text, 110) for text in (key, result.legend))
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
@click.argument("scenario")
@click.option("--draws", type=int, default=10_000, show_default=True, help="How often to draw, 100 to 1,000,000.")
@click.option("--seed", type=int, help="Where the random numbers begin; drawn and shown if left out.")
@click.pass_obj
def simulate(settings: Settings, *, scenario: str, draws: int, seed: int | None) -> None:
    """Estimate how the demands of each skill pool add up, and how likely they exceed its supply.

    \b
    Example:
      datapkg planning simulate "Website relaunch" --seed 7
    """
    import textwrap

    from datapkg import planning as domain

    with settings.connected():
        result = domain.simulate(_scenario(scenario).id, draws=draws, seed=seed)
    show(settings, result.public(), f"{result.title}\n\n{result.table}\n\n{textwrap.fill(result.legend, 110)}")


@planning.command("set-mode")
@click.argument("scenario")
@click.argument("mode", type=click.Choice(["LEGACY", "TOKEN"]))
@click.option("--actor", required=True, help="Who says so; it goes into the audit log.")
@click.pass_obj
def set_mode(settings: Settings, *, scenario: str, mode: str, actor: str) -> None:
    """Let a scenario plan in another mode; TOKEN needs the flag token_planning_v1.

    \b
    Example:
      datapkg planning set-mode "Website relaunch" TOKEN --actor me@example.com
    """
    from datapkg import planning as domain

    with settings.connected():
        made = domain.set_planning_mode(_scenario(scenario).id, mode=mode, actor=actor)
        show(settings, made.public(), f"{made.name} plans in {made.planning_mode}.")
