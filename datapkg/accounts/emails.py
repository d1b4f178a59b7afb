"""Email addresses: one spelling for each, and what passes for one."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["email_problem", "normalise_email"]

_LOCAL = re.compile(r"""\A[^\s@"(),:;<>\[\]\\.]+(?:\.[^\s@"(),:;<>\[\]\\.]+)*\Z""")
_PUNCTUATION = re.compile(r"[!-,/:-@\[-`{-~]")  # ASCII's, but the hyphen and the dot


def normalise_email(text: str) -> str:
    """Return the one spelling that is stored: without blanks around it, in Unicode's form C, lower-cased."""
    # Form C first, because a few signs become capital letters by it; and last, because lower-casing takes some apart.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip()).lower())


def email_problem(email: str) -> str | None:
    """Return why a normalised address is none, or ``None``.

    It is a check of form: ``local@domain``, where the domain may be one name alone, as on an intranet. Quoted local
    parts and numeric domains are refused. Only mail to the address shows whether somebody reads it.
    """
    local, at, domain = email.rpartition("@")
    if not at or not local or not domain:
        return "Must be an address such as ann@example.com."
    if not email.isprintable() or " " in email:
        return "May not contain blanks or invisible characters."
    if len(local) > 64 or not _LOCAL.match(local):
        return "The part before the @ is not valid."
    labels = domain.split(".")
    if not all(0 < len(label) < 64 and label.strip("-") == label for label in labels) or _PUNCTUATION.search(domain):
        return "The part after the @ is not a domain."
    return None
