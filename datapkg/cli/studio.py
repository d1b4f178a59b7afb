"""``datapkg studio``."""

from __future__ import annotations

import sys

import click

from datapkg.cli.options import guarded
from datapkg.cli.render import show
from datapkg.cli.root import Settings, command

__all__ = ["studio"]

_PORT = 8001


@command()
@click.option(
    "--port", metavar="PORT", type=click.IntRange(0, 65535), help="The port to serve on; 8001 unless given, 0: any."
)
@click.option("--host", metavar="ADDRESS", help="The address, of this machine alone; 127.0.0.1 unless given.")
@click.option("--write", is_flag=True, help="Let rows be edited, where nothing protects their table.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@guarded("to edit rows of a production database")
@click.pass_obj
def studio(
    settings: Settings, *, port: int | None, host: str | None, write: bool, no_browser: bool, i_know_this_is: str | None
) -> None:
    """Look at rows, and edit them, in a browser.

    It serves every table to this machine alone until SIGTERM or Ctrl-C. Without --write nothing can be changed.

    \b
    Examples:
      datapkg studio
      datapkg --database postgresql://me@host/app studio --port 0 --no-browser
    """
    import signal
    import threading
    import webbrowser

    from datapkg import connection
    from datapkg.operations.studio import studio as make

    connection.connect(settings.url, must_exist=True)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        app = make(write=write, i_know_this_is=i_know_this_is)
        server = app.server(host=host or "127.0.0.1", port=_PORT if port is None else port)
        for number in before:
            signal.signal(number, lambda number, frame: server.stop())
        facts = {"url": f"{server.url}/", "host": server.server_name, "port": server.server_port, "write": write}
        show(settings, facts, f"Serving {facts['url']} ({'editing' if write else 'read-only'}); Ctrl-C ends it.")
        if not no_browser and sys.stdout.isatty():
            # In a thread: a browser in the terminal comes back only when it is left.
            threading.Thread(target=webbrowser.open, args=(facts["url"],), daemon=True).start()
        server.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        connection.disconnect()
