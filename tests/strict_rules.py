"""What a large model vendor refuses in a request, written down independently of what makes our requests.

Above: the scripted model and tests of functions. Below: nothing of ours. The rules are those published for chat completions with
`strict` functions, in the narrowest form that they have had.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_TYPES = {"string", "number", "integer", "boolean", "object", "array", "null"}
_KEYWORDS = {"type", "description", "properties", "required", "additionalProperties", "items", "enum", "anyOf"}
_TOP_COMBINATIONS = {"anyOf", "oneOf", "allOf", "not", "enum"}


def problems_of_tool(tool: Any) -> list[str]:
    """Everything that a vendor would refuse in one entry of `tools`."""
    if not isinstance(tool, dict) or set(tool) != {"type", "function"} or tool["type"] != "function":
        return ["an entry holds exactly type and function"]
    function = tool["function"]
    if set(function) != {"name", "description", "parameters", "strict"}:
        return [f"a function has other members: {sorted(function)}"]
    problems = [] if _NAME.match(function["name"]) else ["the name does not fit"]
    if not function["description"] or len(function["description"]) > 1024:
        problems.append("the description is empty or too long")
    parameters = function["parameters"]
    if parameters.get("type") != "object" or _TOP_COMBINATIONS & parameters.keys():
        problems.append("parameters are an object, with nothing at the top that combines")
    if function["strict"] is True:
        problems += problems_of_strict(parameters)
    return [f"{function['name']}: {problem}" for problem in problems]


def problems_of_strict(schema: dict[str, Any]) -> list[str]:
    """Everything that a vendor would refuse in strict parameters."""
    found = list(_strict(schema, "parameters", 1))
    nodes = list(_nodes(schema))
    names = [name for node in nodes for name in node.get("properties", {})]
    choices = [choice for node in nodes for choice in node.get("enum", ())]
    if len(names) > 100 or len(choices) > 500 or len("".join(names)) + len("".join(map(str, choices))) > 15_000:
        found.append("it is too large")
    return found


def problems_of_messages(messages: Sequence[dict[str, Any]]) -> list[str]:
    """Everything that a vendor would refuse in the order of messages: each tool call is answered, once, before anything else."""
    problems, open_calls = [], set[str]()
    for index, message in enumerate(messages):
        role = message.get("role")
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                problems.append(f"messages[{index}] answers no open tool call")
            if set(message) - {"role", "tool_call_id", "content", "name"} or not isinstance(message.get("content"), str):
                problems.append(f"messages[{index}] is not a tool message")
            open_calls.discard(str(message.get("tool_call_id")))
            continue
        if open_calls:
            problems.append(f"messages[{index}] comes before every tool call is answered")
        if role == "assistant":
            calls = message.get("tool_calls") or []
            ids = [call["id"] for call in calls]
            if not calls and not message.get("content"):
                problems.append(f"messages[{index}] says nothing")
            if "tool_calls" in message and (not calls or len(set(ids)) < len(ids) or not all(ids)):
                problems.append(f"messages[{index}] has tool calls without ids of their own")
            if any(set(call) != {"id", "type", "function"} for call in calls):
                problems.append(f"messages[{index}] has a tool call with other members")
            open_calls = set(ids)
        elif role not in {"system", "user", "developer"}:
            problems.append(f"messages[{index}] has an unknown role")
    return problems + (["the last tool calls are not answered"] if open_calls else [])


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value satisfies a schema of the strict subset."""
    if "anyOf" in schema:
        return any(fits(value, option) for option in schema["anyOf"])
    if "enum" in schema and value not in schema["enum"]:
        return False
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if isinstance(value, dict):
        inner = schema.get("properties", {})
        return "object" in types and set(value) == set(inner) and all(fits(value[name], inner[name]) for name in inner)
    if isinstance(value, list):
        return "array" in types and all(fits(item, schema["items"]) for item in value)
    kind = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}[type(value)]
    return kind in types or (kind == "integer" and "number" in types)


def _nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]
    for one in inner:
        yield from _nodes(one)


def _strict(schema: Any, path: str, depth: int) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield f"{path} is not a schema"
        return
    if schema.keys() - _KEYWORDS:
        yield f"{path} has unsupported keywords: {sorted(schema.keys() - _KEYWORDS)}"
    if "anyOf" in schema:
        for index, option in enumerate(schema["anyOf"]):
            yield from _strict(option, f"{path}.anyOf[{index}]", depth)
        return
    kind = schema.get("type")
    types = kind if isinstance(kind, list) else [kind]
    if not set(types) <= _TYPES or len(types) > 2 or (len(types) == 2 and types[1] != "null"):
        yield f"{path} has the type {json.dumps(kind)}"
    if "object" in types:
        if depth > 5:
            yield f"{path} is too deep"
        if schema.get("additionalProperties") is not False or sorted(schema.get("properties", {})) != sorted(
            schema.get("required", ())
        ):
            yield f"{path} is open, or does not require all of its properties"
        for name, inner in schema.get("properties", {}).items():
            yield from _strict(inner, f"{path}.{name}", depth + 1)
    if "array" in types:
        yield from _strict(schema.get("items"), f"{path}[]", depth + 1)
