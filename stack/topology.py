"""Which processes make up the stack: one table, from which they are started, stopped, shown and told of each other.

Above: `stack.commands.up`. Below: ProcessSpec. A new tool server is one more entry in `processes` and, where it has a schema,
one in `stack.database.OWNERS`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stack.certificates import ADAPTER, DISPATCH, ENVOY, MODEL_GATEWAY, OPERATOR, DevelopmentAuthority
from stack.database import DatabaseAccess
from stack.development_identity import DevelopmentIdentity
from stack.door import envoy
from stack.issuers import issuers
from stack.ports import LOOPBACK
from stack.probes import grpc_serving, http_answers
from stack.process import ProcessSpec
from stack.settings import SANDBOX_API_KEY, StackSettings, inherited_environment
from stack.state import StateDirectory
from stack.tenant import tenant_id


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the processes of one run share: where their sockets go, a source of free TCP ports, secrets, the database."""

    settings: StackSettings
    state: StateDirectory
    sockets: Path
    free_port: Callable[[], int]
    access: DatabaseAccess
    keys_file: Path
    tool_token: str = field(repr=False)
    identity: DevelopmentIdentity
    authority: DevelopmentAuthority


def processes(around: Surroundings) -> list[ProcessSpec]:
    """Every process but Postgres. Each may call those above it in the list, so it stops before them."""
    vendor = _sandbox(around)
    housecall_pro = _housecall_pro(around, vendor)
    settings = around.settings
    tool_servers = {"housecall_pro": housecall_pro}
    adapters = [_adapter(around, name, tool_servers) for name in _replicas("mcp_adapter_service", settings.adapter_replicas)]
    dispatch = [
        # Each begins with another adapter, so that they share the work from the first call on.
        _dispatch(around, name, _from(number, adapters))
        for number, name in enumerate(_replicas("dispatch_service", settings.dispatch_replicas))
    ]
    gateway = _model_gateway(around, dispatch)
    door = envoy(
        settings,
        around.state,
        around.identity,
        around.authority.issue(ENVOY),
        dispatch=[replica.address for replica in dispatch],
        model_gateway=gateway.address,
    )
    return [*([vendor] if vendor else []), housecall_pro, *adapters, *dispatch, gateway, door]


def _sandbox(around: Surroundings) -> ProcessSpec | None:
    """The vendor's stand-in, unless there is a key for the vendor itself."""
    if around.settings.housecall_pro_api_key is not None:
        return None
    sandbox = _http_service(
        around,
        "housecall_pro_sandbox",
        "tool_servers.housecall_pro_sandbox",
        {
            "SWITCHBOARD_DATABASE_URL": around.access.url("switchboard_housecall_pro_sandbox"),
            "SWITCHBOARD_SANDBOX_API_KEY": SANDBOX_API_KEY,
        },
    )
    # It stands for somebody else's system, which we cannot measure either.
    return replace(sandbox, metrics="")


def _housecall_pro(around: Surroundings, sandbox: ProcessSpec | None) -> ProcessSpec:
    settings = around.settings
    vendor_key = settings.housecall_pro_api_key.get_secret_value() if settings.housecall_pro_api_key else None
    return _http_service(
        around,
        "housecall_pro",
        "tool_servers.housecall_pro",
        {
            "SWITCHBOARD_DATABASE_URL": around.access.url("switchboard_housecall_pro"),
            "SWITCHBOARD_TOOL_TOKEN": around.tool_token,
            "HOUSECALL_PRO_BASE_URL": sandbox.address if sandbox else settings.housecall_pro_base_url,
            "HOUSECALL_PRO_API_KEY": vendor_key or SANDBOX_API_KEY,
        },
    )


def _adapter(around: Surroundings, name: str, tool_servers: Mapping[str, ProcessSpec]) -> ProcessSpec:
    servers = {}
    for server, spec in tool_servers.items():
        servers[f"SWITCHBOARD_MCP__{server.upper()}__URL"] = f"{spec.address}/mcp"
        servers[f"SWITCHBOARD_MCP__{server.upper()}__TOKEN"] = around.tool_token
    return _grpc_service(
        around,
        name,
        "mcp_adapter_service",
        identity=ADAPTER,
        callers=(DISPATCH, OPERATOR),
        env={
            "SWITCHBOARD_DATABASE_URL": around.access.url("switchboard_adapter"),
            "SWITCHBOARD_TENANT": tenant_id(around.settings.tenant_file),
            **servers,
        },
    )


