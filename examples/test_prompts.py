"""Tests of somebody's own code, each with a database of its own: nothing to set up, nothing to clean up.

Run ``pytest test_prompts.py``, and on PostgreSQL too: ``pytest --datapkg-engine all test_prompts.py``.
"""

from __future__ import annotations

import pytest

from datapkg import evaluation
from datapkg.errors import ValidationError
from datapkg.kit.engines import KitDatabase
from datapkg.testing import factories


def add_language(definition_id: object, language: str) -> evaluation.Definition:
    """Fork a definition so that it asks for answers in a language: the code that is tested here."""
    root = evaluation.get_definition(str(definition_id))
    content = {**root.content, "preamble": f"{root.content['preamble']} Answer in {language}."}
    return evaluation.fork_definition(root.id, name=f"{root.name}, {language}", content=content)


def test_a_language_is_asked_for_in_a_fork(datapkg_db: KitDatabase) -> None:
    """The definition itself stays as it was."""
    root = factories.make_definition(name="Apology", content=factories.definition_content(preamble="Be kind."))
    fork = add_language(root.id, "French")
    assert (fork.name, fork.content["preamble"]) == ("Apology, French", "Be kind. Answer in French.")
    assert evaluation.get_definition(root.id).content["preamble"] == "Be kind."


def test_nothing_is_left_of_a_fork_that_is_refused(datapkg_db: KitDatabase) -> None:
    """A name that no column takes is refused on every engine, with the path of what is wrong."""
    root = factories.make_definition()
    with pytest.raises(ValidationError) as refused:
        add_language(root.id, "French" * 1000)
    assert list(refused.value.errors) == ["name"]
    assert len(evaluation.list_definitions()) == 1
