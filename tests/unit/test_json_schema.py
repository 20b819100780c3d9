"""Schemas of servers that nobody vouches for: what is refused at once, and that no check costs more than its budget."""

from __future__ import annotations

import time
from typing import Any

import pytest

from service_kit.json_schema import QUICK_BUDGET, Schema, SchemaUnusable, TooCostly

NODE = {"type": "object", "properties": {"next": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([], "not an object"),
        ({"$ref": "https://example.com/schema.json"}, "never fetched"),
        ({"properties": {"a": {"$ref": "other.json#/a"}}}, "never fetched"),
        ({"properties": {"a": {"$dynamicRef": "file:///etc/passwd"}}}, "never fetched"),
        ({"$schema": "https://example.com/mine"}, "dialect"),
        ({"properties": {"a": {"$schema": "https://json-schema.org/draft/2020-12/schema"}}}, "another schema document"),
        ({"properties": {"a": {"$id": "https://example.com/a"}}}, "another schema document"),
        ({"type": "colour"}, "not valid JSON Schema"),
        ({"minimum": "three"}, "not valid JSON Schema"),
        ({"allOf": [{"$ref": "#/$defs/none"}]}, "does not have"),
        ({"$ref": "#"}, "too long"),
        ({"description": "x" * 70_000}, "64 KiB"),
        ({"enum": list(range(20_000))}, "10000 parts"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_the_reason(document: Any, why: str) -> None:
    with pytest.raises(SchemaUnusable, match=why):
        Schema(document)


def test_a_schema_that_is_nested_too_deep_is_refused() -> None:
    document: dict[str, Any] = {}
    for _ in range(40):
        document = {"not": document}
    with pytest.raises(SchemaUnusable, match="levels deep"):
        Schema(document)


def test_references_that_unfold_without_end_are_found_when_the_schema_is_looked_at() -> None:
    bomb = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 9} for n in range(9)} | {"d9": {}}
    began = time.monotonic()
    with pytest.raises(SchemaUnusable, match="too long"):
        Schema({"$defs": bomb, "$ref": "#/$defs/d0"})
    assert time.monotonic() - began < 5


def test_a_value_that_is_made_to_cost_costs_its_budget_and_no_more() -> None:
    value: Any = {}
    for _ in range(60):
        value = {"next": value}
    began = time.monotonic()
    with pytest.raises(TooCostly):
        Schema(NODE).problem(value, budget=QUICK_BUDGET)
    assert time.monotonic() - began < 5


def test_patterns_are_not_run() -> None:
    schema = Schema({"type": "string", "pattern": "^(a+)+$"})
    assert schema.problem("a" * 60 + "!") is None
    named = Schema({"patternProperties": {"^(a+)+$": {"type": "string"}}, "additionalProperties": False})
    assert named.problem({"a" * 60 + "!": 1}) is None
    assert Schema({"additionalProperties": False}).problem({"a": 1}) == "(the whole): additionalProperties"


@pytest.mark.parametrize("dialect", ["2020-12/schema", "2019-09/schema", "draft-07/schema#", "draft-04/schema#"])
def test_values_are_checked_in_the_dialect_that_the_schema_names(dialect: str) -> None:
    root = "http://json-schema.org/" if dialect.startswith("draft-") else "https://json-schema.org/draft/"
    schema = Schema({"$schema": root + dialect, "type": "object", "properties": {"a": {"items": {"type": "integer"}}}})
    assert schema.problem({"a": [1, 2]}) is None
    assert schema.problem({"a": [1, "two"]}) == "a.1: type"


def test_a_reference_to_the_whole_does_not_leave_the_bounded_check() -> None:
    dialect = "https://json-schema.org/draft/2020-12/schema"
    schema = Schema({"$schema": dialect, "properties": {"next": {"$ref": "#"}, "text": {"pattern": "^(a+)+$"}}})
    assert schema.problem({"next": {"text": "a" * 60 + "!"}}) is None


def test_a_reason_quotes_neither_schema_nor_value() -> None:
    schema = Schema({"type": "object", "properties": {"name": {"enum": ["what-the-schema-says"]}}})
    assert schema.problem({"name": "a-customers-name"}) == "name: enum"
