"""A tool as models see it: its definition in MCP's words, made once for each revision.

Above: the catalogue. Below: dispatch_service's description of the tool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from model_gateway.dispatch import Tool
from model_gateway.documents import from_struct

STATUS_TOOL = "switchboard_authorization_status"
TOOL_META = "switchboard.dev/tool"
REASONING = "reasoning"

_SOFT_LIMIT, _ASKS = "soft_limit", "requires_authorization"
_ASKED_FOR = {
    _SOFT_LIMIT: f"Say why in `{REASONING}`: without that the call is not made.",
    _ASKS: "A person has to allow each call before it is made: the first answer is a queue id, and "
    f"{STATUS_TOOL} says what became of it. Say why in `{REASONING}`: who decides reads it.",
}
_REASONING_SCHEMA = {
    "type": "string",
    "description": "Why this is to be done, for the people who allow it and look at it afterwards.",
    "maxLength": 2000,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedTool:
    """One tool as one kind of caller sees it. `wire` is its entry in `tools/list`, and `words` the same as JSON.

    `own_reasoning` says that the tool itself has an argument of that name; elsewhere it is taken out before the call.
    """

    alias: str
    server: str
    name: str
    reads_only: bool
    own_reasoning: bool
    wire: dict[str, Any]
    words: orjson.Fragment


def listed(tool: Tool) -> ListedTool:
    """Describe a tool from all that dispatch_service tells of it."""
    schema = from_struct(tool.input_schema)
    properties = schema.get("properties") or {}
    own_reasoning = REASONING in properties
    asks = tool.permission in _ASKED_FOR
    if asks and not own_reasoning:
        schema = {**schema, "properties": {**properties, REASONING: _REASONING_SCHEMA}}
    reads_only = tool.effect == "read"
    wire: dict[str, Any] = {
        "name": tool.alias,
        "title": tool.title or tool.name,
        "description": _description(tool),
        "inputSchema": {"type": "object", **schema},
    }
    output = from_struct(tool.output_schema)
    if output.get("type") == "object":
        wire["outputSchema"] = output
    wire["annotations"] = {
        "title": tool.title or tool.name,
        "readOnlyHint": reads_only,
        "destructiveHint": tool.effect == "destructive",
        "idempotentHint": tool.idempotent,
        "openWorldHint": True,
    }
    wire["_meta"] = {TOOL_META: {"server": tool.server, "name": tool.name}}
    return ListedTool(
        alias=tool.alias,
        server=tool.server,
        name=tool.name,
        reads_only=reads_only,
        own_reasoning=own_reasoning,
        wire=wire,
        words=orjson.Fragment(orjson.dumps(wire)),
    )


def _description(tool: Tool) -> str:
    text = tool.description[:1].upper() + tool.description[1:]
    return " ".join(part for part in (text, _ASKED_FOR.get(tool.permission, "")) if part)
