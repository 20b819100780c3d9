"""A third-party MCP server of the revision before 2026-07-28 on its standard input and output, written by hand: the SDK's would
speak the newer one, and says nothing there of tools that changed.

A call of `grow` gives it another tool, of which it tells; one of `crash` ends it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

_TOOLS = ["echo", "grow", "crash"]


def _say(message: dict[str, Any]) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def _result(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    if method == "initialize":
        info = {"name": "legacy", "version": "1"}
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": True}}, "serverInfo": info}
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in _TOOLS]}
    if method == "tools/call":
        if params["name"] == "crash":
            os._exit(1)
        if params["name"] == "grow":
            _TOOLS.append("another")
            _say({"method": "notifications/tools/list_changed"})
        return {"content": [], "structuredContent": {"pid": os.getpid()}}
    return None


def main() -> None:
    initialized = False
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            initialized |= message["method"] == "notifications/initialized"
            continue
        method = message["method"]
        result = _result(method, message.get("params", {})) if initialized or method == "initialize" else None
        if result is None:
            _say({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}})
        else:
            _say({"id": message["id"], "result": result})


if __name__ == "__main__":
    main()
