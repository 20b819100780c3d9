"""Tokens that a server's own authorization server gives us (OAuth 2.1, as MCP has it).

Above: `exchange` asks for one when a request is turned away. Below: the official SDK's flows, which know what to ask and in which
order (resource metadata, authorization server metadata, registration, token, refresh, more scope); their requests go out here,
over the pool that everything else uses, without redirects and with a bound on the reply.

A refused request has had no effect, so it is sent again with the new token. The token is this process's own: a caller's never
goes to a tool server.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

import aiohttp
import httpx2
from mcp.client.auth import OAuthFlowError, TokenStorage
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import ValidationError
from yarl import URL

from service_kit.logging import log

_logger = logging.getLogger(__name__)
# The SDK logs a flow's failure with what the authorization server wrote; we say that it failed, and where.
logging.getLogger("mcp.client.auth").setLevel(logging.CRITICAL)

_REPLY_LIMIT: Final = 64 * 1024
_BEARER: Final = "Bearer "
_OWN_HEADERS: Final = frozenset({"host", "content-length", "accept-encoding", "connection"})
# After a flow that came to nothing, how long it is not tried again: the authorization server is not ours to hammer.
_PAUSE_SECONDS: Final = 10.0


class Authorizer(Protocol):
    """What `exchange` needs of whoever has the token."""

    @property
    def token(self) -> str | None:
        """The token to send; None before the first."""
        ...

    async def renew(self, status: int, challenge: str, used: str | None, version: str, deadline: float) -> bool:
        """Get another token than `used`, with which the server answered `status` and `challenge`. False where there is none."""
        ...


class OAuthAuthorizer:
    """OAuthAuthorizer gets one server's tokens through one of the SDK's flows, one flow at a time."""

    def __init__(self, server: str, url: str, flow: httpx2.Auth, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._url = url
        self._flow = flow
        self._session = session
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._not_before = 0.0

    @property
    def token(self) -> str | None:
        """The token got last."""
        return self._token

    async def renew(self, status: int, challenge: str, used: str | None, version: str, deadline: float) -> bool:
        """Get another token than `used`. Calls that come together share one flow."""
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout_at(deadline), self._lock:
                if self._token != used:
                    return True
                if clock() < self._not_before:
                    return False
                token = await self._run(status, challenge, version)
        except (OAuthFlowError, ValidationError, ValueError, aiohttp.ClientError, OSError) as error:
            # The text may quote what the authorization server sent; its kind says enough.
            log(_logger, logging.WARNING, "no token for tool server", server=self._server, error=type(error).__name__)
            token = None
        if token is None or token == used:
            self._not_before = clock() + _PAUSE_SECONDS
            return False
        self._token = token
        return True

    async def _run(self, status: int, challenge: str, version: str) -> str | None:
        refused = httpx2.Request("POST", self._url, headers={"MCP-Protocol-Version": version})
        flow = self._flow.async_auth_flow(refused)
        try:
            request = await anext(flow)
            while True:
                if request is refused:
                    # The flow would have the refused request sent, at first as it was and at the end with its new token.
                    token = refused.headers.get("Authorization", "").removeprefix(_BEARER) or None
                    if token is not None and token != self._token:
                        return token
                    response = httpx2.Response(status, headers={"WWW-Authenticate": challenge}, request=refused)
                else:
                    response = await self._fetch(request)
                request = await flow.asend(response)
        except StopAsyncIteration:
            return None
        finally:
            await flow.aclose()

    async def _fetch(self, request: httpx2.Request) -> httpx2.Response:
        url = URL(str(request.url))
        # Where to go is in what the server said. Credentials go over TLS, unless the server itself is configured without.
        if url.scheme != "https" and URL(self._url).scheme == "https":
            raise OAuthFlowError("The authorization server is not on https.")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN_HEADERS}
        async with self._session.request(
            request.method,
            url,
            data=request.content or None,
            headers={**headers, "Accept-Encoding": "identity"},
            allow_redirects=False,
        ) as response:
            body = await response.content.read(_REPLY_LIMIT + 1)
            while len(body) <= _REPLY_LIMIT and (more := await response.content.read(_REPLY_LIMIT + 1)):
                body += more
            if len(body) > _REPLY_LIMIT:
                raise OAuthFlowError("The authorization server's answer is too large.")
            kind = response.headers.get("Content-Type", "application/json")
            return httpx2.Response(response.status, headers={"Content-Type": kind}, content=body, request=request)


class Kept(TokenStorage):
    """Kept is what a flow wants remembered, for as long as the process runs."""

    def __init__(self, client: OAuthClientInformationFull | None = None) -> None:
        self._tokens: OAuthToken | None = None
        self._client = client

    async def get_tokens(self) -> OAuthToken | None:
        """Return the tokens got last."""
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep tokens."""
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Return our registration."""
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep our registration."""
        self._client = client_info


def client_credentials(
    server: str, url: str, session: aiohttp.ClientSession, *, client_id: str, client_secret: str, issuer: str, scope: str | None
) -> OAuthAuthorizer:
    """Return what gets tokens for a client that the authorization server `issuer` knows; nobody is asked."""
    flow = ClientCredentialsOAuthProvider(
        url, Kept(), client_id=client_id, client_secret=client_secret, scope=scope, issuer=issuer
    )
    return OAuthAuthorizer(server, url, flow, session)
