"""The subset of JSON Schema that model vendors take with `strict`, made of any schema; and the way back.

Above: the listing of functions, and the way back from a model's tool call. Below: nothing. In the subset every object names all
of its properties and takes no others; what may be absent is required and may be null instead. Limits that the subset has no word
for are said in the description: the model reads them there, and the tool checks them. The bounds are the narrowest that a large
vendor has published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

MAX_DEPTH = 5
MAX_PROPERTIES = 100
MAX_CHOICES = 500
MAX_NAMES = 15_000
_MAX_STEPS = 20_000
_NULL = "null"
_EITHER = ("anyOf", "oneOf")
_NOT_AT_THE_TOP = frozenset({*_EITHER, "allOf", "not", "enum", "const", "$schema", "$id"})
_SCALARS = frozenset({"string", "number", "integer", "boolean"})
# What narrows a value in ways that neither the subset nor a short sentence says.
_INEXPRESSIBLE = frozenset(
    {
        *("not", "if", "then", "else", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas"),
        *("dependencies", "prefixItems", "contains", "minProperties", "maxProperties", "unevaluatedItems", "$dynamicRef"),
    }
)
_TYPES: Mapping[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): _NULL}
_SENTENCES: Mapping[str, str] = {
    "minLength": "At least {} characters.",
    "maxLength": "At most {} characters.",
    "pattern": "Matches the regular expression {}.",
    "format": "Format: {}.",
    "minimum": "At least {}.",
    "maximum": "At most {}.",
    "exclusiveMinimum": "More than {}.",
    "exclusiveMaximum": "Less than {}.",
    "multipleOf": "A multiple of {}.",
    "minItems": "At least {} entries.",
    "maxItems": "At most {} entries.",
    "default": "{} where it is null.",
}


class _Inexpressible(Exception):
    """The subset has no word for this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Where in a schema we are: its root, for references, how deep, and how many steps may still be taken from anywhere in it:
    references make a small schema as large as they like."""

    root: Schema
    depth: int = 0
    steps: Iterator[int] = field(default_factory=lambda: iter(range(_MAX_STEPS)))

    def deeper(self) -> _Place:
        """One level further in. Raises _Inexpressible where that is too deep, or too much in all."""
        if self.depth > 4 * MAX_DEPTH or next(self.steps, None) is None:
            raise _Inexpressible
        return replace(self, depth=self.depth + 1)


def strict_subset(schema: Schema) -> Schema | None:
    """Return the schema of a tool's arguments in the strict subset, or None where it cannot be said there.

    What satisfies it satisfies `schema` once `without_nulls` has seen it, but for limits that only the description tells.
    """
    try:
        place = _Place(root=schema)
        root = _resolved(schema, place)
        if any(key in root for key in (*_EITHER, "allOf")):
            return None
        strict = _object({**root, "type": "object"}, place)
    except _Inexpressible:
        return None
    return strict if _within_bounds(strict) else None


def loose(schema: Schema) -> Schema:
    """Return a schema that vendors take without `strict`: an object, with nothing at its top that combines schemas."""
    kept = {
        key: value for key, value in schema.items() if key not in {*_EITHER, "allOf", "enum", "not", "const", "$schema", "$id"}
    }
    return {**kept, "type": "object", "properties": schema.get("properties") or {}}


def without_nulls(value: Any, schema: Schema) -> Any:
    """Return arguments as the tool takes them: a null where `schema` has none stands for what is absent, and is left out."""
    return _present(value, _Place(root=schema), schema)


def _present(value: Any, place: _Place, schema: Any) -> Any:
    try:
        place = place.deeper()
        known = _resolved(schema, place) if isinstance(schema, dict) else {}
    except _Inexpressible:
        return value
    for key in _EITHER:
        # A null goes with whichever of them takes it; deeper, the first of the value's type is as good a guess as any.
        options = [option for option in known.get(key, ()) if isinstance(option, dict) and _may_be(value, option, place)]
        known = options[0] if options else known
    if isinstance(value, dict):
        properties = known.get("properties") or {}
        return {
            name: _present(item, place, properties.get(name, {}))
            for name, item in value.items()
            if item is not None or name not in properties or _may_be(None, properties[name], place)
        }
    if isinstance(value, list):
        return [_present(item, place, known.get("items", {})) for item in value]
    return value


def _may_be(value: Any, schema: Any, place: _Place) -> bool:
    if not isinstance(schema, dict):
        return schema is not False
    try:
        place = place.deeper()
        schema = _resolved(schema, place)
    except _Inexpressible:
        return False
    for key in _EITHER:
        if key in schema:
            return any(_may_be(value, option, place) for option in schema[key])
    if "enum" in schema or "const" in schema:
        return value in schema.get("enum", [schema.get("const")])
    kind = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else _TYPES.get(type(value), "")
    types = _types(schema)
    return not types or kind in types or (kind == "integer" and "number" in types)


def _value(schema: Any, place: _Place) -> Schema:
    """Return one value's schema in the subset. Raises _Inexpressible."""
    if not isinstance(schema, dict):
        raise _Inexpressible
    place = place.deeper()
    schema = _resolved(schema, place)
    for key in _EITHER:
        if key in schema:
            return _either(schema, key, place)
    if _INEXPRESSIBLE & schema.keys():
        raise _Inexpressible
    types = _types(schema)
    kinds = [kind for kind in types if kind != _NULL]
    if len(kinds) > 1:
        return _either({"description": schema.get("description", ""), "anyOf": _split(schema, types)}, "anyOf", place)
    if not kinds:
        raise _Inexpressible
    made = _of_kind(kinds[0], schema, place)
    return _nullable(made) if _NULL in types else made


