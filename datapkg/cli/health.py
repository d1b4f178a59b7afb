"""``datapkg health``."""

from __future__ import annotations

import click

from datapkg.cli.render import show
from datapkg.cli.root import CHECK_FAILED, Settings, command

__all__ = ["health"]


@command()
@click.option("--serve", "port", type=click.IntRange(0, 65535), metavar="PORT", help="Serve it over HTTP; 0: any port.")
@click.option("--host", metavar="ADDRESS", help="The address to serve on; 127.0.0.1 unless given.")
@click.option("--read-only-ok", is_flag=True, help="Count a database that takes no writes as well, for a reader.")
@click.pass_context
def health(ctx: click.Context, *, port: int | None, host: str | None, read_only_ok: bool) -> None:
    """Tell whether the database is well; exits with 3 if not.

    It is, if it can be reached, is up to date and can be written. With --serve, answer /health and /ready (200, or 503
    if not) and /live (always 200) until SIGTERM or Ctrl-C.

    \b
    Examples:
      datapkg health --json
      datapkg health --serve 8080
    """
    from datapkg.kit.results import facts_table
    from datapkg.operations.health import health as check

    settings: Settings = ctx.obj
    if port is not None:
        _serve(settings, port, host or "127.0.0.1", read_only_ok)
        return
    if host is not None:
        raise click.UsageError("--host is for --serve.", ctx)
    with settings.bound(must_exist=True):
        result = check()
    facts = result.as_dict()
    detail = facts.pop("detail")  # a sentence or two, too long for a cell
    table = facts_table(facts.items())
    show(settings, result.as_dict(), f"{table}\n\n{detail}" if detail else table)
    if not (result.ok or (read_only_ok and result.state == "read-only")):
        ctx.exit(CHECK_FAILED)


def _serve(settings: Settings, port: int, host: str, read_only_ok: bool) -> None:
    import signal

    from datapkg.operations.health import make_wsgi_app
    from datapkg.operations.health_server import HealthServer

    server = HealthServer(make_wsgi_app(settings.url, read_only_ok=read_only_ok), host=host, port=port)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda number, frame: server.stop())
    try:
        facts = {"url": server.url, "host": server.server_name, "port": server.server_port}
        show(settings, facts, f"Serving {server.url}/health, /ready and /live; Ctrl-C ends it.")
        server.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
