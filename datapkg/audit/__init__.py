"""The audit log: who did what to which thing, in a chain that shows when it was tampered with.

>>> from datapkg import audit
>>> audit.record("report", entity_id="7", action="publish", actor="system")  # doctest: +SKIP
>>> audit.verify_chain().ok  # doctest: +SKIP
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datapkg.audit.models import *  # noqa: F403  # the domain's tables
from datapkg.audit.models import __all__ as _models
from datapkg.kit.deferring import deferred

if TYPE_CHECKING:
    from datapkg.audit.queries import *  # noqa: F403  # the domain's functions, by their __all__
else:
    __getattr__, __dir__ = deferred(__name__, _models)
