"""Every version that was ever stored still reads, and no shape changes without a new version."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from datapkg.kit.documents import fingerprint
from datapkg.operations.documents import document_columns

GOLDEN = Path(str(files("datapkg._fixtures"))) / "documents"
DOCUMENTS = {column.document.name: column.document for column in document_columns()}
VERSIONS = [(name, number) for name, document in DOCUMENTS.items() for number in range(document.version + 1)]


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_a_golden_file_of_each_version_reads_as_it_should(name, version):
    """The file holds a document as it was stored and as it reads today, and today's reading is valid."""
    golden = json.loads((GOLDEN / name / f"v{version}.json").read_text(encoding="utf-8"))
    stored = golden["stored"]
    assert (stored.get("schema_version", 0) if isinstance(stored, dict) else 0) == version
    document = DOCUMENTS[name]
    read = document.upgrade(golden["stored"])
    assert read == golden["read"]
    assert document.validate(read) == read
    assert document.loads(document.dumps(read)) == read


def test_every_golden_file_belongs_to_a_version():
    """No file is left over from a document type or version that does not exist."""
    kept = {(path.parent.name, int(path.stem.removeprefix("v"))) for path in GOLDEN.glob("*/v*.json")}
    assert kept == set(VERSIONS)


def test_a_shape_changes_only_with_a_new_version():
    """The kept fingerprint of each schema matches; if not, add a version and an upcaster, then the line."""
    kept = json.loads((GOLDEN / "fingerprints.json").read_text(encoding="utf-8"))
    now = {
        name: {"version": document.version, "fingerprint": fingerprint(document)}
        for name, document in DOCUMENTS.items()
    }
    assert kept == now