def _dispatch(around: Surroundings, name: str, adapters: Sequence[ProcessSpec]) -> ProcessSpec:
    return _grpc_service(
        around,
        name,
        "dispatch_service",
        identity=DISPATCH,
        callers=(ENVOY, MODEL_GATEWAY),
        env={
            **issuers(around.settings).environment,
            # Whoever lifts the limit at the front door means all of it: for measurements, say.
            **({} if around.settings.rate_limit_per_second else {"SWITCHBOARD_VISITOR_RATE_PER_SECOND": "0"}),
            "SWITCHBOARD_POLICY_DIRECTORY": str(around.settings.policy_directory),
            "SWITCHBOARD_DATABASE_URL": around.access.url("switchboard_dispatch"),
            "SWITCHBOARD_ADAPTER_TARGET": ",".join(adapter.address for adapter in adapters),
        },
    )


def _model_gateway(around: Surroundings, dispatch: Sequence[ProcessSpec]) -> ProcessSpec:
    """The door for models, on a socket that only we may open: whoever writes to it is believed to be the front door."""
    socket = around.sockets / f"{MODEL_GATEWAY}.sock"
    metrics = f"{LOOPBACK}:{around.free_port()}"
    return ProcessSpec(
        name=MODEL_GATEWAY,
        argv=(sys.executable, "-m", MODEL_GATEWAY),
        env=_environment(
            around,
            f"unix:{socket}",
            {
                **around.authority.issue(MODEL_GATEWAY).environment(ENVOY),
                "SWITCHBOARD_DISPATCH_TARGET": ",".join(replica.address for replica in dispatch),
                "SWITCHBOARD_CONSOLE_URL": around.settings.front_door,
                "SWITCHBOARD_ALLOWED_ORIGINS": json.dumps(around.settings.allowed_origins),
                "SWITCHBOARD_METRICS_LISTEN": metrics,
            },
        ),
        address=f"unix:{socket}",
        metrics=f"http://{metrics}/metrics",
        probe=http_answers("http://model-gateway/healthz", wanted=None, socket=socket),
    )


def _replicas(name: str, count: int) -> list[str]:
    return [name, *(f"{name}-{number}" for number in range(2, count + 1))]


def _from(first: int, specs: Sequence[ProcessSpec]) -> list[ProcessSpec]:
    """All of `specs`, beginning with one further down the row."""
    start = first % len(specs)
    return [*specs[start:], *specs[:start]]


def _http_service(around: Surroundings, name: str, module: str, env: dict[str, str]) -> ProcessSpec:
    listen = f"{LOOPBACK}:{around.free_port()}"
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", module),
        env=_environment(around, listen, env),
        address=f"http://{listen}",
        metrics=f"http://{listen}/metrics",
        # It is up when it answers. Whether it can reach the vendor is for the front door's /healthz to say.
        probe=http_answers(f"http://{listen}/healthz", wanted=None),
    )


def _grpc_service(
    around: Surroundings, name: str, module: str, *, identity: str, callers: Sequence[str], env: dict[str, str]
) -> ProcessSpec:
    """A service that is `identity` to the others, of whom `callers` may call it."""
    target = f"unix:{around.sockets}/{name}.sock"
    metrics = f"{LOOPBACK}:{around.free_port()}"
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", module),
        env=_environment(
            around,
            target,
            {**env, **around.authority.issue(identity, name).environment(*callers), "SWITCHBOARD_METRICS_LISTEN": metrics},
        ),
        address=target,
        metrics=f"http://{metrics}/metrics",
        probe=grpc_serving(target, identity, around.authority.operator.channel_credentials()),
    )


def _environment(around: Surroundings, listen: str, own: dict[str, str]) -> dict[str, str]:
    """The environment of one service: the user's, what all services share, and its own."""
    shared = {
        "SWITCHBOARD_LISTEN": listen,
        "SWITCHBOARD_KEYS_FILE": str(around.keys_file),
        "SWITCHBOARD_TENANT_FILE": str(around.settings.tenant_file),
    }
    return {**inherited_environment(), **shared, **own}
