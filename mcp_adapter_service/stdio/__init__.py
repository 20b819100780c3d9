"""MCP servers that are started here and speak over their standard input and output.

Above: `registry.clients` gives a `StdioExchange` to an `McpClient` in place of HTTP. Below: asyncio's subprocesses.
"""

from mcp_adapter_service.stdio.exchange import StdioExchange

__all__ = ["StdioExchange"]
