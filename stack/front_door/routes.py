"""The route table: every public RPC as JSON and as gRPC, each with its timeout, limits and token rule; then refusals.

Above: `stack.envoy_config`. Below: `stack.front_door.rpcs` and the settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from stack.front_door.protected_resources import metadata_routes
from stack.front_door.replies import API_REPLY_HEADERS, REPLY_HEADERS, header_option
from stack.front_door.rpcs import HttpBinding, Rpc, path_matches
from stack.front_door.settings import EnvoySettings, HttpUpstream, RateLimit

DISPATCH_CLUSTER = "dispatch"

_FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
_ON = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}}
_READS = ("GET", "HEAD")
# Tokens end at the door: dispatch_service gets the checked payload.
_NOT_FORWARDED = ["authorization", "cookie"]
# gRPC's own words in a JSON reply tell a browser nothing.
_NOT_IN_JSON_REPLIES = (
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "grpc-accept-encoding",
    "x-switchboard-error-code",
)
# A JSON call becomes a gRPC one behind the door: what its sender says in gRPC's own words (a deadline, an encoding, binary
# metadata) would be believed there, and broken words would end the call without an answer.
_NOT_IN_JSON_CALLS = ({"prefix": "grpc-"}, {"suffix": "-bin"})


def route_table(settings: EnvoySettings, rpcs: list[Rpc]) -> list[dict[str, Any]]:
    """All routes in the order in which Envoy tries them: paths without variables before those with, 404 last."""
    # `/a:watch` has to be tried before `/a/{id}` and `/{name=**}`.
    bound = sorted(((rpc, binding) for rpc in rpcs for binding in rpc.bindings), key=lambda pair: not pair[1].is_literal)
    return [
        _UNREADABLE_TOKEN_ROUTE,
        *_preflight_routes(settings),
        *_grpc_on_json_path_routes(binding for _, binding in bound),
        *(_json_route(settings, rpc, binding) for rpc, binding in bound),
        *(_grpc_route(settings, rpc) for rpc in rpcs),
        *_wrong_method_routes(binding for _, binding in bound),
        *metadata_routes(settings),
        *(route for upstream in settings.upstreams for route in _upstream_routes(upstream)),
        {"name": "unknown path", "match": {"prefix": "/"}, "direct_response": {"status": 404}},
    ]


# Refused before anything else: jwt_authn takes the first thing in the header that looks like a token, wherever it stands, and
# would pass a caller whose header it cannot read for one without a token. Repeated headers arrive joined by commas.
_UNREADABLE_TOKEN_ROUTE: dict[str, Any] = {
    "name": "unreadable token",
    "match": {
        "prefix": "/",
        "headers": [
            {"name": "authorization", "present_match": True},
            {
                "name": "authorization",
                "string_match": {"safe_regex": {"regex": r"Bearer [\w-]+\.[\w-]+\.[\w-]+"}},
                "invert_match": True,
            },
        ],
    },
    "direct_response": {"status": 401},
}


def _preflight_routes(settings: EnvoySettings) -> Iterable[dict[str, Any]]:
    """Where the CORS filter answers browsers: it does so only on routes to a cluster, which it never lets them reach."""
    prefixes = (
        ["/api/", "/.well-known/", *(upstream.prefix for upstream in settings.upstreams)] if settings.allowed_origins else []
    )
    for prefix in prefixes:
        any_origin = "|".join(re.escape(origin) for origin in settings.allowed_origins)
        yield {
            "name": "preflight",
            "match": {
                **_prefix_match(prefix),
                "headers": [
                    {"name": ":method", "string_match": {"exact": "OPTIONS"}},
                    {"name": "origin", "string_match": {"safe_regex": {"regex": any_origin}}},
                    {"name": "access-control-request-method", "string_match": {"safe_regex": {"regex": ".+"}}},
                ],
            },
            "route": {"cluster": DISPATCH_CLUSTER},
        }


def _json_route(settings: EnvoySettings, rpc: Rpc, binding: HttpBinding) -> dict[str, Any]:
    reply_headers = {**REPLY_HEADERS, **API_REPLY_HEADERS}
    return {
        "name": f"{binding.verb} {binding.template}",
        "match": {**_path_match(binding), "headers": [{"name": ":method", "string_match": {"exact": binding.verb}}]},
        "route": {
            "cluster": DISPATCH_CLUSTER,
            "retry_policy": _ANOTHER_REPLICA,
            **(_NO_TIMEOUTS if rpc.streams else {"timeout": _seconds(_timeout(settings, binding.template))}),
        },
        "typed_per_filter_config": {
            "envoy.filters.http.lua": {
                "@type": f"{_FILTERS}.lua.v3.LuaPerRoute",
                "filter_context": {"writes": binding.verb not in _READS},
            },
            "envoy.filters.http.grpc_json_transcoder": _ON,
            "envoy.filters.http.header_mutation": {
                "@type": f"{_FILTERS}.header_mutation.v3.HeaderMutationPerRoute",
                "mutations": {
                    "request_mutations": [{"remove_on_match": {"key_matcher": matcher}} for matcher in _NOT_IN_JSON_CALLS],
                    "response_mutations": [{"remove": name} for name in _NOT_IN_JSON_REPLIES],
                },
            },
            **_checks(settings, binding.template, upload=rpc.takes_raw_body),
        },
        "request_headers_to_remove": _NOT_FORWARDED,
        # Set by the router, so that the Lua filter finds the correlation id.
        "response_headers_to_add": [header_option(name, value) for name, value in reply_headers.items()],
    }


def _grpc_route(settings: EnvoySettings, rpc: Rpc) -> dict[str, Any]:
    timeout = _seconds(_timeout(settings, rpc.grpc_path))
    # A client's own deadline counts, but no call that is not a stream may be open for longer than ours.
    deadlines: dict[str, Any] = {"max_stream_duration": {"max_stream_duration": timeout, "grpc_timeout_header_max": timeout}}
    return {
        "name": rpc.grpc_path,
        "match": {"path": rpc.grpc_path, "grpc": {}},
        "route": {
            "cluster": DISPATCH_CLUSTER,
            "retry_policy": _ANOTHER_REPLICA,
            "timeout": "0s",
            **(_NO_TIMEOUTS if rpc.streams else deadlines),
        },
        "typed_per_filter_config": _checks(settings, rpc.grpc_path, upload=rpc.takes_raw_body),
        "request_headers_to_remove": _NOT_FORWARDED,
    }


def _grpc_on_json_path_routes(bindings: Iterable[HttpBinding]) -> Iterable[dict[str, Any]]:
    """The transcoder would pass a gRPC call on as it is, to a method that nobody has: say so here."""
    for template, binding in {binding.template: binding for binding in bindings}.items():
        yield {
            "name": f"gRPC on {template}",
            "match": {**_path_match(binding), "grpc": {}},
            "direct_response": {"status": 404},
        }


def _wrong_method_routes(bindings: Iterable[HttpBinding]) -> Iterable[dict[str, Any]]:
    by_template: dict[str, list[HttpBinding]] = {}
    for binding in bindings:
        by_template.setdefault(binding.template, []).append(binding)
    for template, same_path in by_template.items():
        allowed = ", ".join(sorted({binding.verb for binding in same_path}))
        yield {
            "name": f"other methods on {template}",
            "match": _path_match(same_path[0]),
            "direct_response": {"status": 405},
            "response_headers_to_add": [header_option("allow", allowed)],
        }


def _upstream_routes(upstream: HttpUpstream) -> Iterable[dict[str, Any]]:
    requirement = "required" if upstream.token_required else "optional"
    match = _prefix_match(upstream.prefix)
    taken = {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(upstream.methods)}}}
    yield {
        "name": upstream.name,
        "match": {**match, "headers": [taken]} if upstream.methods else match,
        "route": {"cluster": upstream.name, "timeout": _seconds(upstream.timeout_seconds), "idle_timeout": "0s"},
        "typed_per_filter_config": {"envoy.filters.http.jwt_authn": _token_rule(requirement)},
        "request_headers_to_remove": _NOT_FORWARDED,
    }
    if upstream.methods:
        yield {
            "name": f"other methods on {upstream.prefix}",
            "match": match,
            "direct_response": {"status": 405},
            "response_headers_to_add": [header_option("allow", ", ".join(sorted(upstream.methods)))],
        }


def _prefix_match(prefix: str) -> dict[str, Any]:
    return {"prefix": prefix} if prefix.endswith("/") else {"path_separated_prefix": prefix}


# Another replica is asked where the first one certainly never saw the call: it could not be reached, or refused the stream.
_ANOTHER_REPLICA: dict[str, Any] = {
    "retry_on": "connect-failure,refused-stream",
    "num_retries": 3,
    "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.1s"},
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
    "host_selection_retry_max_attempts": 5,
}

# A stream ends when one side ends it.
_NO_TIMEOUTS = {"timeout": "0s", "idle_timeout": "0s"}


def _timeout(settings: EnvoySettings, path: str) -> float:
    slow = path_matches(path, settings.slow_paths)
    return settings.dispatch_timeout_seconds if slow else settings.timeout_seconds


def _path_match(binding: HttpBinding) -> dict[str, Any]:
    if binding.is_literal:
        return {"path": binding.template}
    return {"safe_regex": {"regex": binding.regex}}


def _checks(settings: EnvoySettings, path: str, *, upload: bool) -> dict[str, Any]:
    """What is checked before a call goes on: its token, its size and, on limited paths, how many there have been."""
    if path_matches(path, settings.token_ignored):
        rule: dict[str, Any] = {"@type": f"{_FILTERS}.jwt_authn.v3.PerRouteConfig", "disabled": True}
    else:
        rule = _token_rule("optional" if path_matches(path, settings.token_optional) else "required")
    checks = {"envoy.filters.http.jwt_authn": rule}
    if upload:
        checks["envoy.filters.http.buffer"] = {
            "@type": f"{_FILTERS}.buffer.v3.BufferPerRoute",
            "buffer": {"max_request_bytes": settings.upload_limit_bytes},
        }
    if path_matches(path, settings.limited_paths) and settings.rate_limit:
        checks["envoy.filters.http.local_ratelimit"] = _rate_limit(settings.rate_limit, settings.rate_limit_share_per_address)
    return checks


def _token_rule(requirement: str) -> dict[str, Any]:
    return {"@type": f"{_FILTERS}.jwt_authn.v3.PerRouteConfig", "requirement_name": requirement}


def _rate_limit(limit: RateLimit, share_per_address: float) -> dict[str, Any]:
    everyone = {"default_value": {"numerator": 100}}
    config: dict[str, Any] = {
        "@type": f"{_FILTERS}.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "front_door_rate_limit",
        "token_bucket": _token_bucket(limit),
        "filter_enabled": everyone,
        "filter_enforced": everyone,
        # To a gRPC caller, UNAVAILABLE would say that we are down.
        "rate_limited_as_resource_exhausted": True,
    }
    if share_per_address < 1:
        config |= {
            # One IPv6 customer has a whole /64 to call from.
            "rate_limits": [{"actions": [{"masked_remote_address": {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}}]}],
            "descriptors": [
                {"entries": [{"key": "masked_remote_address"}], "token_bucket": _token_bucket(limit.share(share_per_address))}
            ],
            "max_dynamic_descriptors": 10_000,
            "always_consume_default_token_bucket": True,
        }
    return config


def _token_bucket(limit: RateLimit) -> dict[str, Any]:
    # Refilled ten times a second where that comes out even, so that a waiting caller need not wait a whole one.
    parts = 10 if limit.per_second % 10 == 0 else 1
    return {
        "max_tokens": limit.burst,
        "tokens_per_fill": limit.per_second // parts,
        "fill_interval": _seconds(1 / parts),
    }


def _seconds(seconds: float) -> str:
    return f"{seconds:g}s"
