"""Every tool as a function for models' APIs, and back: the same tool, with arguments that it takes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch_service.aliases import AliasTable
from dispatch_service.tool_descriptions import described, function_of
from service_kit.contract.parse import struct_to_document
from service_kit.contract.strict import loose, strict_subset, without_nulls
from service_kit.contract.tools import tools
from service_kit.contract.validation import read_document
from tests.strict_rules import fits, problems_of_strict, problems_of_tool

TOOLS = sorted(tools())
# What the subset has no word for is in the description; a model reads it there, and a test knows it.
SAMPLES: dict[str, st.SearchStrategy[Any]] = {
    "phone": st.sampled_from(["(608) 555-0142", "+1 608 555 0177"]),
    "email": st.just("ada@example.org"),
    "state": st.just("WI"),
    "zip": st.sampled_from(["53703", "53703-1234"]),
    "date1": st.just("2031-03-04"),
    "date2": st.just("2031-03-05"),
    "preferredDates": st.lists(st.sampled_from(["2031-03-04", "2031-03-05"]), max_size=2),
    "photosAssetIds": st.lists(st.sampled_from([f"ast_{digit * 32}" for digit in "abc"]), max_size=3, unique=True),
}


def arguments_for(schema: dict[str, Any], name: str = "") -> st.SearchStrategy[Any]:
    """Values that satisfy a schema of the strict subset, as a model that reads descriptions would choose them."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    values: st.SearchStrategy[Any]
    if name in SAMPLES:
        values = SAMPLES[name]
    elif "enum" in schema:
        return st.sampled_from(schema["enum"])
    elif "object" in types:
        values = st.fixed_dictionaries({key: arguments_for(inner, key) for key, inner in schema["properties"].items()})
    elif "array" in types:
        values = st.lists(arguments_for(schema["items"]), max_size=2)
    else:
        values = {"string": st.text("abc xyz", min_size=1, max_size=8).filter(str.strip), "boolean": st.booleans()}.get(
            types[0], st.integers(15, 90)
        )
    return st.one_of(st.none(), values) if "null" in types else values


@pytest.mark.requirement("S4.6")
@pytest.mark.parametrize("key", TOOLS, ids=lambda key: key[1])
@pytest.mark.parametrize("reasoned", [False, True], ids=["plain", "reasoned"])
def test_every_tool_is_a_function_that_vendors_take_strictly(key: tuple[str, str], reasoned: bool) -> None:
    document = MessageToDict(function_of(tools()[key], reasoned=reasoned), preserving_proto_field_name=True)
    assert problems_of_tool(document) == []
    assert document["function"]["strict"] is True
    assert ("reasoning" in document["function"]["parameters"]["properties"]) is reasoned


@pytest.mark.requirement("S4.10")
@pytest.mark.parametrize("key", TOOLS, ids=lambda key: key[1])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_arguments_that_satisfy_a_function_are_accepted_by_the_tool_it_stands_for(
    key: tuple[str, str], data: st.DataObject
) -> None:
    function = function_of(tools()[key], reasoned=False).function
    parameters = struct_to_document(function.parameters)
    arguments = data.draw(arguments_for(parameters))
    assert fits(arguments, parameters)
    tool = AliasTable(tools().values()).find(function.name)
    assert tool is not None
    assert (tool.server, tool.name) == key
    assert read_document(json.loads(json.dumps(arguments)), tool.messages[0]()) == []


@pytest.mark.parametrize("key", TOOLS, ids=lambda key: key[1])
def test_what_a_limit_says_stands_in_the_description(key: tuple[str, str]) -> None:
    parameters = struct_to_document(function_of(tools()[key], reasoned=False).function.parameters)
    assert "At most 100 characters." in parameters["properties"]["serviceHcpId"]["description"]


def test_the_revision_changes_with_what_is_told_of_a_tool() -> None:
    revisions = {described(spec).revision for spec in tools().values()}
    assert len(revisions) == len(tools())


FOREIGN: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1, "maxLength": 80, "title": "Title"},
        "size": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "labels": {"type": "array", "items": {"$ref": "#/$defs/Label"}, "uniqueItems": True},
        "due": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None},
        "where": {"oneOf": [{"$ref": "#/$defs/Label"}, {"type": "integer"}]},
        "mixed": {"type": ["string", "number", "null"]},
        "level": {"enum": ["low", "high"]},
        "only": {"const": "this"},
        "wrapped": {"allOf": [{"$ref": "#/$defs/Point"}], "description": "A point."},
    },
    "required": ["title", "due"],
    "$defs": {
        "Label": {"type": "string", "pattern": "^[a-z]+$"},
        "Point": {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}}, "required": ["x"]},
    },
}


