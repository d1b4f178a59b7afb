"""Versioned documents: their steps, reading old content, refusing newer and corrupt content."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import types
from typing import Any

import pytest
from marshmallow import fields

from datapkg.kit.documents import Document, fingerprint
from datapkg.kit.errors import ConfigurationError, DocumentError, UnknownSchemaVersionError
from datapkg.kit.schemas import (
    Integer,
    Schema,
)

from document_samples import CONTENT, COSTS, CURRENT, Content, content_v1_to_v2, free, listed_v0_to_v1, step, v0_to_v1

# The type itself


def test_the_version_is_the_number_of_steps() -> None:
    """Adding a step makes a new version; there is no number to forget."""
    assert CONTENT.version == 2 and COSTS.version == 1 and CONTENT.name == "content"
    assert repr(CONTENT) == "Document('content', version=2)" and "listed" in repr(COSTS)


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["v1_to_v2"],
        ["v0_to_v1", "v2_to_v3"],
        ["v0_to_v1", "v0_to_v1"],
        ["v1_to_v2", "v0_to_v1"],
        ["v0_to_v2"],
        ["upgrade"],
        ["xv0_to_v1"],
        ["v0_to_v1_"],
        ["v0_to_v1\n"],
        ["v0_to_v1", "v1_to_v2", "v3_to_v4"],
        ["v00_to_v1"],
    ],
)
def test_steps_that_do_not_form_a_chain_are_refused_at_construction(names: list[str]) -> None:
    """A forgotten, repeated or misnamed step is found at import, not when an old row is read."""
    with pytest.raises(ConfigurationError, match=r"bad-one"):
        Document("bad-one", Content, upcasters=tuple(step(name) for name in names))


def test_a_step_must_be_callable_and_have_a_name() -> None:
    """Something that is no function cannot be a step."""
    thing = types.SimpleNamespace(__name__="v0_to_v1")
    for bad in (thing, "v0_to_v1", None):
        with pytest.raises(ConfigurationError):
            Document("content", Content, upcasters=(bad,))  # type: ignore[arg-type]  # a caller's mistake


@pytest.mark.parametrize("name", ["", "Run", "run config", "run_config", "-run", "run-", "rün", "run\n", 5])
def test_a_document_needs_a_plain_name(name: Any) -> None:
    """Names appear in file names and errors, so they are kept plain."""
    with pytest.raises(ConfigurationError):
        Document(name, Content, upcasters=(v0_to_v1,))
    assert Document("run-config2", Content, upcasters=(v0_to_v1,)).name == "run-config2"


@pytest.mark.parametrize("given", [f"{__name__}:Content", lambda: Content, Content], ids=["text", "function", "class"])
def test_the_schema_may_be_given_late(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class, a function that returns it, or its place as text give the same document."""
    monkeypatch.setitem(sys.modules, __name__, types.SimpleNamespace(Content=Content))
    document = Document("content", given, upcasters=(v0_to_v1, content_v1_to_v2))
    assert document.validate(CURRENT) == CURRENT and fingerprint(document) == fingerprint(CONTENT)


