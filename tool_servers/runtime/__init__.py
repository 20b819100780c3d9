"""Turns a servicer of a `switchboard.tools.<system>.v1` service into an MCP server. Nothing in here knows a system.

Above: each tool server hands in a servicer, its settings and its name. Below: the official MCP SDK, the contract runtime.

A servicer is a class with one async method per RPC, in snake case:

    async def create_booking(self, request: CreateBookingRequest, call: ToolCall) -> CreateBookingResponse

and for each RPC that writes one more, which says what the call would do and changes nothing:

    async def preview_create_booking(self, request: CreateBookingRequest, call: ToolCall) -> Preview

It raises `ToolError` for what it refuses, may have `async def check_health(self) -> str | None`, which returns None or says to
a person what does not work, and sees only arguments that keep the contract's rules. `run` does the rest.
"""

from tool_servers.runtime.call import Principal, ToolCall
from tool_servers.runtime.errors import (
    Conflict,
    Effect,
    Forbidden,
    IntegrationDown,
    InvalidArgument,
    NotFound,
    OutcomeUnknown,
    ToolError,
)
from tool_servers.runtime.process import run
from tool_servers.runtime.settings import ToolServerSettings

__all__ = [
    "Conflict",
    "Effect",
    "Forbidden",
    "IntegrationDown",
    "InvalidArgument",
    "NotFound",
    "OutcomeUnknown",
    "Principal",
    "ToolCall",
    "ToolError",
    "ToolServerSettings",
    "run",
]
