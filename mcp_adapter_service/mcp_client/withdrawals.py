"""Telling a server that a request is given up. Above: `client`. Below: a `transport`.

A server of 2026-07-28 learns it from the closed connection. One with sessions is told by `notifications/cancelled`: there a
connection that ends says nothing, and the tool would run on. Nobody waits for these notices; they are few, short and bounded.
"""

from __future__ import annotations

import asyncio
from typing import Final

from mcp_adapter_service.mcp_client import wire
from mcp_adapter_service.mcp_client.transport import Transport
from mcp_adapter_service.mcp_client.wire import Binding

_NOTICE_SECONDS: Final = 2.0
# A server that does not take notices does not get more of them.
_UNDER_WAY: Final = 32


class Withdrawals:
    """Withdrawals sends the notices of one client."""

    def __init__(self, exchange: Transport) -> None:
        self._exchange = exchange
        self._tasks: set[asyncio.Task[None]] = set()

    def withdraw(self, binding: Binding, request_id: int) -> None:
        """Have the server told that nobody waits for the request any longer, where it has to be told."""
        if binding.modern or len(self._tasks) >= _UNDER_WAY:
            return
        task = asyncio.create_task(self._notify(binding, request_id), name=f"mcp-cancel-{self._exchange.server}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self, deadline: float) -> None:
        """Let notices that are under way arrive until `deadline`, and drop the rest."""
        if not self._tasks:
            return
        tasks = set(self._tasks)
        await asyncio.wait(tasks, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _notify(self, binding: Binding, request_id: int) -> None:
        deadline = asyncio.get_running_loop().time() + _NOTICE_SECONDS
        # Whether it is taken makes no difference to us: the call is over here.
        await self._exchange.post(wire.cancelled_body(request_id), binding.headers, deadline)
