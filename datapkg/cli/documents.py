"""``datapkg documents``."""

from __future__ import annotations

import json

import click

from datapkg.cli import completion
from datapkg.cli.render import progress, say, show, show_rows
from datapkg.cli.root import CHECK_FAILED, Settings, group
from datapkg.kit.words import counted

__all__ = ["documents"]


@group()
def documents() -> None:
    """Count, upgrade and describe stored documents.

    \b
    Example:
      datapkg documents status
    """


@documents.command()
@click.pass_obj
def status(settings: Settings) -> None:
    """Count the stored versions of every document column.

    \b
    Example:
      datapkg documents status
    """
    from datapkg.operations.documents import documents_status

    with settings.connected(), progress(settings, "counting"):
        found = documents_status()
    show_rows(settings, found, empty="No documents.")


@documents.command()
@click.option(
    "--batch-size",
    type=click.IntRange(1, 10_000),
    metavar="N",
    default=500,
    show_default=True,
    help="Rows in one transaction, at the most.",
)
@click.pass_context
def upgrade(ctx: click.Context, *, batch_size: int) -> None:
    """Rewrite old documents in the current version.

    Immutable ones upgrade only when they are read. Exits with 3 if some could not be upgraded.

    \b
    Example:
      datapkg documents upgrade --batch-size 1000
    """
    from datapkg.operations.documents import documents_status, documents_upgrade

    def old() -> int:
        return sum(int(str(row["rows"])) for row in documents_status() if row["state"] == "old")

    settings: Settings = ctx.obj
    with settings.connected():
        with progress(settings, "upgrading", old) as shown:
            report = documents_upgrade(batch_size=batch_size, progress=shown)
        data = {
            "upgraded": report.upgraded,
            "skipped": report.skipped,
            "refused": list(report.refused),
            "refused_count": report.refused_count,
        }
        skipped = f", {report.skipped:,} changed meanwhile and left alone" if report.skipped else ""
        show(settings, data, f"{counted(report.upgraded, 'document')} upgraded{skipped}.")
        if report.refused:
            say(settings, repr(report.refused))
            if report.refused_count > len(report.refused):
                say(settings, f"{report.refused_count - len(report.refused):,} more cannot be upgraded.")
            ctx.exit(CHECK_FAILED)


@documents.command()
@click.argument("name", shell_complete=completion.documents)
@click.pass_obj
def schema(settings: Settings, *, name: str) -> None:
    """Print the JSON Schema of the document type NAME.

    \b
    Example:
      datapkg documents schema definition-content
    """
    from datapkg.operations.documents import documents_schema

    found = documents_schema(name)
    show(settings, found, json.dumps(found, indent=2, ensure_ascii=False))
