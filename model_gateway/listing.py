"""`tools/list`: what the caller may call, page by page, and the tool that asks after what waits for a person.

Above: `mcp_server`. Below: the catalogue. A cursor says after which tool to go on, so that it stays right when tools come and go.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from typing import Any

import orjson
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from model_gateway.approvals import STATUS_DEFINITION
from model_gateway.caller import Caller
from model_gateway.catalogue import Catalogue
from model_gateway.definitions import ListedTool


class Listing:
    """Pages of at most `page_size` tools."""

    def __init__(self, catalogue: Catalogue, *, page_size: int) -> None:
        self._catalogue = catalogue
        self._page_size = page_size

    async def page(self, caller: Caller, cursor: str | None, *, in_words: bool = False) -> dict[str, Any]:
        """Return the page after `cursor` as the result of `tools/list`; `in_words`, each tool is JSON already, for orjson.

        Raises DispatchFault, and MCPError for a bad cursor.
        """
        tools = (await self._catalogue.table(caller)).tools
        first = bisect_right(tools, _after(cursor), key=_place) if cursor is not None else 0
        shown = tools[first : first + self._page_size]
        result: dict[str, Any] = {"tools": [tool.words if in_words else tool.wire for tool in shown]}
        if first + len(shown) < len(tools):
            result["nextCursor"] = base64.urlsafe_b64encode(orjson.dumps(_place(shown[-1]))).decode()
        elif tools:
            result["tools"].append(STATUS_DEFINITION)
        # What one caller may call is nobody else's to be shown, and changes when a policy does.
        return {**result, "ttlMs": 0, "cacheScope": "private", "resultType": "complete"}


def _place(tool: ListedTool) -> tuple[str, str]:
    return tool.server, tool.name


def _after(cursor: str) -> tuple[str, str]:
    try:
        server, name = orjson.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError):
        raise MCPError(INVALID_PARAMS, "There is no page at that cursor.") from None
    return str(server), str(name)
