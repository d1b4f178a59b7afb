"""What the chain is made of: a salted digest of the details, and a hash of an entry and the one before it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from datapkg.audit.models import AuditLog
from datapkg.kit.json_values import canonical_json, content_hash

__all__ = ["NO_HASH", "details_digest", "entry_hash"]

NO_HASH = "0" * 64
"""What the first entry has in place of the hash of the entry before."""

# Part of every hash, so that another way of making them can be told from this one.
_SCHEME = "datapkg-audit-1"


def details_digest(details: object, salt: str) -> str:
    """Return the digest that stays when the details are erased, 64 hexadecimal digits.

    Args:
        details: the details as they are stored, with their ``schema_version``.
        salt: random text; without it, short details could be guessed from their digest.
    """
    return hashlib.sha256(f"{salt}\n{canonical_json(details)}".encode()).hexdigest()


def entry_hash(columns: Mapping[str, object]) -> str:
    """Return the hash of an entry, 64 hexadecimal digits.

    Args:
        columns: the entry's columns by name; those that are hashed must be there.
    """
    return content_hash(
        [
            _SCHEME,
            columns["sequence"],
            str(columns["id"]),
            AuditLog.created_at.db_value(columns["created_at"]),
            columns["entity_type"],
            columns["entity_id"],
            columns["action"],
            columns["actor"],
            columns["details_digest"],
            columns["previous_hash"],
        ]
    )
