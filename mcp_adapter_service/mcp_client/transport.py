"""What a client needs of whatever its requests go over.

Above: `client`, `revision`, `withdrawals`. Below: `exchange`, over HTTP; in `stdio`, a program's standard input and output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mcp_adapter_service.mcp_client.exchange import Answer
from mcp_adapter_service.mcp_client.limits import ClientLimits
from mcp_adapter_service.mcp_client.outcomes import Fault
from mcp_adapter_service.mcp_client.reply_stream import ProgressCallback


class Transport(Protocol):
    """Transport carries messages to one server; what happens to one request touches no other."""

    server: str
    limits: ClientLimits

    async def request(
        self,
        body: bytes,
        headers: Mapping[str, str],
        request_id: int,
        deadline: float,
        on_progress: ProgressCallback | None = None,
    ) -> Answer | Fault:
        """Send a request and return its response."""
        ...

    async def post(self, body: bytes, headers: Mapping[str, str], deadline: float) -> Fault | None:
        """Send a notification, or an answer to the server."""
        ...

    async def delete(self, headers: Mapping[str, str], deadline: float) -> None:
        """End a session at the server."""
        ...
