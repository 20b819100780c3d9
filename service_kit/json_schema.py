"""JSON Schemas that somebody else wrote: what of them can be used at all, and checking values against them at a bounded cost.

Above: the adapter's registry of third-party servers, and whoever checks what is sent to them. Below: jsonschema.

A schema of a foreign server may be made to hurt: remote references, references that unfold without end, patterns that take
for ever. So nothing is ever fetched, patterns are not run, and every check has a budget. What a check then lets through that
the schema would not is a text that its pattern refuses or a list with repeated items, and nothing is built on either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import orjson
from jsonschema import Draft4Validator, Draft6Validator, Draft7Validator, Draft201909Validator, Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, _WrappedReferencingError
from jsonschema.validators import extend
from referencing import Registry

MAX_BYTES: Final = 64 * 1024
# A message that holds it as a Struct nests three times as deep, and a hundred levels is what protobuf reads.
MAX_DEPTH: Final = 28
MAX_NODES: Final = 10_000

# A keyword at one place of a value costs one, which is two or three microseconds.
_PIN_BUDGET: Final = 5_000
QUICK_BUDGET: Final = 5_000
FULL_BUDGET: Final = 1_000_000
# An error's text quotes the value, whose size it therefore costs.
_BYTES_PER_UNIT: Final = 200

_DIALECTS: Final[dict[str, Any]] = {
    "json-schema.org/draft/2020-12/schema": Draft202012Validator,
    "json-schema.org/draft/2019-09/schema": Draft201909Validator,
    "json-schema.org/draft-07/schema": Draft7Validator,
    "json-schema.org/draft-06/schema": Draft6Validator,
    "json-schema.org/draft-04/schema": Draft4Validator,
}
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_SAMPLES: Final[tuple[Any, ...]] = ({}, [], "", 0, True, None)


class SchemaUnusable(Exception):
    """A schema cannot be used; the message says why, without a word of the schema's own."""