def _of_kind(kind: str, schema: Schema, place: _Place) -> Schema:
    if kind == "object":
        return _object(schema, place)
    if kind == "array":
        return _described({"type": "array", "items": _value(schema.get("items"), place)}, schema)
    if kind not in _SCALARS:
        raise _Inexpressible
    made: Schema = {"type": kind}
    choices = [choice for choice in _choices(schema) if choice is not None]
    return _described(made | ({"enum": choices} if choices else {}), schema)


def _object(schema: Schema, place: _Place) -> Schema:
    properties, more = schema.get("properties"), schema.get("additionalProperties")
    if _INEXPRESSIBLE & schema.keys() or isinstance(more, dict) or (not properties and properties is None and more is not False):
        # A map, or anything at all: the names are for the model to choose, and the subset wants them named.
        raise _Inexpressible
    required = set(schema.get("required") or ())
    made = {name: _value(value, place) for name, value in (properties or {}).items()}
    if required - made.keys():
        raise _Inexpressible
    whole: Schema = {
        "type": "object",
        "properties": {name: value if name in required else _nullable(value) for name, value in made.items()},
        "required": list(made),
        "additionalProperties": False,
    }
    return _described(whole, schema)


def _either(schema: Schema, key: str, place: _Place) -> Schema:
    """One of several: where all but one are null, that one, nullable."""
    options = [option for option in schema[key] if not (isinstance(option, dict) and _types(option) == [_NULL])]
    made = [_value(option, place) for option in options]
    if not made:
        raise _Inexpressible
    either: Schema = made[0] if len(made) == 1 else {"anyOf": made}
    either = _nullable(either) if len(options) < len(schema[key]) else either
    said = schema.get("description")
    return {"description": said, **either} if said and "description" not in either else either


def _split(schema: Schema, types: list[str]) -> list[Schema]:
    """One schema for each of several types, with the choices that are of it."""
    apart = []
    for kind in types:
        one = {key: value for key, value in schema.items() if key not in {"enum", "const", "description"}} | {"type": kind}
        choices = _choices(schema)
        of_kind = [choice for choice in choices if _TYPES.get(type(choice)) == kind]
        if of_kind or not choices:
            apart.append(one | ({"enum": of_kind} if of_kind else {}))
    return apart


def _nullable(schema: Schema) -> Schema:
    if "anyOf" in schema:
        known = any(option.get("type") == _NULL for option in schema["anyOf"])
        return schema if known else {**schema, "anyOf": [*schema["anyOf"], {"type": _NULL}]}
    if isinstance(schema["type"], list):
        return schema
    return {**schema, "type": [schema["type"], _NULL]} | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})


def _described(made: Schema, schema: Schema) -> Schema:
    text = str(schema.get("description") or schema.get("title") or "")
    limits = [sentence.format(_word(schema[key])) for key, sentence in _SENTENCES.items() if schema.get(key) not in (None, "")]
    if schema.get("uniqueItems"):
        limits.append("Each at most once.")
    limits = ["Not empty." if limit == "At least 1 characters." else limit for limit in limits]
    limits = [limit for limit in limits if limit.rstrip(".").lower() not in text.lower()]
    said = " ".join([text if not text or not limits or text.endswith((".", "!", "?")) else f"{text}.", *limits]).strip()
    return {"description": said, **made} if said else made


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _types(schema: Schema) -> list[str]:
    kind = schema.get("type")
    if isinstance(kind, str):
        return [kind]
    if isinstance(kind, list):
        return [str(one) for one in kind]
    if "properties" in schema:
        return ["object"]
    return list(dict.fromkeys(_TYPES.get(type(choice), "") for choice in _choices(schema)))


def _choices(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum") or ())


def _resolved(schema: Schema, place: _Place) -> Schema:
    """Follow references within the document, and take a combination of one schema for that one. Raises _Inexpressible."""
    for _ in range(MAX_DEPTH):
        beside = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
        if "$ref" in schema:
            schema = {**_referred(schema["$ref"], place.root), **beside}
        elif isinstance(schema.get("allOf"), list) and len(schema["allOf"]) == 1 and isinstance(schema["allOf"][0], dict):
            schema = {**schema["allOf"][0], **beside}
        elif "allOf" in schema:
            raise _Inexpressible
        else:
            return schema
    raise _Inexpressible


def _referred(reference: Any, root: Schema) -> Schema:
    found: Any = root
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise _Inexpressible  # Nothing is ever fetched.
    for part in reference[1:].split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise _Inexpressible
    return found


def _within_bounds(schema: Schema) -> bool:
    """Whether a schema of the subset is as small as vendors want it."""
    properties = choices = names = 0
    waiting = [(schema, 1)]
    while waiting:
        one, depth = waiting.pop()
        inner = one.get("properties") or {}
        listed = [choice for choice in one.get("enum", ()) if choice is not None]
        properties, choices = properties + len(inner), choices + len(listed)
        names += sum(map(len, inner)) + sum(len(str(choice)) for choice in listed)
        if depth > MAX_DEPTH or properties > MAX_PROPERTIES or choices > MAX_CHOICES or names > MAX_NAMES:
            return False
        waiting += [(value, depth + _is_nested(value)) for value in inner.values()]
        waiting += [(option, depth) for option in one.get("anyOf", ())]
        if "items" in one:
            waiting.append((one["items"], depth + _is_nested(one["items"])))
    return True


def _is_nested(schema: Schema) -> bool:
    return "properties" in schema or "items" in schema or "anyOf" in schema
