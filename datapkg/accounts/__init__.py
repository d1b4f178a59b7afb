"""Users, their passwords, API keys and sessions, and tokens that prove control of an address.

>>> from datapkg import accounts
>>> user = accounts.create_user("ann@example.com", password="correct horse")  # doctest: +SKIP
>>> accounts.verify_password(user.id, password="correct horse")  # doctest: +SKIP
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datapkg.accounts.models import *  # noqa: F403  # the domain's tables
from datapkg.accounts.models import __all__ as _models
from datapkg.kit.deferring import deferred

if TYPE_CHECKING:
    from datapkg.accounts.queries import *  # noqa: F403  # the domain's functions, by their __all__
else:
    __getattr__, __dir__ = deferred(__name__, _models)
