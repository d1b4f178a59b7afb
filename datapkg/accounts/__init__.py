"""Users, their passwords, API keys and sessions, and tokens that prove control of an address.

>>> from datapkg import accounts
>>> user = accounts.create_user("ann@example.com", password="correct horse")  # doctest: +SKIP
>>> accounts.verify_password(user.id, password="correct horse")  # doctest: +SKIP
True
"""

from __future__ import annotations

from datapkg.accounts.models import ROLES, ApiKey, Session, User, VerificationToken
from datapkg.accounts.queries import *  # noqa: F403  # the domain's functions, by their __all__
from datapkg.accounts.queries import __all__ as _functions

__all__ = ["ROLES", "ApiKey", "Session", "User", "VerificationToken", *_functions]
