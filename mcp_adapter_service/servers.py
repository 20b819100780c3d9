"""One MCP server that this process calls, with its guards, and what we know of its tools.

Above: `server_directory` has all of them; the adapter's servicer and `server_health` use them. Below: `resilience`, settings, the
contract's tools.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache

import aiohttp

from mcp_adapter_service.mcp_client import McpClient
from mcp_adapter_service.mcp_client.authorization import Authorizer, client_credentials
from mcp_adapter_service.principal_token import PrincipalSigner
from mcp_adapter_service.resilience import Breaker, Bulkhead, Rate, ResilientClient, RetryPolicy
from mcp_adapter_service.service_mapping import Substitution, substitutions
from mcp_adapter_service.settings import McpGuardSettings, McpServerSettings
from service_kit.contract.tools import tools
from service_kit.json_schema import Schema

# Beyond the longest call: who is sent away has been told by then.
_RETIRE_MARGIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a tool is not called as things stand."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """What we know of a tool: from the contract, or from our configuration of a foreign server. Never from the server."""

    name: str
    label: str
    """The name for metrics; `other` for names that only the caller vouches for, of which there may be any number."""
    reads_only: bool
    idempotent: bool
    in_contract: bool
    substitution: Substitution | None = None
    refusal: Refusal | None = None
    """Set where it must not be called: it was never accepted, or is not what was accepted."""
    result_schema: Schema | None = None
    """What its result was accepted to be, where that was said."""
    pin: str = ""
    """The hash of what was accepted, of a third party's tool."""

    @property
    def previews(self) -> bool:
        """Whether it can say what a call would do: every writing tool of the contract can, and of others nobody knows."""
        return self.in_contract and not self.reads_only


class ToolServer:
    """ToolServer is one MCP server. `own` says that its tools are of our contract, so that we believe what they say."""

    def __init__(
        self,
        name: str,
        client: ResilientClient,
        known: Mapping[str, Tool],
        otherwise: Callable[[str], Tool],
        *,
        timeout_seconds: float,
        signer: PrincipalSigner | None = None,
        health_url: str = "",
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`otherwise` makes what is said of a tool that is not among `known`; `close` ends what the client speaks over."""
        self.name = name
        self.own = name in contract_servers()
        self.client = client
        self.timeout_seconds = timeout_seconds
        self.signer = signer
        self.health_url = health_url
        self._tools = known
        self._otherwise = otherwise
        self._close = close
        self._in_use = 0
        self._unused = asyncio.Event()

    def tool(self, name: str) -> Tool:
        """Return what is known of a tool."""
        known = self._tools.get(name)
        return known if known is not None else self._otherwise(name)

    def know(self, known: Mapping[str, Tool]) -> None:
        """Replace what is known of its tools. Calls that began go on as they began."""
        self._tools = known

    def begin(self) -> None:
        """Say that a call begins; `end` has to follow."""
        self._in_use += 1

    def end(self) -> None:
        """Say that a call is over."""
        self._in_use -= 1
        if not self._in_use:
            self._unused.set()

    async def retire(self) -> None:
        """Close it when the calls that began have ended. The caller sees to it that no more begin."""
        try:
            async with asyncio.timeout(self.timeout_seconds + _RETIRE_MARGIN_SECONDS):
                while self._in_use:
                    self._unused.clear()
                    await self._unused.wait()
        except TimeoutError:
            pass  # Nothing takes longer than that: what is left has no caller any more.
        await self.close()

    async def close(self) -> None:
        """End the session with the server, where there is one."""
        await self.client.client.aclose()
        if self._close is not None:
            await self._close()


def configured_server(name: str, settings: McpServerSettings, session: aiohttp.ClientSession) -> ToolServer:
    """Return a server that the settings name: one of the contract, or a foreign one whose tools are all let through."""
    token = settings.token.get_secret_value() if settings.token else None
    own = name in contract_servers()
    url = settings.url
    return ToolServer(
        name,
        guarded(McpClient(name, str(url), token, session=session, authorizer=_authorizer(name, settings, session)), settings),
        _contract_tools(name) if own else _configured_tools(settings),
        _unknown,
        timeout_seconds=settings.timeout_seconds,
        signer=PrincipalSigner(token) if own and token else None,
        health_url=f"{url.scheme}://{url.host}:{url.port}/healthz",
    )


def guarded(client: McpClient, settings: McpGuardSettings) -> ResilientClient:
    """Return a client with guards of its own around it."""
    clock = asyncio.get_running_loop().time
    return ResilientClient(
        client,
        breaker=Breaker(failures=settings.breaker_failures, cool_down=settings.breaker_cooldown_seconds, clock=clock),
        bulkhead=Bulkhead(max_concurrent=settings.concurrency, max_queued=settings.queue),
        rate=Rate(per_second=settings.calls_per_second, burst=settings.burst, clock=clock),
        retry=RetryPolicy(max_attempts=settings.max_attempts),
    )


def _authorizer(name: str, settings: McpServerSettings, session: aiohttp.ClientSession) -> Authorizer | None:
    if settings.oauth_client_id is None or settings.oauth_client_secret is None or settings.oauth_issuer is None:
        return None
    return client_credentials(
        name,
        str(settings.url),
        session,
        client_id=settings.oauth_client_id,
        client_secret=settings.oauth_client_secret.get_secret_value(),
        issuer=str(settings.oauth_issuer),
        scope=settings.oauth_scope,
    )


@cache
def contract_servers() -> frozenset[str]:
    """Return the names of the servers that the contract describes."""
    return frozenset(server for server, _ in tools())


def _unknown(name: str) -> Tool:
    """Of an unknown tool the worst is assumed: it writes, and not idempotently."""
    return Tool(name=name, label="other", reads_only=False, idempotent=False, in_contract=False)


def _configured_tools(settings: McpServerSettings) -> dict[str, Tool]:
    return {
        name: Tool(
            name=name,
            label=name,
            reads_only=name in settings.read_tools,
            idempotent=name in settings.idempotent_tools,
            in_contract=False,
        )
        for name in settings.read_tools | settings.idempotent_tools
    }


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
