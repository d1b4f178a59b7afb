"""The script store's document types."""

from __future__ import annotations

from collections.abc import Mapping

from datapkg.kit.documents import Document

__all__ = ["COMMAND_PAYLOAD", "VERSION_SNAPSHOT"]


def _v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 was version 1 without its number."""
    return dict(stored)


COMMAND_PAYLOAD = Document("script-command", "datapkg.scripts.schemas:PayloadSchema", upcasters=(_v0_to_v1,))
"""What a command does, by its type."""

VERSION_SNAPSHOT = Document("script-snapshot", "datapkg.scripts.schemas:SnapshotSchema", upcasters=(_v0_to_v1,))
"""A script's title and elements at one version."""
