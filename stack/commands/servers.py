"""`switchboard servers`: third-party MCP servers; look at one and keep it, say what its tools do, let them be called."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stack.adapter_channel import SECONDS, adapter_channel, answered, columns
from stack.errors import StackError
from stack.settings import load_stack_settings
from stack.tenant import tenant_id

# The adapter starts programs and looks at servers that are slow.
_ADD_SECONDS = 90.0
_EFFECTS = ("read", "write", "destructive")
_PERMISSIONS = ("unrestricted", "soft_limit", "requires_authorization")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be done."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--tenant", help="whose servers (default: the tenant of SWITCHBOARD_TENANT_FILE)")
    shared.add_argument("--json", action="store_true", help="print JSON")
    actions = parser.add_subparsers(title="what to do", dest="what", metavar="WHAT", required=True)

    def action(name: str, text: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=text, description=text, parents=[shared])

    action("list", "list the servers and how they are")
    show = action("show", "show a server with its tools, and what is not as it was accepted")
    add = action("add", "look at a server, accept its tools as they are, and keep it; nothing of it can be called yet")
    repin = action("repin", "accept tools as the server lists them now")
    configure = action("configure", "say what a tool does and what is asked for before it runs")
    enable = action("enable", "let a tool be called, by one subject or by everybody whom policy lets")
    disable = action("disable", "take that back")
    remove = action("remove", "forget a server with its tools")
    for one in (show, add, repin, configure, enable, disable, remove):
        one.add_argument("server", help="what the server is called here")
    for one in (configure, enable, disable):
        one.add_argument("tool", help="the tool's name on the server")
    where = add.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="where it speaks MCP over HTTP")
    where.add_argument("--command", nargs=argparse.REMAINDER, metavar="PROGRAM", help="what starts it, with everything after it")
    token = add.add_mutually_exclusive_group()
    token.add_argument("--token-environment", metavar="NAME", help="the adapter's variable that holds its token")
    token.add_argument(
        "--token-file", metavar="FILE", type=Path, help="a file with its token, which is kept sealed; - reads it here"
    )
    add.add_argument("--timeout", type=int, default=0, metavar="SECONDS", help="the longest that one call may take")
    repin.add_argument("tools", nargs="*", metavar="TOOL", help="the tools to accept (default: all)")
    repin.add_argument("--listing", metavar="HASH", help="the listing that was looked at, as `show` prints it")
    configure.add_argument("--effect", required=True, choices=_EFFECTS, help="what it does to the world")
    configure.add_argument("--permission", required=True, choices=_PERMISSIONS, help="what is asked for before it runs")
    configure.add_argument("--idempotent", action="store_true", help="one idempotency key has one effect")
    configure.add_argument("--sensitive", action="store_true", help='never offer "allow always"')
    for one in (enable, disable):
        one.add_argument("--subject", default="", help="whom (default: everybody of the tenant)")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    tenant = options.tenant or tenant_id(load_stack_settings().tenant_file)
    with _registry(tenant) as registry:
        return _ACTIONS[options.what](registry, options)


class Registry:
    """The adapter's registry, asked as whoever runs the command."""

    def __init__(self, stub: Any, tenant: str) -> None:
        self._stub = stub
        self._metadata = (("x-switchboard-tenant", tenant), ("x-switchboard-actor", f"cli:{getpass.getuser()}"))

    def ask(self, rpc: str, request: Any) -> Any:
        """Make one call."""
        return answered(lambda: getattr(self._stub, rpc)(request, timeout=SECONDS, metadata=self._metadata))

    def steps(self, request: Any) -> Iterator[Any]:
        """Register a server and yield how far it is."""
        steps = iter(self._stub.RegisterServer(request, timeout=_ADD_SECONDS, metadata=self._metadata))
        while (step := answered(lambda: next(steps, None))) is not None:
            yield step


@contextmanager
def _registry(tenant: str) -> Iterator[Registry]:
    # Loaded only here: generated code is much to load for every other command.
    from switchboard.registry.v1 import server_registry_service_pb2_grpc

    with adapter_channel() as channel:
        yield Registry(server_registry_service_pb2_grpc.ServerRegistryServiceStub(channel), tenant)


def _list(registry: Registry, options: argparse.Namespace) -> int:
    from switchboard.registry.v1 import server_registry_service_pb2 as pb

    servers = registry.ask("ListRegisteredServers", pb.ListRegisteredServersRequest()).servers
    if options.json:
        return _print_json(servers)
    rows = [("server", "at", "speaks", "answers", "breaker", "not as accepted")]
    for server in servers:
        answers = "yes" if server.healthy else server.message or "no"
        rows.append((server.name, _at(server), server.protocol_version, answers, server.breaker, str(server.drifted or "-")))
    print("\n".join(columns(rows)))
    return 0


def _show(registry: Registry, options: argparse.Namespace) -> int:
    from switchboard.registry.v1 import server_registry_service_pb2 as pb

    server = registry.ask("GetRegisteredServer", pb.GetRegisteredServerRequest(name=options.server))
    if options.json:
        return _print_json([server])
    _print_server(server)
    return 0


