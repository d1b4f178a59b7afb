"""How a stored value is shown: links to what it refers to, documents laid out, instants in UTC."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from markupsafe import Markup

from datapkg.kit.documents import VERSION_KEY
from datapkg.kit.errors import DatapkgError, DocumentError
from datapkg.kit.fields import DocumentField, EnumField, JSONField
from datapkg.kit.json_values import parse_json

__all__ = ["as_text", "document_text", "shown"]

_CUT = 120
"""Characters of a text that a list shows."""

_SHORT = 40
"""Characters that fit a narrow column."""

_NOTHING = Markup('<span class="text-muted">nothing</span>')


def as_text(value: object) -> str:
    """Return a value as a form and a person spell it; nothing is an empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(" ").replace("+00:00", "Z")
    return str(value)


def document_text(field: JSONField[Any], text: str) -> str:
    """Return stored JSON laid out, a document in its current version.

    Raises:
        UnknownSchemaVersionError: it is newer than this code.
        DocumentError: it is corrupt, or nested deeper than can be laid out.
    """
    try:
        content = field.document.loads(text) if isinstance(field, DocumentField) else parse_json(text)
        return json.dumps(content, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise DocumentError(field.column_name, f"it is not JSON that can be stored here ({error})") from error


def shown(field: Any, value: Any, *, whole: bool, link: str | None = None) -> str:
    """Return a value for a page.

    Args:
        field: its column.
        value: Python's value; for JSON the stored text.
        whole: whether a long text stands there whole.
        link: the page of the row that it refers to.
    """
    if value is None:
        return _NOTHING
    if isinstance(field, JSONField):
        return _document(field, value)
    text = as_text(value)
    if link is not None:
        # The end of a key tells rows apart; its beginning is the time it was made, and alike in neighbours.
        name = text if whole else f"…{text[-12:]}"
        return Markup('<a href="{}" title="{}"><code>{}</code></a>').format(link, text, name)
    if isinstance(field, EnumField):
        return Markup('<span class="badge badge-secondary">{}</span>').format(text)
    if isinstance(value, dt.datetime):
        return Markup('<span class="text-nowrap">{}</span>').format(text.replace("Z", " UTC"))
    if not whole and len(text) > _CUT:
        text = text[:_CUT] + "…"
    return Markup('<div class="{}">{}</div>').format("studio-wide" if len(text) > _SHORT else "studio-text", text)


def _document(field: JSONField[Any], text: str) -> str:
    note = problem = ""
    try:
        told = document_text(field, text)
        if isinstance(field, DocumentField):
            note = f"{field.document.name}, version {field.document.version}"
            stored = parse_json(text)
            version = stored.get(VERSION_KEY, 0) if isinstance(stored, dict) else 0
            if version != field.document.version:
                note += f", stored as version {version}"
    except DatapkgError as error:
        told, problem = text, f"{error.why} Shown as it is stored."
    warning = Markup('<p class="alert alert-warning">{}</p>').format(problem) if problem else ""
    caption = Markup('<small class="text-muted">{}</small>').format(note) if note else ""
    return Markup('{}{}<pre class="studio-json">{}</pre>').format(warning, caption, told)
