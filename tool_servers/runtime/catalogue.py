"""The tools of a server, read off the contract once and bound to the methods of a servicer.

Above: `mcp_server` lists them, `invocation` calls them. Below: `service_kit.contract`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import mcp_types
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from switchboard.tool.v1.preview_pb2 import Preview

from service_kit.contract import schema
from service_kit.contract.image import comment_of
from service_kit.contract.tools import ToolSpec, tools_of
from tool_servers.runtime.call import ToolCall

ToolMethod = Callable[[Any, ToolCall], Awaitable[Message]]
PreviewMethod = Callable[[Any, ToolCall], Awaitable[Preview]]

PREVIEWS = "switchboard.dev/previews"

_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, kw_only=True, slots=True)
class BoundTool:
    """One tool, the servicer's method that does it and, where it writes, the one that says what it would do."""

    spec: ToolSpec
    method: ToolMethod
    preview: PreviewMethod | None
    listing: mcp_types.Tool

    @property
    def writes(self) -> bool:
        """Whether a call may change something."""
        return not self.spec.reads_only


def bind(server: str, servicer: object) -> dict[str, BoundTool]:
    """Return the tools of `server` by name, in the contract's order. Raises TypeError for what `servicer` lacks."""
    specs = tools_of(server)
    if not specs:
        raise TypeError(f"the contract has no tool server called {server}")
    return {
        spec.name: BoundTool(
            spec=spec,
            method=_method(spec, servicer, ""),
            preview=None if spec.reads_only else _method(spec, servicer, "preview_"),
            listing=_listing(spec),
        )
        for spec in specs
    }


def _method(spec: ToolSpec, servicer: object, prefix: str) -> Any:
    name = prefix + _WORD_START.sub("_", spec.method).lower()
    method = getattr(servicer, name, None)
    if method is None:
        raise TypeError(f"{type(servicer).__name__} has no method {name} for the tool {spec.name}")
    return method


def _listing(spec: ToolSpec) -> mcp_types.Tool:
    return mcp_types.Tool(
        name=spec.name,
        title=spec.title,
        description=_sentence(comment_of(spec.rpc).removeprefix(spec.method).strip()),
        input_schema=schema.input_schema(cast(Descriptor, spec.messages[0].DESCRIPTOR)),
        output_schema=schema.output_schema(cast(Descriptor, spec.messages[1].DESCRIPTOR)),
        _meta=None if spec.reads_only else {PREVIEWS: True},
        annotations=mcp_types.ToolAnnotations(
            title=spec.title,
            read_only_hint=spec.reads_only,
            destructive_hint=spec.destructive,
            idempotent_hint=spec.idempotent,
            open_world_hint=True,
        ),
    )


def _sentence(comment: str) -> str:
    """The contract's comments open with the RPC's name; what is left starts with a verb."""
    return comment[:1].upper() + comment[1:]
