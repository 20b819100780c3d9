"""Where a client without a token learns whose tokens are taken: RFC 9728's metadata of services behind the door.

Above: `stack.front_door.routes` serves the metadata, `replies` names it on a 401. Below: the settings. MCP clients look for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stack.front_door.settings import EnvoySettings, HttpUpstream

WELL_KNOWN = "/.well-known/oauth-protected-resource"
# As the client sees the door, also through a proxy that ends TLS.
_ORIGIN = "%REQ(X-FORWARDED-PROTO)%://%REQ(:AUTHORITY)%"


def metadata_routes(settings: EnvoySettings) -> Iterable[dict[str, Any]]:
    """The metadata of each service that needs a token, at its own path and, for the first of them, at the root."""
    for index, upstream in enumerate(_protected(settings)):
        for path in (WELL_KNOWN + upstream.prefix, *([WELL_KNOWN] if index == 0 else [])):
            yield {
                "name": f"metadata of {upstream.name}",
                "match": {"path": path, "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]},
                "direct_response": {
                    "status": 200,
                    "body_format": {"json_format": _metadata(settings, upstream), "content_type": "application/json"},
                },
            }


def challenges(settings: EnvoySettings) -> dict[str, str]:
    """What a 401 tells the client, as `www-authenticate`, by the regular expression of the paths that it holds for."""
    return {
        f"{upstream.prefix.rstrip('/')}([/?].*)?": f'Bearer resource_metadata="{_ORIGIN}{WELL_KNOWN}{upstream.prefix}"'
        for upstream in _protected(settings)
    }


def _protected(settings: EnvoySettings) -> list[HttpUpstream]:
    return [upstream for upstream in settings.upstreams if upstream.token_required]


def _metadata(settings: EnvoySettings, upstream: HttpUpstream) -> dict[str, Any]:
    return {
        "resource": f"{_ORIGIN}{upstream.prefix}",
        "authorization_servers": [issuer.issuer for issuer in settings.issuers],
        "bearer_methods_supported": ["header"],
    }
