"""What is said of one tool, to programs and to models' APIs: made once for each tool and kept.

Above: the listing. Below: the tool's own schemas, in the words of the contract or of its server.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

from google.protobuf.struct_pb2 import Struct
from switchboard.tool.v1 import tool_service_pb2 as pb

from dispatch_service.aliases import alias_of
from service_kit.contract.strict import loose, strict_subset
from service_kit.contract.tools import ToolSpec

REASONING = "reasoning"
_KEPT = 4_000
_LONGEST_DESCRIPTION = 1024  # Models' APIs refuse a function that is described at greater length.
_REASONING_SCHEMA = {
    "type": "string",
    "description": "Why this is to be done, in a sentence or two. A person who has to decide on it reads this.",
}


@lru_cache(_KEPT)
def described(spec: ToolSpec) -> pb.Tool:
    """Return all that is known of a tool, but for what it asks of one caller. Not to be changed."""
    tool = named(spec)
    tool.title, tool.description = spec.title, spec.description
    tool.sensitive, tool.idempotent = spec.sensitive, spec.idempotent
    tool.input_schema.update(spec.input_schema)
    if spec.output_schema is not None:
        tool.output_schema.update(spec.output_schema)
    return tool


def named(spec: ToolSpec) -> pb.Tool:
    """Return what a caller needs that knows a tool by its revision."""
    return pb.Tool(
        server=spec.server,
        name=spec.name,
        alias=alias_of(spec.server, spec.name),
        revision=_revision(spec),
        effect=_effect(spec),
    )


@lru_cache(_KEPT)
def function_of(spec: ToolSpec, *, reasoned: bool) -> pb.Tool:
    """Return a tool as a function for a model's API, with a parameter for the reasoning where it is `reasoned` about. Not to be
    changed."""
    schema = spec.input_schema
    if reasoned and not asks_for_reasoning(spec):
        schema = {**schema, "properties": {**(schema.get("properties") or {}), REASONING: _REASONING_SCHEMA}}
    strict = strict_subset(schema)
    function = pb.FunctionTool(
        name=alias_of(spec.server, spec.name), description=_capped(spec.description), strict=strict is not None
    )
    function.parameters.update(loose(schema) if strict is None else strict)
    return pb.Tool(type="function", function=function)


def asks_for_reasoning(spec: ToolSpec) -> bool:
    """Whether the tool itself takes a reasoning, among its arguments."""
    return REASONING in (spec.input_schema.get("properties") or {})


def parameters_of(spec: ToolSpec) -> Struct:
    """Return the schema of a tool's arguments. Not to be changed."""
    return described(spec).input_schema


@lru_cache(_KEPT)
def _revision(spec: ToolSpec) -> str:
    told: list[Any] = [spec.title, spec.revision, _effect(spec), spec.sensitive, spec.idempotent]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def _effect(spec: ToolSpec) -> str:
    return "read" if spec.reads_only else "destructive" if spec.destructive else "write"


def _capped(text: str) -> str:
    return text if len(text) <= _LONGEST_DESCRIPTION else text[: _LONGEST_DESCRIPTION - 1].rstrip() + "…"
