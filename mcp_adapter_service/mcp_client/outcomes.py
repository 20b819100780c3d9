"""What is known of a call to an MCP server once it is over.

Above: `McpClient` returns these and `resilience/` reads them; the servicer turns them into the contract's response. Below:
`tool_bounds`. Outcomes are values, not exceptions, so that a caller has to look at each kind:

    ToolReply
    ├── ToolSucceeded      DONE      the tool ran and answered
    ├── ToolFailed         NONE      the tool answered `isError`: by its own word it did not do it
    ├── InputRequired      NONE      the tool wants an answer from a person first and has not completed
    └── Fault                        no answer from the tool
        ├── ProtocolFault  NONE      a JSON-RPC error that refuses the call before the tool runs
        │                  POSSIBLE  any other JSON-RPC error, or an answer that is not MCP
        ├── HttpFault      NONE      an HTTP status that refuses the request: 400, 401, 403, 404, 429 and their like
        │                  POSSIBLE  any other, 500, 502, 503 and 504 among them
        ├── Refused        NONE      provably never sent
        ├── TimedOut       POSSIBLE  sent, and no answer before the deadline
        └── Unknown        POSSIBLE  sent, and the connection was lost before the answer

A fault carries a short constant code and a sentence of ours. What the server wrote in its errors is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Final, TypeAlias

from mcp_adapter_service.mcp_client.tool_bounds import LeftOut

# Where our own tool servers say more of a failure: {"code", "message", "field"?, "retryable", "effect"}.
ERROR_META: Final = "switchboard.dev/error"


class Effect(Enum):
    """Whether a call changed anything at the tool."""

    NONE = "none"
    """Nothing happened."""
    POSSIBLE = "possible"
    """It may have happened, and nobody here can tell."""
    DONE = "done"
    """It happened."""


@dataclass(slots=True, kw_only=True)  # Not frozen: one is made for every call, and freezing triples what that costs.
class ToolSucceeded:
    """ToolSucceeded is a tool's answer without `isError`."""

    effect: ClassVar[Effect] = Effect.DONE
    retryable: ClassVar[bool] = False
    blames_server: ClassVar[bool] = False

    structured: Any = field(default=None, repr=False)
    """The parsed `structuredContent`: any JSON value, None where the tool gave none."""
    content: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """The parsed content blocks, in order."""
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The result's `_meta`."""

    @property
    def text(self) -> str:
        """The text blocks, joined by line breaks."""
        return _text(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFailed:
    """ToolFailed is a tool's answer with `isError`: a failure of the tool, told by the tool."""

    effect: ClassVar[Effect] = Effect.NONE
    retryable: ClassVar[bool] = False
    blames_server: ClassVar[bool] = False

    structured: Any = field(default=None, repr=False)
    content: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def text(self) -> str:
        """The text blocks, joined by line breaks. Written by the tool: it may hold what the caller sent."""
        return _text(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRequired:
    """InputRequired is a tool that asks for more before it completes. It is called again with the answers, if there are any."""

    effect: ClassVar[Effect] = Effect.NONE
    retryable: ClassVar[bool] = False
    blames_server: ClassVar[bool] = False

    requests: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the server asks for, by its keys."""
    state: str | None = field(default=None, repr=False)
    """The server's opaque state, to be sent back with the answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Fault is a call without an answer from the tool."""

    code: str
    """Short and constant; see `faults.Code`."""
    text: str
    """One sentence for a person: what happened at which server, and what to do."""
    effect: Effect
    retryable: bool
    """The same call may succeed later without anybody changing anything."""
    blames_server: bool
    """The server is unreachable or broken, so that a breaker counts it."""
    retry_after: float | None = None
    """Seconds that the server (or our breaker) asks to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolFault(Fault):
    """ProtocolFault is a JSON-RPC error, or an answer that is not MCP."""

    rpc_code: int | None = None
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFault(Fault):
    """HttpFault is an HTTP error status without a JSON-RPC error in its body."""

    status: int
    challenge: str | None = field(default=None, repr=False)
    """What the server wants to be shown (WWW-Authenticate)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Fault):
    """Refused is a call that provably was not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut(Fault):
    """TimedOut is a call that was sent and not answered before the deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Fault):
    """Unknown is a call whose connection was lost after it was sent."""


ToolReply: TypeAlias = ToolSucceeded | ToolFailed | InputRequired | Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolList:
    """ToolList is a server's whole tool list, every page of it: each tool as the server wrote it, but for those left out."""

    tools: tuple[Mapping[str, Any], ...]
    left_out: tuple[LeftOut, ...] = ()
    """The tools that cannot be used, with the reasons."""
    ttl_seconds: float | None = None
    """How long the server lets the list be kept, the shortest of its pages; None where it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAlive:
    """ServerAlive is a server's answer to a ping."""

    protocol_version: str


def _text(content: tuple[Mapping[str, Any], ...]) -> str:
    return "\n".join(block["text"] for block in content if block.get("type") == "text" and isinstance(block.get("text"), str))