@pytest.mark.parametrize(
    "given",
    [
        "no.such.module:A",
        "datapkg.kit.errors:Nope",
        "datapkg.kit.errors",
        "",
        ":",
        lambda: 5,
        int,
        lambda: fields.Field,
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_the_documents_name(given: Any) -> None:
    """A wrong schema is a configuration error that names the document."""
    with pytest.raises(ConfigurationError, match="free"):
        free(given).validate({})


def test_a_schema_that_does_not_fit_a_document_is_refused() -> None:
    """schema_version is the document's business, and a listed one holds items only."""
    with pytest.raises(ConfigurationError, match="schema_version"):
        free(type("Own", (Schema,), {"schema_version": Integer()})).validate({})
    with pytest.raises(ConfigurationError, match="listed"):
        Document("costs", Content, upcasters=(listed_v0_to_v1,), listed=True).validate([])


def test_importing_documents_does_not_import_marshmallow() -> None:
    """Models stand on documents, and a script that reads rows should start at once."""
    code = (
        "import sys\n"
        "from datapkg.kit.documents import Document\n"
        "def v0_to_v1(content): return {'a': 1}\n"
        "document = Document('late', 'some.where:Late', upcasters=(v0_to_v1,))\n"
        "assert document.loads('{}') == {'schema_version': 1, 'a': 1}\n"
        "assert document.upgrade({'schema_version': 1}) == {'schema_version': 1}\n"
        "print('marshmallow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# Reading


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"preamble": "test"}, {"schema_version": 2, "preamble": "test", "dimensions": []}),
        ({}, {"schema_version": 2, "preamble": "", "dimensions": []}),
        (
            {"schema_version": 0, "dims": [" a "]},
            {"schema_version": 2, "preamble": "", "dimensions": [{"name": "a", "values": ["-"]}]},
        ),
        (
            {"schema_version": 1, "preamble": "p", "dims": ["a"]},
            {"schema_version": 2, "preamble": "p", "dimensions": [{"name": "a", "values": ["-"]}]},
        ),
        (CURRENT, CURRENT),
    ],
)
def test_reading_upgrades_each_old_version_and_leaves_its_input_alone(
    stored: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Every version since 0 reads as the current one, even though a step changes what it is given."""
    before = copy.deepcopy(stored)
    assert CONTENT.upgrade(stored) == expected
    assert stored == before
    assert CONTENT.loads(json.dumps(stored)) == expected
    assert CONTENT.loads(json.dumps(stored).encode()) == expected


def test_the_result_shares_nothing_with_old_input() -> None:
    """Changing what was read does not change the stored value somebody else holds."""
    stored: dict[str, Any] = {"preamble": {"deep": [1]}}
    result: Any = free(Content).upgrade(stored)
    result["preamble"]["deep"].append(2)
    assert stored == {"preamble": {"deep": [1]}}


def test_current_content_is_returned_as_it_is() -> None:
    """Nothing is copied where nothing has to be done."""
    assert CONTENT.upgrade(CURRENT) is CURRENT


@pytest.mark.parametrize("version", [3, 99, -1, "1", "2", 1.0, 2.0, True, False, None, [], {}, "", 2**63])
def test_newer_and_invalid_versions_are_refused_by_name(version: object) -> None:
    """A version this code does not know is refused for reading and for writing, never guessed at."""
    stored = {**CURRENT, "schema_version": version}
    for act in (CONTENT.upgrade, CONTENT.validate, lambda value: CONTENT.loads(json.dumps(value))):
        with pytest.raises(UnknownSchemaVersionError) as caught:
            act(stored)
        assert (caught.value.document, caught.value.newest) == ("content", 2)
        assert caught.value.version == version and "Upgrade" in caught.value.fix
    assert CONTENT.recognises(stored) is False


@pytest.mark.parametrize("stored", [None, 5, "test", [], [{}], True, 1.5])
def test_a_stored_value_that_is_no_object_is_corrupt(stored: object) -> None:
    """A column that holds something else is named as corrupt."""
    for act in (CONTENT.upgrade, lambda value: CONTENT.loads(json.dumps(value))):
        with pytest.raises(DocumentError, match="Corrupt document: this 'content' document"):
            act(stored)


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"a": 1e999}', '{"a": "\\ud800"}', "[" * 5000, b"\xff"])
def test_text_that_is_not_json_is_corrupt(text: str | bytes) -> None:
    """Damaged text is a document error, not the parser's."""
    with pytest.raises(DocumentError, match="it is not JSON") as caught:
        CONTENT.loads(text)
    assert caught.value.code == "document" and caught.value.document == "content"


@pytest.mark.parametrize(
    "stored", [{"dims": 5}, {"dims": ["a", 7]}, {"schema_version": 1, "preamble": "p"}, {"dims": None}]
)
def test_a_step_that_fails_names_document_version_and_step(stored: dict[str, Any]) -> None:
    """Corrupt old content is a typed error that says which step it failed in, and is left unchanged."""
    before = copy.deepcopy(stored)
    for act in (CONTENT.upgrade, lambda value: CONTENT.loads(json.dumps(value))):
        with pytest.raises(DocumentError, match=r"v\d_to_v\d failed with") as caught:
            act(stored)
        error = caught.value
        assert (error.document, error.version) == ("content", stored.get("schema_version", 0))
        assert error.__cause__ is not None
        assert pickle.loads(pickle.dumps(error)).version == error.version
    assert stored == before


def test_a_failing_later_step_is_named() -> None:
    """The message says which of several steps failed, and with what."""
    later = step("v1_to_v2", lambda content: {"a": content["made"]["missing"]})
    document = Document("content", Content, upcasters=(step("v0_to_v1", lambda content: {"made": {}}), later))
    with pytest.raises(DocumentError, match="v1_to_v2 failed with KeyError") as caught:
        document.upgrade({})
    assert caught.value.version == 0


@pytest.mark.parametrize("result", [None, [], "x", 5])
def test_a_step_that_gives_no_object_is_an_error(result: object) -> None:
    """A step that forgets to return is found at once."""
    with pytest.raises(DocumentError, match="v0_to_v1 gave"):
        Document("content", Content, upcasters=(step("v0_to_v1", lambda content: result),)).upgrade({})


def test_a_step_may_read_another_document_whose_error_stays_its_own() -> None:
    """What is wrong inside another document is reported as that document's."""
    inner = free(Content, name="inner")
    outer = Document("outer", Content, upcasters=(step("v0_to_v1", lambda content: inner.upgrade(content["inner"])),))
    with pytest.raises(UnknownSchemaVersionError) as newer:
        outer.upgrade({"inner": {"schema_version": 9}})
    assert newer.value.document == "inner"
    with pytest.raises(DocumentError) as corrupt:
        outer.upgrade({"inner": 5})
    assert corrupt.value.document == "inner"


def test_a_step_cannot_set_the_version_itself() -> None:
    """The version in the result is always the current one."""
    document = Document(
        "content", Content, upcasters=(step("v0_to_v1", lambda content: {"schema_version": 77, "a": 1}),)
    )
    assert document.upgrade({}) == {"schema_version": 1, "a": 1}


def test_old_content_nested_without_end_is_corrupt_not_a_crash() -> None:
    """Depth beyond the stack is a typed error."""
    deep: object = 1
    for _ in range(20_000):
        deep = [deep]
    with pytest.raises(DocumentError, match="nested too deeply"):
        CONTENT.upgrade({"preamble": deep})
    while isinstance(deep, list):  # taken apart by hand: freeing it at once would recurse
        deep = deep[0]