def test_a_third_partys_schema_is_put_into_the_strict_subset() -> None:
    strict = strict_subset(FOREIGN)
    assert strict is not None
    assert problems_of_strict(strict) == []
    properties = strict["properties"]
    assert properties["title"] == {"description": "Title. Not empty. At most 80 characters.", "type": "string"}
    assert properties["size"]["type"] == ["integer", "null"]
    assert properties["labels"]["items"] == {
        "description": "Matches the regular expression ^[a-z]+$.",
        "type": "string",
    }
    assert properties["due"]["type"] == ["string", "null"]
    assert properties["level"] == {"type": ["string", "null"], "enum": ["low", "high", None]}
    assert properties["only"]["enum"] == ["this", None]
    assert {"type": "null"} in properties["where"]["anyOf"]
    assert properties["wrapped"]["required"] == ["x", "y"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {"any": {}}},
        {"type": "object", "properties": {"map": {"type": "object", "additionalProperties": {"type": "string"}}}},
        {"type": "object", "properties": {"pair": {"type": "array", "prefixItems": [{"type": "string"}]}}},
        {"type": "object", "properties": {"list": {"type": "array"}}},
        {"anyOf": [{"type": "object", "properties": {}}, {"type": "object", "properties": {"a": {"type": "string"}}}]},
        {"type": "object", "properties": {"far": {"$ref": "https://example.org/schema.json"}}},
        {"type": "object", "properties": {"gone": {"$ref": "#/$defs/Gone"}}},
        {"type": "object", "properties": {"n": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": {"$ref": "#/$defs/Node"}}},
        {
            "type": "object",
            "properties": {"tree": {"$ref": "#/$defs/Tree"}},
            "$defs": {"Tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Tree"}}}},
        },
        {"type": "object", "properties": {f"p{index}": {"type": "string"} for index in range(101)}},
        {"type": "object", "properties": {"c": {"enum": [f"choice {index}" for index in range(501)]}}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]},
        {"type": "object", "properties": {"a": {"not": {"type": "string"}}}},
        {"type": "object", "properties": {"a": True}},
    ],
    ids=lambda schema: json.dumps(schema)[:60],
)
def test_what_the_subset_cannot_say_is_told_without_strict(schema: dict[str, Any]) -> None:
    assert strict_subset(schema) is None
    told = loose(schema)
    assert told["type"] == "object"
    assert not {"anyOf", "oneOf", "allOf", "enum", "not"} & told.keys()


def test_a_tool_without_parameters_is_a_strict_function_without_any() -> None:
    strict = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    assert strict_subset({"type": "object", "properties": {}}) == strict
    assert strict_subset({"type": "object", "additionalProperties": False}) == strict


def test_a_null_that_stands_for_nothing_is_left_out_and_one_that_means_something_stays() -> None:
    arguments = {
        "title": "t",
        "size": None,
        "labels": None,
        "due": None,
        "mixed": None,
        "wrapped": {"x": 1, "y": None},
        "more": None,
    }
    assert without_nulls(arguments, FOREIGN) == {"title": "t", "due": None, "mixed": None, "wrapped": {"x": 1}, "more": None}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_what_satisfies_the_strict_form_satisfies_a_third_partys_schema(data: st.DataObject) -> None:
    plain = {
        "type": "object",
        "properties": {
            "word": {"type": "string"},
            "flag": {"type": "boolean"},
            "many": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
            "inner": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"enum": ["x", "y"]}}, "required": ["a"]},
        },
        "required": ["word"],
    }
    strict = strict_subset(plain)
    assert strict is not None
    arguments = without_nulls(data.draw(arguments_for(strict)), plain)
    assert None not in arguments.values()
    assert all(None not in item.values() for item in arguments.get("many", ()))
    assert arguments.keys() <= plain["properties"].keys()
    assert {"word"} <= arguments.keys()


def test_a_small_schema_that_unfolds_without_end_costs_little() -> None:
    """Each definition names the next one many times over."""
    wide = {
        f"D{level}": {"type": "object", "properties": {f"p{index}": {"$ref": f"#/$defs/D{level + 1}"} for index in range(9)}}
        for level in range(15)
    }
    bomb = {"type": "object", "properties": {"a": {"$ref": "#/$defs/D0"}}, "$defs": {**wide, "D15": {"type": "string"}}}
    either = {f"E{level}": {"anyOf": [{"$ref": f"#/$defs/E{level + 1}"}] * 9} for level in range(15)}
    forks = {"type": "object", "properties": {"a": {"$ref": "#/$defs/E0"}}, "$defs": {**either, "E15": {"type": "string"}}}
    began = time.process_time()
    assert strict_subset(bomb) is None
    assert strict_subset(forks) is None
    assert without_nulls({"a": {"p0": {"p1": 1}}}, forks) == {"a": {"p0": {"p1": 1}}}
    assert time.process_time() - began < 2
