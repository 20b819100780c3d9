"""Arguments that a tool's schema wants repeated as `Mcp-Param-*` headers (`x-mcp-header`, revision 2026-07-28).

Above: `client` feeds it tool lists and asks it on every call. Below: the official SDK's own rules for names and values, so
that both ends agree. Few tools ask for it; only their arguments are parsed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from mcp.shared.inbound import mcp_param_headers, x_mcp_header_map


class ParamHeaders:
    """ParamHeaders knows which tools of one server want headers."""

    def __init__(self) -> None:
        self._maps: dict[str, dict[tuple[str, ...], str]] = {}

    def learn(self, tools: Iterable[Mapping[str, Any]]) -> None:
        """Note what a complete list of usable tools asks for."""
        maps = {str(tool.get("name")): x_mcp_header_map(tool.get("inputSchema")) for tool in tools}
        self._maps = {name: header_map for name, header_map in maps.items() if header_map}

    def of(self, tool: str, arguments_json: bytes) -> Mapping[str, str] | None:
        """Return the headers of one call; None where the tool wants none."""
        header_map = self._maps.get(tool)
        if header_map is None:
            return None
        try:
            arguments = orjson.loads(arguments_json)
        except orjson.JSONDecodeError:
            return None
        return mcp_param_headers(header_map, arguments) if isinstance(arguments, dict) else None
