"""A person who agrees to everything at an authorization server: opens the page that the flow sends them to, and is sent back.

Above: `client_driver`. Below: the adapter's `OAuthAuthorizer` with the SDK's authorization code flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata
from pydantic import AnyUrl
from yarl import URL

from mcp_adapter_service.mcp_client.authorization import Kept, OAuthAuthorizer

# What the runner knows our client by, where it takes a client's own metadata document.
_METADATA_URL: Final = "https://conformance-test.local/client-metadata.json"
_REDIRECT: Final = "http://localhost:3000/callback"


def consenting(url: str, pool: aiohttp.ClientSession, context: Mapping[str, Any]) -> OAuthAuthorizer:
    """Return what gets tokens for `url` with that person's consent; `context` may name a client that is registered already."""
    page = _Page(pool)
    redirect = [AnyUrl(_REDIRECT)]
    registered = None
    if "client_id" in context:
        registered = OAuthClientInformationFull(
            client_id=context["client_id"],
            client_secret=context.get("client_secret"),
            redirect_uris=redirect,
            token_endpoint_auth_method="client_secret_basic",
            issuer=context.get("issuer"),
        )
    flow = OAuthClientProvider(
        url,
        OAuthClientMetadata(
            client_name="switchboard",
            redirect_uris=redirect,
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
        ),
        Kept(registered),
        redirect_handler=page.open,
        callback_handler=page.sent_back,
        client_metadata_url=_METADATA_URL,
    )
    return OAuthAuthorizer("conformance", url, flow, pool)


async def advertised_issuer(url: str, pool: aiohttp.ClientSession) -> str:
    """Return the authorization server that the server at `url` names: what whoever configures us would have been told."""
    address = URL(url)
    async with pool.get(address.with_path(f"/.well-known/oauth-protected-resource{address.path}")) as response:
        return str((await response.json())["authorization_servers"][0])


class _Page:
    def __init__(self, pool: aiohttp.ClientSession) -> None:
        self._pool = pool
        self._location = URL()

    async def open(self, url: str) -> None:
        """Agree: the authorization server answers with a redirect to our address."""
        async with self._pool.get(url, allow_redirects=False) as response:
            self._location = URL(response.headers["Location"])

    async def sent_back(self) -> AuthorizationCodeResult:
        """Return what the redirect brought."""
        query = self._location.query
        return AuthorizationCodeResult(code=query.get("code", ""), state=query.get("state"), iss=query.get("iss"))
