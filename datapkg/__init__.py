"""A data package to import: ready-made, validated, versioned data domains on SQLite and PostgreSQL.

>>> import datapkg
>>> database = datapkg.connect("sqlite:///:memory:")
>>> datapkg.status().state
'current'
>>> datapkg.disconnect()

Everything here loads on first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datapkg import accounts, audit, engagement, errors, evaluation, flags, planning, scripts, workqueue
    from datapkg.connection import connect, disconnect, using
    from datapkg.kit.database import run_in_transaction, transaction
    from datapkg.kit.documents import Document
    from datapkg.kit.domains import Domain, Exemption, RetentionPolicy, SeedTable
    from datapkg.kit.errors import DatapkgError
    from datapkg.kit.models import Model, MutableModel
    from datapkg.operations import retention
    from datapkg.operations.backups import backup, restore
    from datapkg.operations.copying import copy
    from datapkg.operations.dumps import dump, load
    from datapkg.operations.erd import erd
    from datapkg.operations.health import health
    from datapkg.operations.migrations import check as check_migrations
    from datapkg.operations.migrations import (
        create_migration,
        environment,
        migrate,
        plan,
        rehearse,
        rollback,
        set_environment,
        status,
    )
    from datapkg.operations.migrations import lint as lint_migrations
    from datapkg.operations.seeding import seed
    from datapkg.operations.studio import studio
    from datapkg.registry import register

__all__ = [
    "DatapkgError",
    "Document",
    "Domain",
    "Exemption",
    "Model",
    "MutableModel",
    "RetentionPolicy",
    "SeedTable",
    "accounts",
    "audit",
    "backup",
    "check_migrations",
    "connect",
    "copy",
    "create_migration",
    "disconnect",
    "dump",
    "engagement",
    "environment",
    "erd",
    "errors",
    "evaluation",
    "flags",
    "health",
    "lint_migrations",
    "load",
    "migrate",
    "plan",
    "planning",
    "register",
    "rehearse",
    "restore",
    "retention",
    "rollback",
    "run_in_transaction",
    "scripts",
    "seed",
    "set_environment",
    "status",
    "studio",
    "transaction",
    "using",
    "workqueue",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())

_HOME = {
    "DatapkgError": "datapkg.kit.errors",
    "Document": "datapkg.kit.documents",
    "Domain": "datapkg.kit.domains",
    "Exemption": "datapkg.kit.domains",
    "Model": "datapkg.kit.models",
    "MutableModel": "datapkg.kit.models",
    "RetentionPolicy": "datapkg.kit.domains",
    "SeedTable": "datapkg.kit.domains",
    "backup": "datapkg.operations.backups",
    "check_migrations": "datapkg.operations.migrations",
    "connect": "datapkg.connection",
    "copy": "datapkg.operations.copying",
    "create_migration": "datapkg.operations.migrations",
    "disconnect": "datapkg.connection",
    "dump": "datapkg.operations.dumps",
    "environment": "datapkg.operations.migrations",
    "erd": "datapkg.operations.erd",
    "health": "datapkg.operations.health",
    "lint_migrations": "datapkg.operations.migrations",
    "load": "datapkg.operations.dumps",
    "migrate": "datapkg.operations.migrations",
    "plan": "datapkg.operations.migrations",
    "register": "datapkg.registry",
    "rehearse": "datapkg.operations.migrations",
    "restore": "datapkg.operations.backups",
    "rollback": "datapkg.operations.migrations",
    "run_in_transaction": "datapkg.kit.database",
    "seed": "datapkg.operations.seeding",
    "set_environment": "datapkg.operations.migrations",
    "status": "datapkg.operations.migrations",
    "studio": "datapkg.operations.studio",
    "transaction": "datapkg.kit.database",
    "using": "datapkg.connection",
}
_DOMAINS = ("accounts", "audit", "engagement", "evaluation", "flags", "planning", "scripts", "workqueue")
_MODULES = {name: f"datapkg.{name}" for name in (*_DOMAINS, "errors")}
_MODULES["retention"] = "datapkg.operations.retention"


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value  # the next look-up does not come here
        return value
    from datapkg.kit.deferring import missing

    raise missing(__name__, name, () if name.startswith("_") else __all__)


def __dir__() -> list[str]:
    return sorted(__all__)
