"""Password hashes: Argon2id, with a profile for production and a cheap one for tests.

The cheap profile is chosen by calling :func:`use_profile` and in no other way: no environment variable and no
option can weaken a running service.
"""

from __future__ import annotations

import base64
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING

from datapkg.kit.errors import ConfigurationError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["PROFILES", "check_password", "hash_password", "needs_rehash", "use_profile"]

PROFILES = {"standard": (19 * 1024, 2, 1), "cheap": (8, 1, 1)}
"""Memory in KiB, passes and lanes of each profile; ``standard`` is OWASP's recommendation."""

_profile = ["standard"]
_HASH_BYTES, _SALT_BYTES = 32, 16


def use_profile(name: str) -> str:
    """Choose how much work a hash made from now on costs, for the whole process; return the profile before.

    Args:
        name: ``"standard"``, or ``"cheap"`` for tests, where a hash protects nothing.

    Raises:
        ConfigurationError: there is no such profile.
    """
    if name not in PROFILES:
        raise ConfigurationError(f"There is no password profile {name!r}.", fix=f"Use one of: {', '.join(PROFILES)}.")
    before, _profile[0] = _profile[0], name
    return before


@lru_cache
def _hasher(profile: str) -> PasswordHasher:
    from argon2 import PasswordHasher, Type

    memory, passes, lanes = PROFILES[profile]
    return PasswordHasher(
        time_cost=passes,
        memory_cost=memory,
        parallelism=lanes,
        hash_len=_HASH_BYTES,
        salt_len=_SALT_BYTES,
        type=Type.ID,
    )


@lru_cache
def _nobodys_hash(profile: str) -> str:
    """Return a hash that no password fits, and that costs as much to check as any other of the profile."""
    memory, passes, lanes = PROFILES[profile]
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_SALT_BYTES, _HASH_BYTES)
    )
    return f"$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${digest}"


def hash_password(password: str) -> str:
    """Return the hash to store for a password that has been validated."""
    return _hasher(_profile[0]).hash(password)


def check_password(stored: str | None, password: str) -> bool:
    """Tell whether a password fits a stored hash; never raises for a hash that is none.

    Without a stored hash it takes as long and says no, so that nobody learns by the clock who has an account.

    Args:
        stored: the hash, or None for a user who has none or does not exist.
        password: what somebody typed.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    hasher = _hasher(_profile[0])
    if stored is not None and not stored.isascii():
        stored = None  # argon2-cffi would stumble over the encoding
    try:
        return hasher.verify(stored or _nobodys_hash(_profile[0]), password)
    except VerificationError:
        return False
    except InvalidHashError:
        return check_password(None, password)


def needs_rehash(stored: str) -> bool:
    """Tell whether a hash that a password fits was made with other parameters than the profile's."""
    return _hasher(_profile[0]).check_needs_rehash(stored)
