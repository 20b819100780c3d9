"""The MCP servers that this process calls, each with its guards, and what we know of its tools.

Above: `app` makes them; the adapter's servicer and `server_health` use them. Below: `resilience`, settings, the contract's tools.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache

import aiohttp

from mcp_adapter_service.mcp_client import McpClient
from mcp_adapter_service.principal_token import PrincipalSigner
from mcp_adapter_service.resilience import Breaker, Bulkhead, ResilientClient, RetryPolicy
from mcp_adapter_service.service_mapping import Substitution, substitutions
from mcp_adapter_service.settings import McpServerSettings
from service_kit.contract.tools import tools


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """What we know of a tool: from the contract, or from our configuration of a foreign server. Never from the server."""

    name: str
    label: str
    """The name for metrics; `other` for names that only the caller vouches for, of which there may be any number."""
    reads_only: bool
    idempotent: bool
    in_contract: bool
    substitution: Substitution | None

    @property
    def previews(self) -> bool:
        """Whether it can say what a call would do: every writing tool of the contract can, and of others nobody knows."""
        return self.in_contract and not self.reads_only


class ToolServer:
    """ToolServer is one MCP server. `own` says that its tools are of our contract, so that we believe what they say."""

    def __init__(self, name: str, settings: McpServerSettings, session: aiohttp.ClientSession) -> None:
        self.name = name
        self.own = name in contract_servers()
        self.timeout_seconds = settings.timeout_seconds
        token = settings.token.get_secret_value() if settings.token else None
        self.signer = PrincipalSigner(token) if self.own and token else None
        url = settings.url
        self.health_url = f"{url.scheme}://{url.host}:{url.port}/healthz"
        self.client = ResilientClient(
            McpClient(name, str(url), token, session=session),
            breaker=Breaker(
                failures=settings.breaker_failures,
                cool_down=settings.breaker_cooldown_seconds,
                clock=asyncio.get_running_loop().time,
            ),
            bulkhead=Bulkhead(max_concurrent=settings.concurrency, max_queued=settings.queue),
            retry=RetryPolicy(max_attempts=settings.max_attempts),
        )
        configured = settings.read_tools | settings.idempotent_tools
        self._tools = _contract_tools(name) | {
            tool: Tool(
                name=tool,
                label=tool,
                reads_only=tool in settings.read_tools,
                idempotent=tool in settings.idempotent_tools,
                in_contract=False,
                substitution=None,
            )
            for tool in (configured if not self.own else ())
        }

    def tool(self, name: str) -> Tool:
        """Return what is known of a tool. Of an unknown one the worst is assumed: it writes, and not idempotently."""
        known = self._tools.get(name)
        if known is not None:
            return known
        return Tool(name=name, label="other", reads_only=False, idempotent=False, in_contract=False, substitution=None)

    async def close(self) -> None:
        """End the session with the server, where there is one."""
        await self.client.client.aclose()


@cache
def contract_servers() -> frozenset[str]:
    """Return the names of the servers that the contract describes."""
    return frozenset(server for server, _ in tools())


def _contract_tools(server: str) -> dict[str, Tool]:
    return {
        name: Tool(
            name=name,
            label=name,
            reads_only=spec.reads_only,
            idempotent=spec.idempotent,
            in_contract=True,
            substitution=substitutions().get((owner, name)),
        )
        for (owner, name), spec in tools().items()
        if owner == server
    }
