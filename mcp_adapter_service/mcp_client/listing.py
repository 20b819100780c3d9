"""A server's tool list, put together page by page within bounds. Pure. Above: `client`. Below: `tool_bounds`, `outcomes`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcp_adapter_service.mcp_client.faults import Code
from mcp_adapter_service.mcp_client.limits import ClientLimits
from mcp_adapter_service.mcp_client.outcomes import ToolList
from mcp_adapter_service.mcp_client.tool_bounds import LeftOut, examine

_LONGEST_TTL_MS: Final = 24 * 3600 * 1000


class Listing:
    """Listing is a tool list of which some pages are here."""

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._tools: dict[str, Mapping[str, Any]] = {}
        self._left_out: list[LeftOut] = []
        self._names: set[str] = set()
        self._count = 0
        self._bytes = 0
        self._ttl_ms: int | None = None
        self._cursors: set[str] = set()
        self.next_cursor: str | None = None
        """What to ask for the next page with; None after the last."""

    def add(self, page: Mapping[str, Any]) -> Code | None:
        """Add the result of one `tools/list`; a code where the list cannot be used as a whole."""
        tools = page.get("tools")
        if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
            return Code.BAD_REPLY
        self._count += len(tools)
        if self._count > self._limits.max_tools:
            return Code.REPLY_TOO_LARGE
        for tool in tools:
            self._add_tool(tool)
        if self._bytes > self._limits.max_listing_bytes:
            return Code.REPLY_TOO_LARGE
        ttl = page.get("ttlMs")
        if type(ttl) is int and ttl >= 0:
            self._ttl_ms = min(ttl, _LONGEST_TTL_MS if self._ttl_ms is None else self._ttl_ms)
        return self._turn(page.get("nextCursor"))

    @property
    def count(self) -> int:
        """How many tools are listed so far, those left out among them."""
        return self._count

    def tool_list(self) -> ToolList:
        """Return the list."""
        return ToolList(
            tools=tuple(self._tools.values()),
            left_out=tuple(self._left_out),
            ttl_seconds=None if self._ttl_ms is None else self._ttl_ms / 1000,
        )

    def _add_tool(self, tool: Mapping[str, Any]) -> None:
        found = examine(tool)
        if isinstance(found, LeftOut):
            self._left_out.append(found)
            return
        name = tool["name"]
        if name in self._names:
            # Which of the two a call would reach only the server knows: neither is used.
            self._tools.pop(name, None)
            self._left_out.append(LeftOut(name=name, reason="the server lists two tools of this name"))
            return
        self._names.add(name)
        self._tools[name] = tool
        self._bytes += found

    def _turn(self, cursor: Any) -> Code | None:
        if not cursor:
            self.next_cursor = None
            return None
        if not isinstance(cursor, str) or cursor in self._cursors:
            return Code.BAD_REPLY
        self._cursors.add(cursor)
        self.next_cursor = cursor
        return None
