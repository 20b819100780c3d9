"""A client for MCP servers of both revisions, over pooled HTTP connections.

Above: `resilience/` and the adapter's servicer. Below: aiohttp. `outcomes` draws the tree of what a call can come to.
"""

from mcp_adapter_service.mcp_client.client import McpClient
from mcp_adapter_service.mcp_client.faults import Code
from mcp_adapter_service.mcp_client.limits import ClientLimits
from mcp_adapter_service.mcp_client.outcomes import (
    Effect,
    Fault,
    HttpFault,
    InputRequired,
    ProtocolFault,
    Refused,
    ServerAlive,
    TimedOut,
    ToolFailed,
    ToolList,
    ToolReply,
    ToolSucceeded,
    Unknown,
)
from mcp_adapter_service.mcp_client.pool import open_pool
from mcp_adapter_service.mcp_client.tool_bounds import LeftOut

__all__ = [
    "ClientLimits",
    "Code",
    "Effect",
    "Fault",
    "HttpFault",
    "InputRequired",
    "LeftOut",
    "McpClient",
    "ProtocolFault",
    "Refused",
    "ServerAlive",
    "TimedOut",
    "ToolFailed",
    "ToolList",
    "ToolReply",
    "ToolSucceeded",
    "Unknown",
    "open_pool",
]