class TooCostly(Exception):
    """A check took more than it was given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """One place where a value does not match: `keyword` of the schema, which says `limit`, refuses `instance`, found at `path`.

    `properties` are those that the schema names there."""

    path: tuple[str | int, ...]
    keyword: str
    limit: Any
    instance: Any
    properties: frozenset[str]


class _Purse:
    """What one check may still spend."""

    __slots__ = ("error_cost", "left")

    def __init__(self, budget: int, value_bytes: int) -> None:
        self.left = budget
        self.error_cost = 1 + value_bytes // _BYTES_PER_UNIT

    def spend(self, units: int) -> None:
        self.left -= units
        if self.left < 0:
            raise TooCostly


_purse: ContextVar[_Purse] = ContextVar("json_schema_purse")


class Schema:
    """Schema is a compiled schema. Make it once and keep it."""

    def __init__(self, document: Any) -> None:
        """Look at `document`. Raises SchemaUnusable."""
        if not isinstance(document, dict):
            raise SchemaUnusable("it is not an object")
        _check_size(document)
        validator = _DIALECTS.get(_dialect(document))
        if validator is None:
            raise SchemaUnusable("it is of a dialect of JSON Schema that is not known here")
        # Without the two that would have the library take another validator, or another base, than this one.
        self._document = {key: value for key, value in document.items() if key not in ("$schema", "$id")}
        try:
            # Formats apart: a pattern may be written for another language's regular expressions, and is not run here.
            validator.check_schema(self._document, format_checker=None)
        except SchemaError:
            raise SchemaUnusable("it is not valid JSON Schema") from None
        except (RecursionError, re.error):
            raise SchemaUnusable("it cannot be checked") from None
        self._validator: Any = _BOUNDED[validator](self._document, registry=Registry())
        for sample in _SAMPLES:
            try:
                self.problem(sample, budget=_PIN_BUDGET)
            except TooCostly:
                raise SchemaUnusable("checking anything against it would take too long") from None

    @classmethod
    def kept(cls, document: dict[str, Any]) -> Schema:
        """Return a schema that was looked at before, without looking again. Raises SchemaUnusable for an unknown dialect."""
        validator = _DIALECTS.get(_dialect(document))
        if validator is None:
            raise SchemaUnusable("it is of a dialect of JSON Schema that is not known here")
        schema = cls.__new__(cls)
        schema._document = {key: value for key, value in document.items() if key not in ("$schema", "$id")}
        schema._validator = _BOUNDED[validator](schema._document, registry=Registry())
        return schema

    def problem(self, value: Any, *, budget: int = FULL_BUDGET, value_bytes: int | None = None) -> str | None:
        """Return where `value` does not match, as a dotted path with what rule it breaks; None where it matches.

        Raises:
            TooCostly: `budget` was spent before it was known.
            SchemaUnusable: the schema refers to something that it does not have.
        """
        size = len(orjson.dumps(value)) if value_bytes is None else value_bytes
        token = _purse.set(_Purse(budget, size))
        try:
            error: ValidationError | None = next(self._validator.iter_errors(value), None)
        except RecursionError:
            raise TooCostly from None
        except _WrappedReferencingError:
            raise SchemaUnusable("it refers to something that it does not have") from None
        finally:
            _purse.reset(token)
        if error is None:
            return None
        return f"{'.'.join(str(part) for part in error.absolute_path) or '(the whole)'}: {error.validator or 'false'}"

    def violations(self, value: Any, *, most: int, budget: int = FULL_BUDGET) -> list[Violation]:
        """Return where `value` does not match, `most` places at the most. Raises as `problem`."""
        token = _purse.set(_Purse(budget, len(orjson.dumps(value))))
        try:
            return [_violation(error) for error in islice(self._validator.iter_errors(value), most)]
        except RecursionError:
            raise TooCostly from None
        except _WrappedReferencingError:
            raise SchemaUnusable("it refers to something that it does not have") from None
        finally:
            _purse.reset(token)


def _violation(error: ValidationError) -> Violation:
    properties = error.schema.get("properties") if isinstance(error.schema, dict) else None
    return Violation(
        path=tuple(error.absolute_path),
        keyword=str(error.validator or ""),
        limit=error.validator_value,
        instance=error.instance,
        properties=frozenset(properties) if isinstance(properties, dict) else frozenset(),
    )


def _dialect(document: Mapping[str, Any]) -> str:
    named = document.get("$schema", "https://json-schema.org/draft/2020-12/schema")
    return named.removeprefix("https://").removeprefix("http://").rstrip("#") if isinstance(named, str) else ""


def _check_size(document: Mapping[str, Any]) -> None:
    """Refuse what is too large or too deep, and every reference that leads elsewhere."""
    nodes = 0
    pending: list[tuple[Any, int]] = [(document, 0)]
    while pending:
        node, depth = pending.pop()
        nodes += 1
        if depth > MAX_DEPTH:
            raise SchemaUnusable(f"it is nested more than {MAX_DEPTH} levels deep")
        if nodes > MAX_NODES:
            raise SchemaUnusable(f"it has more than {MAX_NODES} parts")
        if isinstance(node, dict):
            _check_names(node, at_top=depth == 0)
            pending += [(value, depth + 1) for value in node.values()]
        elif isinstance(node, list):
            pending += [(value, depth + 1) for value in node]
    if len(orjson.dumps(document)) > MAX_BYTES:
        raise SchemaUnusable(f"it is larger than {MAX_BYTES // 1024} KiB")


def _check_names(node: Mapping[str, Any], *, at_top: bool) -> None:
    for name in _REFERENCES:
        target = node.get(name)
        if isinstance(target, str) and not target.startswith("#"):
            raise SchemaUnusable("it refers to another document, which is never fetched")
    if not at_top and any(isinstance(node.get(name), str) for name in ("$schema", "$id")):
        raise SchemaUnusable("it holds another schema document inside")


Keyword = Callable[[Any, Any, Any, Any], Any]


def _counted(keyword: Keyword) -> Keyword:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        purse = _purse.get()
        purse.spend(1)
        for error in keyword(validator, value, instance, schema) or ():
            purse.spend(purse.error_cost)
            yield error

    return check


def _not_run(validator: Any, value: Any, instance: Any, schema: Any) -> None:
    """Stands in for keywords whose cost is the schema's author's to choose."""


def _unless_patterns(keyword: Keyword) -> Keyword:
    """What is left over by patterns is not known where patterns are not run."""

    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        return None if "patternProperties" in schema else keyword(validator, value, instance, schema)

    return check


def _bounded(validator: Any) -> Any:
    keywords = {name: _counted(keyword) for name, keyword in validator.VALIDATORS.items()}
    for name in ("pattern", "patternProperties", "uniqueItems", "unevaluatedProperties", "unevaluatedItems", "format"):
        if name in keywords:
            keywords[name] = _not_run
    keywords["additionalProperties"] = _unless_patterns(keywords["additionalProperties"])
    return extend(validator, validators=keywords)


_BOUNDED: Final[dict[Any, Any]] = {validator: _bounded(validator) for validator in _DIALECTS.values()}
