"""A third-party MCP server on the official SDK that speaks over its standard input and output.

`python -m tests.integration.registry.stdio_program [FOLDER]`. It greets on its standard output, which is not MCP, and writes what
it is sent to its standard error. In FOLDER it leaves its pid and that of a child of its own. What the argument `behave` says it
does: `hold`, `crash`, `swell`, `environment`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server

_FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else None


async def _list(ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool(name="echo", input_schema={"type": "object"})])


async def _call(ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
    arguments = params.arguments or {}
    print(arguments, file=sys.stderr, flush=True)
    match arguments.get("behave"):
        case "hold":
            await anyio.Event().wait()
        case "crash":
            os._exit(3)
        case "swell":
            return types.CallToolResult(content=[], structured_content={"text": "x" * 6_000_000})
        case "environment":
            return types.CallToolResult(content=[], structured_content=dict(os.environ))
    return types.CallToolResult(content=[], structured_content={"arguments": arguments, "pid": os.getpid()})


async def main() -> None:
    server: Server[Any] = Server("stdio-program", on_list_tools=_list, on_call_tool=_call)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


if __name__ == "__main__":
    if _FOLDER:
        child = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL)
        (_FOLDER / "pids").write_text(f"{os.getpid()} {child.pid}")
    print("Welcome!", flush=True)
    anyio.run(main)
