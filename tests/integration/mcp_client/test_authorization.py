"""A server that wants OAuth tokens: they are got from the authorization server that we were told of, and from no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from mcp_adapter_service.mcp_client import HttpFault, McpClient, ToolSucceeded
from mcp_adapter_service.mcp_client.authorization import client_credentials
from mcp_adapter_service.servers import configured_server
from mcp_adapter_service.settings import McpServerSettings
from tests.integration.mcp_client.conftest import within

_VERSIONS = {"supportedVersions": ["2026-07-28"], "capabilities": {}}


class Protected:
    """Protected is an MCP server, and the authorization server that gives tokens for it."""

    def __init__(self) -> None:
        self.base = ""
        self.issuer = ""
        self.valid: set[str] = set()
        self.given = 0
        self.token_requests: list[str] = []
        self.calls = 0
        self.broken = False

    def application(self) -> web.Application:
        """Both, at one address."""
        application = web.Application()
        application.router.add_post("/mcp", self._mcp)
        application.router.add_get("/.well-known/oauth-protected-resource/mcp", self._resource)
        application.router.add_get("/.well-known/oauth-authorization-server", self._metadata)
        application.router.add_post("/token", self._token)
        return application

    async def _mcp(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.valid:
            metadata = f"{self.base}/.well-known/oauth-protected-resource/mcp"
            return web.Response(status=401, headers={"WWW-Authenticate": f'Bearer resource_metadata="{metadata}"'})
        message = await request.json()
        self.calls += message["method"] == "tools/call"
        result = _VERSIONS if message["method"] == "server/discover" else {"content": [], "structuredContent": {"n": 1}}
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": {"resultType": "complete", **result}})

    async def _resource(self, request: web.Request) -> web.Response:
        return web.json_response({"resource": f"{self.base}/mcp", "authorization_servers": [self.issuer]})

    async def _metadata(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "response_types_supported": ["code"],
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
        )

    async def _token(self, request: web.Request) -> web.Response:
        self.token_requests.append(request.headers.get("Authorization", ""))
        if self.broken:
            return web.Response(status=503, text="a page with a secret")
        self.given += 1
        token = f"token-{self.given}"
        self.valid = {token}
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 3600})


@asynccontextmanager
async def serving(protected: Protected) -> AsyncIterator[Protected]:
    """Serve it until the block ends."""
    runner = web.AppRunner(protected.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    protected.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    protected.issuer = protected.issuer or protected.base
    try:
        yield protected
    finally:
        await runner.cleanup()


def client_of(protected: Protected, pool: aiohttp.ClientSession, issuer: str | None = None) -> McpClient:
    """A client that the authorization server knows."""
    url = f"{protected.base}/mcp"
    credentials: dict[str, Any] = {"client_id": "switchboard", "client_secret": "s3cret", "scope": None}
    authorizer = client_credentials("protected", url, pool, issuer=issuer or protected.base, **credentials)
    return McpClient("protected", url, session=pool, authorizer=authorizer)


async def test_calls_that_come_together_get_one_token_and_run_once_each(pool: aiohttp.ClientSession) -> None:
    async with serving(Protected()) as protected:
        client = client_of(protected, pool)

        outcomes = await asyncio.gather(*(client.call_tool("t", b"{}", deadline=within(10)) for _ in range(10)))

        assert all(isinstance(outcome, ToolSucceeded) for outcome in outcomes)
        assert protected.token_requests == [aiohttp.encode_basic_auth("switchboard", "s3cret")]
        assert protected.calls == 10


async def test_a_token_that_is_not_taken_any_more_is_replaced_and_the_call_runs_once(pool: aiohttp.ClientSession) -> None:
    async with serving(Protected()) as protected:
        client = client_of(protected, pool)
        await client.call_tool("t", b"{}", deadline=within(10))
        protected.valid = set()

        outcomes = await asyncio.gather(*(client.call_tool("t", b"{}", deadline=within(10)) for _ in range(5)))

        assert all(isinstance(outcome, ToolSucceeded) for outcome in outcomes)
        assert (len(protected.token_requests), protected.calls) == (2, 6)


async def test_another_authorization_server_than_the_one_we_know_does_not_get_the_secret(pool: aiohttp.ClientSession) -> None:
    async with serving(Protected()) as thief, serving(Protected()) as protected:
        protected.issuer = thief.base
        client = client_of(protected, pool, issuer=protected.base)

        outcome = await client.call_tool("t", b"{}", deadline=within(10))

        assert isinstance(outcome, HttpFault)
        assert outcome.code == "UNAUTHORIZED"
        assert (thief.token_requests, protected.token_requests, protected.calls) == ([], [], 0)


async def test_an_authorization_server_that_fails_is_left_alone_for_a_while(
    pool: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    protected = Protected()
    protected.broken = True
    async with serving(protected):
        client = client_of(protected, pool)

        outcomes = [await client.call_tool("t", b"{}", deadline=within(10)) for _ in range(5)]

        assert {outcome.code for outcome in outcomes if isinstance(outcome, HttpFault)} == {"UNAUTHORIZED"}
        assert len(protected.token_requests) == 1
        assert "secret" not in caplog.text
        assert "s3cret" not in repr(outcomes)


async def test_the_settings_of_a_server_may_name_an_oauth_client(pool: aiohttp.ClientSession) -> None:
    async with serving(Protected()) as protected:
        settings = McpServerSettings(
            url=f"{protected.base}/mcp",
            oauth_client_id="switchboard",
            oauth_client_secret="s3cret",
            oauth_issuer=protected.base,
        )
        server = configured_server("protected", settings, pool)

        report = await server.client.call("t", b"{}", deadline=within(10))

        assert isinstance(report.outcome, ToolSucceeded)
        await server.close()


@pytest.mark.parametrize(
    "given",
    [
        {"oauth_client_id": "a"},
        {"oauth_client_id": "a", "oauth_client_secret": "b"},
        {"oauth_client_id": "a", "oauth_client_secret": "b", "oauth_issuer": "https://c.example", "token": "t"},
    ],
)
async def test_half_an_oauth_client_or_two_credentials_are_refused_at_the_start(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"OAuth client|belong together"):
        McpServerSettings(url="https://mcp.example/mcp", **given)
