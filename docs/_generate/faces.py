"""Which names stand on the pages that belong to no domain, and under which heading."""

from __future__ import annotations

__all__ = ["FACES"]


def _of(module: str, names: str) -> list[str]:
    return [f"{module}.{name}" for name in names.split()]


FACES: dict[str, tuple[str, str, dict[str, list[str]]]] = {
    "datapkg": (
        "datapkg",
        "Connecting, and what tables of your own are made of. [Connecting](../connecting.md), "
        "[documents](../documents.md) and [a domain of your own](../own-domains.md) show it at work.\n",
        {
            "Connecting": _of("datapkg", "connect disconnect using")
            + _of("datapkg.kit.engines", "Options KitDatabase"),
            "Transactions": _of("datapkg", "transaction run_in_transaction"),
            "Models": _of("datapkg", "Model MutableModel"),
            "Fields": _of(
                "datapkg.kit.fields",
                "base.ColumnOptions Column BigIntegerField BooleanField DateField DecimalField DocumentField EnumField "
                "FloatField "
                "ForeignKey IntegerField JSONField TextField TimestampField UUIDField total",
            ),
            "Documents": ["datapkg.Document"],
            "Schemas": _of(
                "datapkg.kit.schemas",
                "Schema FieldOptions Boolean Choice Constant Date Decimal Dict Float Integer Json List Nested Text "
                "Timestamp Uuid Versioned Page Bulk load load_many instance fields_within",
            ),
            "Results": ["datapkg.kit.results.Rows", "datapkg.kit.differences.Diff"],
            "Domains": _of("datapkg", "Domain SeedTable RetentionPolicy Exemption register"),
            "Commands of your own": _of(
                "datapkg.cli", "Settings command group main progress bars.Progress say show show_rows"
            ),
        },
    ),
    "operations": (
        "Operations",
        "What looks after a database, in Python; the [command line](cli.md) does the same.\n",
        {
            "Migrations": _of("datapkg", "migrate rollback status plan")
            + _of("datapkg.operations.migrations", "MigrationReport Status History State Entry"),
            "Writing and trying migrations": _of(
                "datapkg", "create_migration check_migrations lint_migrations rehearse"
            )
            + _of("datapkg.operations.migrations", "Differences Finding Rehearsal RehearsedStep"),
            "The environment": _of("datapkg", "environment set_environment"),
            "Seeds": ["datapkg.seed", *_of("datapkg.operations.seeding", "SeedReport SeedChange")],
            "Documents": _of(
                "datapkg.operations.documents",
                "document_columns documents_status documents_upgrade documents_schema DocumentColumn UpgradeReport",
            ),
            "Backups": _of("datapkg", "backup restore")
            + _of("datapkg.operations.backups", "read_backup write_backup Backup BackupReport RestoreReport"),
            "Moving data": _of("datapkg", "dump load copy")
            + _of("datapkg.operations.dumps", "DumpReport LoadReport")
            + ["datapkg.operations.copying.CopyReport"],
            "Retention": _of("datapkg.retention", "plan apply restore Plan ApplyReport Archived RestoreReport"),
            "Health": [
                "datapkg.health",
                *_of("datapkg.operations.health", "Health HealthState HealthApp make_wsgi_app wsgi_app"),
            ],
            "Write gates": _of(
                "datapkg.operations.linting", "lint_writes list_touchpoints gated_tables Finding Touchpoint"
            ),
            "Looking into a database": [*_of("datapkg", "studio erd"), "datapkg.operations.erd.Erd"],
        },
    ),
}
