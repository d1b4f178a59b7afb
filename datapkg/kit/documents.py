"""Versioned JSON documents: what a column of JSON means, in every version it ever had.

A document type is a name, a schema for its current version, and one pure function per step from a version to the
next. What is stored carries ``schema_version``; what is stored without it is version 0. Reading brings old content up
to date in memory and never writes; writing validates and stores the current version; content of a newer version than
the code knows is refused.

    def v0_to_v1(content):
        return {"preamble": content.get("preamble", ""), "dimensions": []}

    NOTES = Document("notes", "myapp.schemas:Notes", upcasters=(v0_to_v1,))
    NOTES.upgrade({"preamble": "test"})  # {"schema_version": 1, "preamble": "test", "dimensions": []}

Importing this module, and making a document type whose schema is named by a text, does not import marshmallow.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, cast

from datapkg.kit.errors import (
    ConfigurationError,
    DatapkgError,
    DocumentError,
    UnknownSchemaVersionError,
    ValidationError,
)
from datapkg.kit.json_values import (
    canonical_json,
    content_hash,
    dump_json,
    is_plain,
    normalise,
    parse_json,
)

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from datapkg.kit.schemas import Schema

    D = TypeVar("D", default=dict[str, Any])
else:
    from typing import TypeVar

    D = TypeVar("D")

__all__ = ["Document", "Upcaster", "canonical_json", "content_hash", "fingerprint", "json_schema"]

#: Brings content (without ``schema_version``) from one version to the next; it may change what it is given. Typed
#: loosely, because a step may say that it takes and gives a dictionary, a list or something narrower.
Upcaster = Callable[[Any], object]

VERSION_KEY = "schema_version"
ITEMS_KEY = "items"

_STEP = re.compile(r"(?:\A|_)v([0-9]+)_to_v([0-9]+)\Z")


class _Resolved(NamedTuple):
    """What is only known once the schema is imported."""

    schema: type[Schema]  # with schema_version
    recognise: Callable[[object], bool] | None
    converts: bool  # some field gives a value that JSON cannot hold (a UUID, a moment)
    check: bool  # the schema alone does not make sure that the result is plain JSON
    quick: bool  # orjson writes it byte for byte as the standard library does


class Document(Generic[D]):
    """A versioned document type.

    A type checker takes its content for ``dict[str, Any]``; an annotation says more, such as
    ``Document[list[Any]]`` for a listed one, or ``Document[Details]`` where ``Details`` is a ``TypedDict``.

    Args:
        name: its name, as ``definition-content``; stands in errors, golden files and ``documents status``.
        schema: the schema of the current version, without ``schema_version``: a class, ``"module:Class"``, or a
            function without arguments that returns the class. The last two are looked up on first use.
        upcasters: one function per step, named ``v0_to_v1``, ``v1_to_v2`` … (a prefix ending in ``_`` is allowed).
            Each takes content without ``schema_version`` and returns it in the next version's shape.
        listed: whether the content is a list. It is stored as ``{"schema_version", "items"}``, and its schema
            describes that object: it has exactly one field, ``items``.
        check: a rule between fields that the schema alone cannot state. It is given content that the schema accepts
            and yields ``(path, message)`` for each complaint.

    Raises:
        ConfigurationError: the name is empty, there is no upcaster, or their names do not form one unbroken chain.
    """

    def __init__(
        self,
        name: str,
        schema: type[Schema] | str | Callable[[], type[Schema]],
        *,
        upcasters: tuple[Upcaster, ...],
        listed: bool = False,
        check: Callable[[Any], Iterable[tuple[str, str]]] | None = None,
    ) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            raise ConfigurationError(
                f"{name!r} is not a name for a document.", fix="Use lower-case words joined by -, as run-config."
            )
        self.name, self.listed = name, listed
        self.upcasters = tuple(upcasters)
        self.version = len(self.upcasters)
        self._schema, self._check = schema, check
        self._cached: _Resolved | None = None
        self._check_steps()

    def __repr__(self) -> str:
        return f"Document({self.name!r}, version={self.version}{', listed=True' if self.listed else ''})"

    def _check_steps(self) -> None:
        if not self.upcasters:
            raise ConfigurationError(
                f"The document {self.name!r} has no upcasters.",
                fix="Give at least v0_to_v1: content stored without a version is version 0.",
            )
        for number, step in enumerate(self.upcasters):
            wanted = f"v{number}_to_v{number + 1}"
            found = getattr(step, "__name__", repr(step))
            match = _STEP.search(found)
            if not callable(step) or match is None or match.groups() != (str(number), str(number + 1)):
                raise ConfigurationError(
                    f"Upcaster {number} of the document {self.name!r} is {found!r}, not {wanted}.",
                    fix="List one function per version, in order and without a gap, each named by its step.",
                )

    @property
    def schema(self) -> type[Schema]:
        """The schema of the current version, with ``schema_version``; imports marshmallow.

        Raises:
            ConfigurationError: it cannot be found, or is not one for this document.
        """
        return self._resolved().schema

    def _resolved(self) -> _Resolved:
        # Two threads may both resolve it at first; they find the same, so no lock is needed.
        if self._cached is None:
            self._cached = self._resolve()
        return self._cached

    def _resolve(self) -> _Resolved:
        from datapkg.kit import document_schemas

        given = self._schema
        if isinstance(given, str):
            module, _, attribute = given.partition(":")
            try:
                given = cast("type[Schema]", getattr(importlib.import_module(module), attribute))
            except (ImportError, AttributeError, ValueError) as error:
                raise ConfigurationError(
                    f"The schema {given!r} of the document {self.name!r} cannot be found: {error}.",
                    fix='Write it as "package.module:Class".',
                ) from error
        elif not isinstance(given, type):
            given = given()
        stamped = document_schemas.stamped(self.name, given, self.version, listed=self.listed)
        traits = document_schemas.traits(stamped)
        return _Resolved(stamped, traits.recognise, traits.converts, traits.check, traits.quick)

    # Reading

    def upgrade(self, stored: object) -> dict[str, object] | list[object]:
        """Return stored content in its current version; pure, and nothing is validated.

        Args:
            stored: the parsed JSON. It is never changed; content that is current comes back as it is, not copied.

        Returns:
            The content with ``schema_version``; for a listed document the list.

        Raises:
            UnknownSchemaVersionError: it is newer, or its version is not a number from 0.
            DocumentError: it is corrupt: not an object, or an upcaster fails on it.
        """
        return self._upgraded(stored, owned=False)

    def _upgraded(self, stored: object, *, owned: bool) -> dict[str, object] | list[object]:
        # What was parsed for this call alone need not be copied before upcasters may change it.
        if type(stored) is dict:
            version = stored.get(VERSION_KEY, 0)
            if type(version) is not int or not 0 <= version <= self.version:
                raise UnknownSchemaVersionError(self.name, version, self.version)
            if version == self.version:
                return self._items(stored) if self.listed else stored
            if not self.listed or VERSION_KEY in stored:
                content = {key: value for key, value in stored.items() if key != VERSION_KEY}
                return self._climb(self._items(stored) if self.listed else content, version, owned=owned)
        elif self.listed and type(stored) is list:
            return self._climb(stored, 0, owned=owned)
        shape = "a list" if self.listed else "an object"
        raise DocumentError(self.name, f"it is not {shape} but {type(stored).__name__}")

    def _items(self, stored: dict[str, object]) -> list[object]:
        items = stored.get(ITEMS_KEY)
        if type(items) is not list or len(stored) != 2:
            raise DocumentError(self.name, "it does not hold its list", path=ITEMS_KEY)
        return items

    def _climb(self, stored: object, version: int, *, owned: bool) -> dict[str, object] | list[object]:
        try:
            content = stored if owned else _copied(stored)
        except RecursionError as error:
            raise DocumentError(self.name, "it is nested too deeply", version=version) from error
        for number in range(version, self.version):
            content = self._step(number, content, version)
        if isinstance(content, list):
            return content
        assert isinstance(content, dict)
        return {VERSION_KEY: self.version, **{key: each for key, each in content.items() if key != VERSION_KEY}}

    def _step(self, number: int, content: object, version: int) -> object:
        step = self.upcasters[number]
        try:
            result = step(content)
        except (DocumentError, UnknownSchemaVersionError):
            raise
        except Exception as error:
            raise DocumentError(
                self.name,
                f"v{number}_to_v{number + 1} failed with {type(error).__name__}: {_reason(error)}",
                version=version,
            ) from error
        if not isinstance(result, list if self.listed else dict):
            why = f"v{number}_to_v{number + 1} gave {type(result).__name__}"
            raise DocumentError(self.name, why, version=version)
        return result

    def loads(self, text: str | bytes) -> dict[str, object] | list[object]:
        """Parse stored text and return its content in the current version, as :meth:`upgrade` does.

        Args:
            text: the column's JSON.

        Raises:
            DocumentError: it is not JSON, or corrupt.
            UnknownSchemaVersionError: it is newer than this code.
        """
        try:
            stored = parse_json(text)
        except ValueError as error:
            raise DocumentError(self.name, f"it is not JSON ({error})") from error
        return self._upgraded(stored, owned=True)

    # Writing

    def recognises(self, content: object) -> bool:
        """Tell whether :meth:`validate` would return an equal value of the same types; never raises.

        Args:
            content: any value.
        """
        resolved = self._resolved()
        if resolved.recognise is None or resolved.converts:
            return False
        stored = {VERSION_KEY: self.version, ITEMS_KEY: content} if self.listed else content
        recognised = resolved.recognise(stored) and (not resolved.check or is_plain(content))
        return recognised and (self._check is None or not any(self._check(content)))

    def validate(self, content: object, *, path: str = "") -> dict[str, object] | list[object]:
        """Validate a caller's content against the current schema and return it stamped with the current version.

        Args:
            content: the content (a list for a listed document). Without ``schema_version`` it counts as current;
                with that of an older version it is upgraded first. It is never changed; parts that need no
                conversion may be shared with the result.
            path: put before every path in the error.

        Returns:
            Plain JSON: UUIDs, moments, days and decimals are written as text.

        Raises:
            ValidationError: with every complaint and its path.
            UnknownSchemaVersionError: the content is of a newer version, or its version is not a number from 0.
        """
        resolved = self._resolved()
        stamped = self._stamped(content, path)
        if resolved.recognise is not None and not resolved.converts and resolved.recognise(stamped):
            valid = cast("dict[str, object]", stamped)
        else:
            valid = self._load(resolved, stamped, path)
        if resolved.check and not is_plain(valid):
            plain, problems = normalise(valid)
            if problems:
                raise self._refusal(problems, path)
            valid = cast("dict[str, object]", plain)
        result = cast("list[object]", valid[ITEMS_KEY]) if self.listed else valid
        if self._check is not None:
            complaints: dict[str, list[str]] = {}
            for where, message in self._check(result):
                complaints.setdefault(where, []).append(message)
            if complaints:
                raise self._refusal(complaints, path)
        return result

    def _stamped(self, content: object, path: str) -> object:
        if isinstance(content, Mapping) and VERSION_KEY in content:
            version = content[VERSION_KEY]
            if type(version) is not int or not 0 <= version <= self.version:
                raise UnknownSchemaVersionError(self.name, version, self.version)
            if version == self.version:
                return dict(content)
            try:
                upgraded = self.upgrade(dict(content))
            except DocumentError as error:
                raise self._refusal({error.path: [error.why]}, path) from error
            return {VERSION_KEY: self.version, ITEMS_KEY: upgraded} if self.listed else upgraded
        if self.listed:
            return {VERSION_KEY: self.version, ITEMS_KEY: content}
        return {VERSION_KEY: self.version, **content} if isinstance(content, Mapping) else content

    def _load(self, resolved: _Resolved, stamped: object, path: str) -> dict[str, object]:
        from datapkg.kit import schemas

        try:
            valid = schemas.load(resolved.schema, stamped)
        except ValidationError as error:
            raise self._refusal(error.errors, path) from None
        if resolved.converts:
            dumped: dict[str, object] = schemas.instance(resolved.schema).dump(valid)
            return dumped
        return valid

    def _refusal(self, problems: Mapping[Any, list[str]], path: str) -> ValidationError:
        errors: dict[str, list[str]] = {}
        for where, messages in problems.items():
            if self.listed:  # the caller knows a list, not the object around it
                where = where.removeprefix(ITEMS_KEY).removeprefix(".")
            place = f"{path}.{where}" if path and where not in ("", "_schema") else path or where
            errors[place or "_schema"] = messages
        return ValidationError(errors, what=f"{self.name} document")

    def dumps(self, content: object) -> str:
        """Return the JSON text to store: no white space, text not escaped beyond what JSON requires.

        Args:
            content: what :meth:`validate` returned; it is not validated again.

        Raises:
            ValidationError: it does not carry the current version.
            ValueError: it was not validated and holds NaN or an infinite number.
            TypeError: it was not validated and holds what JSON does not have.
        """
        if self.listed:
            content = {VERSION_KEY: self.version, ITEMS_KEY: content}
        elif not isinstance(content, dict) or content.get(VERSION_KEY) != self.version:
            problem = f"Must be {self.version}; validate the content before writing it."
            raise ValidationError({VERSION_KEY: [problem]}, what=f"{self.name} document")
        return dump_json(content, floats=not self._resolved().quick)


def _copied(value: object) -> object:
    """Copy the containers of parsed JSON, and nothing else."""
    if type(value) is dict:
        return {key: _copied(each) for key, each in value.items()}
    if type(value) is list:
        return [_copied(each) for each in value]
    return value


def _reason(error: Exception) -> str:
    return error.why.rstrip(".") if isinstance(error, DatapkgError) else str(error)


def json_schema(document: Document[Any]) -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a document as it is stored in its current version.

    Args:
        document: the document type.
    """
    from datapkg.kit import json_schema as shapes
    from datapkg.kit import schemas

    return {**shapes.describe(schemas.instance(document.schema)), "title": document.name}


def fingerprint(document: Document[Any]) -> str:
    """Return a SHA-256 of the current schema's shape, the same in every run and on every machine.

    A stored fingerprint that no longer fits means: the shape changed, and so it needs a new version and an upcaster.

    Args:
        document: the document type.
    """
    from datapkg.kit import json_schema as shapes
    from datapkg.kit import schemas

    return shapes.shape_hash(schemas.instance(document.schema))
