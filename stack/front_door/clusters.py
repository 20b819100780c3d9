"""Who is behind the door: clusters of endpoints, and the issuers whose tokens it takes.

Above: `stack.envoy_config`. Below: the settings.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from stack.front_door.routes import DISPATCH_CLUSTER
from stack.front_door.settings import Address, EnvoySettings, HttpUpstream, TokenIssuer, UpstreamTls

# Where jwt_authn leaves a checked token's own header for the filters after it.
CHECKED_HEADER = "checked_header"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_UPSTREAM_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
# dispatch_service says itself when it has too much to do; the door's limits are only there to be finite.
_CIRCUIT_BREAKERS = {
    "thresholds": [
        {"max_connections": 1024, "max_pending_requests": 4096, "max_requests": 16384, "max_retries": 64},
    ]
}


def socket_address(address: Address) -> dict[str, Any]:
    """An Envoy address."""
    if address.startswith("unix:"):
        return {"pipe": {"path": address.removeprefix("unix:")}}
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}


def clusters(settings: EnvoySettings) -> list[dict[str, Any]]:
    """dispatch_service, the further services, and one cluster per issuer whose keys are fetched."""
    fetched = [(_jwks_cluster_name(index), issuer) for index, issuer in enumerate(settings.issuers) if issuer.jwks_uri]
    return [
        _dispatch_cluster(settings),
        *(_upstream_cluster(upstream) for upstream in settings.upstreams),
        *(_jwks_cluster(settings, name, issuer) for name, issuer in fetched),
    ]


def token_providers(settings: EnvoySettings) -> dict[str, dict[str, Any]]:
    """One jwt_authn provider per issuer."""
    return {f"issuer_{index}": _token_provider(index, issuer) for index, issuer in enumerate(settings.issuers)}


def token_requirements(settings: EnvoySettings) -> dict[str, dict[str, Any]]:
    """The two rules a route can have. A token that is sent must be valid under both."""
    any_issuer: list[dict[str, Any]] = [{"provider_name": name} for name in token_providers(settings)]
    required = {"requires_any": {"requirements": any_issuer}} if len(any_issuer) > 1 else any_issuer[0]
    return {"required": required, "optional": {"requires_any": {"requirements": [*any_issuer, {"allow_missing": {}}]}}}


def _dispatch_cluster(settings: EnvoySettings) -> dict[str, Any]:
    cluster = _cluster(DISPATCH_CLUSTER, settings.dispatch, http2=True)
    # In turn, not by fewest calls under way: a replica that just went has none, and would be chosen again and again.
    cluster["lb_policy"] = "ROUND_ROBIN"
    if settings.dispatch_tls:
        cluster["transport_socket"] = _mutual_tls(settings.dispatch_tls, "h2")
    if settings.health_checks:
        cluster["health_checks"] = [
            {
                "timeout": "2s",
                "interval": "1s",
                "no_traffic_interval": "1s",
                # One that came back is asked again soon.
                "unhealthy_interval": "0.2s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "grpc_health_check": {},
            }
        ]
        # With every endpoint unhealthy, calls fail at once instead of trying dead ones.
        cluster["common_lb_config"] = {"healthy_panic_threshold": {"value": 0}}
    return cluster


def _upstream_cluster(upstream: HttpUpstream) -> dict[str, Any]:
    cluster = _cluster(upstream.name, upstream.endpoints, http2=False)
    # Shorter than servers keep idle connections: the side that sends must be the side that closes.
    cluster["typed_extension_protocol_options"][_HTTP_OPTIONS]["common_http_protocol_options"] = {"idle_timeout": "60s"}
    if upstream.tls:
        cluster["transport_socket"] = _mutual_tls(upstream.tls, "http/1.1")
    return cluster


def _cluster(name: str, endpoints: tuple[Address, ...], *, http2: bool) -> dict[str, Any]:
    protocol: dict[str, Any] = {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {}}
    has_names = any(not address.startswith("unix:") and _is_name(address) for address in endpoints)
    return {
        "name": name,
        "type": "STRICT_DNS" if has_names else "STATIC",
        # By default only a name's IPv6 addresses would be tried where it has any, on machines without IPv6 as well.
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "1s",
        "circuit_breakers": _CIRCUIT_BREAKERS,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(address)}} for address in endpoints]}],
        },
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {"@type": f"type.googleapis.com/{_HTTP_OPTIONS}", "explicit_http_config": protocol}
        },
    }


def _mutual_tls(tls: UpstreamTls, protocol: str) -> dict[str, Any]:
    files = {"certificate_chain": {"filename": str(tls.certificate)}, "private_key": {"filename": str(tls.key)}}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": _UPSTREAM_TLS,
            "common_tls_context": {
                "alpn_protocols": [protocol],
                # As a client, Envoy goes up to 1.2 only unless told.
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
                "tls_certificates": [files],
                "validation_context": {
                    "trusted_ca": {"filename": str(tls.authority)},
                    "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": tls.identity}}],
                },
            },
        },
    }


def _is_name(address: Address) -> bool:
    host = address.rpartition(":")[0]
    return not (host.startswith("[") or host.replace(".", "").isdecimal())


def _token_provider(index: int, issuer: TokenIssuer) -> dict[str, Any]:
    return {
        "issuer": issuer.issuer,
        "audiences": list(issuer.audiences),
        # A list of its own, because the default would also take a token from the query string, which ends up in logs.
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
        "forward_payload_header": "x-jwt-payload",
        "header_in_metadata": CHECKED_HEADER,
        "require_expiration": True,
        "clock_skew_seconds": 30,
        # A signature is checked once per token and worker; times are checked on every call.
        "jwt_cache_config": {"jwt_cache_size": 1000},
        **_keys(index, issuer),
    }


def _keys(index: int, issuer: TokenIssuer) -> dict[str, Any]:
    if issuer.jwks_uri:
        uri = {"uri": issuer.jwks_uri, "cluster": _jwks_cluster_name(index), "timeout": "5s"}
        return {"remote_jwks": {"http_uri": uri, "cache_duration": "600s", "async_fetch": {"fast_listener": True}}}
    if issuer.jwks_file:
        return {"local_jwks": {"filename": str(issuer.jwks_file.absolute())}}
    return {"local_jwks": {"inline_string": issuer.jwks}}


def _jwks_cluster_name(index: int) -> str:
    return f"jwks_{index}"


def _jwks_cluster(settings: EnvoySettings, name: str, issuer: TokenIssuer) -> dict[str, Any]:
    url = urlsplit(issuer.jwks_uri or "")
    secure = url.scheme == "https"
    host = url.hostname or ""
    cluster = _cluster(name, (f"{host}:{url.port or (443 if secure else 80)}",), http2=False)
    if secure:
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": _UPSTREAM_TLS,
                "sni": host,
                "auto_sni_san_validation": True,
                "common_tls_context": {"validation_context": {"trusted_ca": {"filename": str(settings.certificate_authorities)}}},
            },
        }
    return cluster
