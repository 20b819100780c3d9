"""Whether a tool server, and what is behind it, answers now.

Above: CheckServer. Below: `GET /healthz` of our own tool servers, a sign of life over MCP from foreign ones. An answer stands
for a quarter of a second, and those who ask meanwhile share it: health checks from any number of doors cost a server four
requests a second.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp

from mcp_adapter_service.mcp_client import Fault
from mcp_adapter_service.servers import ToolServer

# Below the three seconds that the dispatch service gives a check.
_TIMEOUT_SECONDS = 2.0
_STANDS_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Health:
    """Health is how a server is; `message` says to a person what does not answer."""

    healthy: bool
    message: str = ""


class ServerHealth:
    """ServerHealth asks servers and keeps their answers for a quarter of a second."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._asked: dict[str, tuple[float, asyncio.Task[Health]]] = {}

    async def of(self, server: ToolServer) -> Health:
        """Return how `server` is, as of at most a quarter of a second ago."""
        now = asyncio.get_running_loop().time()
        asked = self._asked.get(server.name)
        if asked is None or (asked[1].done() and now - asked[0] >= _STANDS_SECONDS):
            asked = (now, asyncio.create_task(self._ask(server), name=f"health-{server.name}"))
            self._asked[server.name] = asked
        # Shielded: one caller that goes away does not take the answer from the others.
        return await asyncio.shield(asked[1])

    async def close(self) -> None:
        """Stop asking."""
        tasks = {task for _, task in self._asked.values()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _ask(self, server: ToolServer) -> Health:
        return await (self._over_http(server) if server.own else self._over_mcp(server))

    async def _over_http(self, server: ToolServer) -> Health:
        try:
            async with (
                asyncio.timeout(_TIMEOUT_SECONDS),
                self._session.get(server.health_url, allow_redirects=False) as response,
            ):
                if response.status == 200:
                    return Health(True)
                return Health(False, f"The tool server '{server.name}' runs, and something behind it does not answer.")
        except TimeoutError:
            return Health(False, f"The tool server '{server.name}' does not answer in time.")
        except (aiohttp.ClientError, OSError):
            return Health(False, f"The tool server '{server.name}' cannot be reached.")

    async def _over_mcp(self, server: ToolServer) -> Health:
        answer = await server.client.ping(asyncio.get_running_loop().time() + _TIMEOUT_SECONDS)
        return Health(False, answer.text) if isinstance(answer, Fault) else Health(True)
