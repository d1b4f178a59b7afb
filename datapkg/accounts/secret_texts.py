"""Random secrets that are shown once and stored as a hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets

__all__ = ["NO_DIGEST", "digest", "is_digest_of", "new_secret"]

NO_DIGEST = "-" * 64
"""Compared where there is nothing stored; no secret has it."""


def new_secret() -> str:
    """Return 256 random bits as 64 hexadecimal digits."""
    return secrets.token_hex(32)


def digest(secret: str) -> str:
    """Return a secret's SHA-256, 64 hexadecimal digits.

    A slow hash would add nothing: nobody can try 2**256 secrets.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_digest_of(stored: str, secret: str) -> bool:
    """Tell whether a stored digest is a secret's, in the same time whatever they are."""
    return hmac.compare_digest(stored.encode(), digest(secret).encode())
