"""The error family: what every error carries, how it travels between processes, and that no secret is in it."""

from __future__ import annotations

import inspect
import json
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import peewee as pw
import pytest

from datapkg.kit import errors
from datapkg.kit.errors import (
    ConflictError,
    DatapkgError,
    NotFoundError,
    UnknownSchemaVersionError,
    ValidationError,
)

FAMILY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DatapkgError)]
SPECIAL: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "NotFoundError": (("definition", "some-key"), {}),
    "ValidationError": (({"a.0.b": ["Not text.", "Too long."]},), {"what": "definition"}),
    "CorruptTreeError": (("definitions", "some-key"), {}),
    "UnknownSchemaVersionError": (("note", 9, 2), {}),
    "DocumentError": (("note", "why"), {"version": 1, "path": "a.b"}),
    "ConflictError": (("It clashes.",), {"constraint": "uq_t_a", "table": "t", "columns": ("a",)}),
}


def example(kind: type[DatapkgError]) -> DatapkgError:
    """An error of this kind, with the arguments it needs."""
    args, kwargs = SPECIAL.get(kind.__name__, (("It went wrong.",), {"fact": 1}))
    return kind(*args, **kwargs)


def fail(name: str) -> None:
    """Raise an example in another process."""
    raise example(getattr(errors, name))


def test_the_family_is_complete() -> None:
    """Every error is public, has a code that no other has, and one root."""
    assert {kind.__name__ for kind in FAMILY} == set(errors.__all__)
    codes = [kind.code for kind in FAMILY]
    assert len(set(codes)) == len(codes)
    assert all(code == code.lower() and code.replace("_", "").isalpha() for code in codes)


@pytest.mark.parametrize("kind", FAMILY, ids=lambda kind: kind.__name__)
def test_every_error_says_what_happened_and_how_to_fix_it(kind: type[DatapkgError]) -> None:
    """why, fix, code and meta are there, in the message and as JSON, and survive pickling."""
    error = example(kind)
    assert error.why and error.fix and error.code == kind.code
    assert str(error) == f"{error.why} {error.fix}"
    envelope = json.loads(json.dumps(error.as_dict()))
    assert set(envelope) == {"code", "why", "fix", "meta"}
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.__dict__) == (kind, str(error), error.__dict__)


def test_errors_cross_process_pools() -> None:
    """A worker process's error arrives as what it was, attributes included."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        with pytest.raises(ConflictError) as caught:
            pool.submit(fail, "ConflictError").result(30)
        assert (caught.value.constraint, caught.value.columns) == ("uq_t_a", ("a",))
        with pytest.raises(ValidationError) as refused:
            pool.submit(fail, "ValidationError").result(30)
        assert refused.value.errors == {"a.0.b": ["Not text.", "Too long."]}


def test_errors_of_statements_are_also_peewees() -> None:
    """`except peewee.IntegrityError` and its like go on catching them."""
    assert isinstance(example(ConflictError), pw.IntegrityError)
    for name in ("DatabaseUnavailableError", "DatabaseBusyError", "ReadOnlyError", "StorageError"):
        assert issubclass(getattr(errors, name), pw.OperationalError)


def test_a_fix_can_be_given() -> None:
    """A fix of one's own takes the place of the default."""
    assert errors.ConfigurationError("Wrong.", fix="Do this.").fix == "Do this."
    assert errors.ConfigurationError("Wrong.").fix == DatapkgError.default_fix


def test_typed_attributes() -> None:
    """The facts of an error are attributes too."""
    missing = NotFoundError("definition", "abc")
    assert (missing.entity, missing.key, missing.meta) == ("definition", "abc", {"entity": "definition", "key": "abc"})
    newer = UnknownSchemaVersionError("note", True, 2)
    assert (newer.document, newer.version, newer.newest) == ("note", True, 2)
    assert "True" in str(newer)


def test_a_long_list_of_complaints_is_cut_in_the_message_alone() -> None:
    """The message names the first complaints and counts the rest; `errors` has all of them."""
    error = ValidationError({f"rows.{number}": ["Wrong."] for number in range(30)}, what="file")
    assert len(error.errors) == 30
    assert "and 22 more" in error.why and "rows.7" in error.why and "rows.8" not in error.why
