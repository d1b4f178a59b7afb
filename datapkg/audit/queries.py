"""Every function of the audit domain, in one place."""

from __future__ import annotations

from datapkg.audit.chain import ChainProblem, ChainReport, verify_chain
from datapkg.audit.entries import erase_details, find_entry, get_entry, list_entries, record

__all__ = [
    "ChainProblem",
    "ChainReport",
    "erase_details",
    "find_entry",
    "get_entry",
    "list_entries",
    "record",
    "verify_chain",
]