def _add(registry: Registry, options: argparse.Namespace) -> int:
    from switchboard.registry.v1 import server_registry_service_pb2 as pb

    request = pb.RegisterServerRequest(
        name=options.server,
        url=options.url or "",
        command=options.command or (),
        token_environment=options.token_environment or "",
        token=_token(options.token_file),
        timeout_seconds=options.timeout,
    )
    for step in registry.steps(request):
        if step.error:
            raise StackError(f"nothing was kept: {step.error}")
        print(step.step, file=sys.stderr if options.json else sys.stdout, flush=True)
        if step.done:
            if options.json:
                return _print_json([step.server])
            print()
            _print_server(step.server)
    return 0


def _repin(registry: Registry, options: argparse.Namespace) -> int:
    from switchboard.registry.v1 import server_registry_service_pb2 as pb

    seen = options.listing
    if not seen:
        seen = registry.ask("GetRegisteredServer", pb.GetRegisteredServerRequest(name=options.server)).listing_hash
    request = pb.RepinServerRequest(name=options.server, listing_hash=seen, tools=options.tools)
    server = registry.ask("RepinServer", request)
    if options.json:
        return _print_json([server])
    _print_server(server)
    return 0


def _configure(registry: Registry, options: argparse.Namespace) -> int:
    from switchboard.registry.v1 import server_registry_service_pb2 as pb

    request = pb.ConfigureToolRequest(
        server=options.server,
        tool=options.tool,
        effect=f"EFFECT_{options.effect.upper()}",  # type: ignore[arg-type]
        permission=f"PERMISSION_LEVEL_{options.permission.upper()}",  # type: ignore[arg-type]
        idempotent=options.idempotent,
        sensitive=options.sensitive,
    )
    return _print_tool(registry.ask("ConfigureTool", request), options)


def _enable(registry: Registry, options: argparse.Namespace) -> int:
    from switchboard.registry.v1 import server_registry_service_pb2 as pb

    enabled = options.what == "enable"
    request = pb.EnableToolRequest(server=options.server, tool=options.tool, subject=options.subject, enabled=enabled)
    return _print_tool(registry.ask("EnableTool", request), options)


def _remove(registry: Registry, options: argparse.Namespace) -> int:
    from switchboard.registry.v1 import server_registry_service_pb2 as pb

    registry.ask("RemoveServer", pb.RemoveServerRequest(name=options.server))
    print(f"{options.server} is removed")
    return 0


_ACTIONS = {
    "list": _list,
    "show": _show,
    "add": _add,
    "repin": _repin,
    "configure": _configure,
    "enable": _enable,
    "disable": _enable,
    "remove": _remove,
}


def _token(file: Path | None) -> str:
    """Read a token. It is never an argument: those are in the shell's history and in every list of processes."""
    if file is None:
        return ""
    try:
        return (sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")).strip()
    except OSError as problem:
        raise StackError(f"cannot read {file} ({problem.strerror})") from None


def _print_json(messages: Sequence[Any]) -> int:
    from google.protobuf.json_format import MessageToDict

    print(json.dumps([MessageToDict(message) for message in messages], indent=2, ensure_ascii=False))
    return 0


def _print_tool(tool: Any, options: argparse.Namespace) -> int:
    if options.json:
        return _print_json([tool])
    print("\n".join(columns([_HEADING, _row(tool)])))
    return 0


_HEADING = ("tool", "as accepted", "effect", "repeatable", "permission", "sensitive", "enabled for")


def _print_server(server: Any) -> None:
    state = "answers" if server.healthy else server.message or "does not answer"
    print(f"{server.name}: {_at(server)}, MCP {server.protocol_version}, {state} (breaker {server.breaker})")
    print(f"listing {server.listing_hash}")
    print()
    print("\n".join(columns([_HEADING, *(_row(tool) for tool in server.tools)])))
    reasons = [f"{tool.name}: {tool.reason}" for tool in server.tools if tool.reason]
    if reasons:
        print()
        print("\n".join(reasons))


def _row(tool: Any) -> tuple[str, ...]:
    from switchboard.options.v1 import options_pb2
    from switchboard.registry.v1 import server_registry_service_pb2 as pb

    drift = pb.Drift.Name(tool.drift).removeprefix("DRIFT_").lower()
    enabled = ["everybody"] if tool.enabled_for_all else list(tool.enabled_for)
    return (
        tool.name,
        "yes" if tool.drift == pb.DRIFT_NONE else drift,
        options_pb2.Effect.Name(tool.effect).removeprefix("EFFECT_").lower(),
        "yes" if tool.idempotent else "no",
        options_pb2.PermissionLevel.Name(tool.permission).removeprefix("PERMISSION_LEVEL_").lower(),
        "yes" if tool.sensitive else "no",
        ", ".join(enabled) or "nobody",
    )


def _at(server: Any) -> str:
    return server.url or " ".join(server.command)
