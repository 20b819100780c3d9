"""An MCP server on the official SDK with the tools that the conformance runner calls: a third party's server behind the gateway.

Above: `test_gateway` registers it. Below: the SDK and uvicorn, in a thread of its own.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any, Final

import anyio
import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server

# A picture of one dot, and a sound of no length.
_PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
_WAV: Final = base64.b64encode(
    b"RIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00@\x1f\x00\x00@\x1f\x00\x00\x01\x00\x08\x00data"
).decode()
# Longer than it takes the gateway to say three times that a call is under way.
_LONG_SECONDS: Final = 5.0

_TEXT = types.TextContent(text="This is a simple text response for testing.")
_IMAGE = types.ImageContent(data=_PNG, mime_type="image/png")
_AUDIO = types.AudioContent(data=_WAV, mime_type="audio/wav")
_RESOURCE = types.EmbeddedResource(
    resource=types.TextResourceContents(uri="test://embedded-resource", mime_type="text/plain", text="An embedded resource.")
)
_CONTENT: Final[dict[str, list[Any]]] = {
    "test_simple_text": [_TEXT],
    "test_image_content": [_IMAGE],
    "test_audio_content": [_AUDIO],
    "test_embedded_resource": [_RESOURCE],
    "test_multiple_content_types": [_TEXT, _IMAGE, _RESOURCE],
    "test_error_handling": [types.TextContent(text="This tool intentionally returns an error for testing")],
    "test_tool_with_progress": [_TEXT],
    "test_logging_tool": [_TEXT],
    "test_streaming_elicitation": [_TEXT],
}
TOOLS: Final = tuple(_CONTENT)
"""The names of its tools."""


async def _list(ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    return types.ListToolsResult(
        tools=[types.Tool(name=name, description=f"Answers as {name}.", input_schema=schema) for name in TOOLS]
    )


async def _call(ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
    if params.name == "test_tool_with_progress":
        await anyio.to_thread.run_sync(threading.Event().wait, _LONG_SECONDS, abandon_on_cancel=True)
    return types.CallToolResult(content=_CONTENT[params.name], is_error=params.name == "test_error_handling")


@contextlib.contextmanager
def everything() -> Iterator[str]:
    """Run the server until the block ends; yields its URL."""
    server: Server[Any] = Server(
        "everything", on_list_tools=_list, on_call_tool=_call, get_tool_input_schema=lambda _: {"type": "object"}
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            server.streamable_http_app(stateless_http=True), loop="asyncio", log_level="critical", lifespan="on"
        )
        runner = uvicorn.Server(config)
        thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        finally:
            runner.should_exit = True
            runner.force_exit = True
            thread.join(20)
