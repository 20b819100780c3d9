"""`switchboard tools`: every tool of the contract, and whether its server answers."""

from __future__ import annotations

import argparse
import json

from stack.adapter_channel import SECONDS, adapter_channel, answered, columns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print names, descriptions and schemas as JSON")


def run(options: argparse.Namespace) -> int:
    """List the tools; where a stack runs, with the health of their servers."""
    # Loaded only here: generated code is much to load for every other command.
    from service_kit.contract.image import comment_of
    from service_kit.contract.tools import tools

    if options.json:
        listed = [
            {
                "server": tool.server,
                "name": tool.name,
                "title": tool.title,
                "description": comment_of(tool.rpc),
                "inputSchema": tool.input_schema,
                "outputSchema": tool.output_schema,
            }
            for tool in tools().values()
        ]
        print(json.dumps(listed, indent=2))
        return 0
    rows = [("server", "tool", "effect", "repeatable", "title")]
    for tool in tools().values():
        effect = "reads" if tool.reads_only else "destroys" if tool.destructive else "writes"
        rows.append((tool.server, tool.name, effect, "yes" if tool.idempotent else "no", tool.title))
    print("\n".join(columns(rows)))
    print()
    print("\n".join(_health(sorted({tool.server for tool in tools().values()}))))
    return 0


def _health(servers: list[str]) -> list[str]:
    from switchboard.adapter.v1 import adapter_service_pb2, adapter_service_pb2_grpc

    lines = []
    with adapter_channel() as channel:
        stub = adapter_service_pb2_grpc.AdapterServiceStub(channel)
        for server in servers:
            request = adapter_service_pb2.CheckServerRequest(server=server)
            reply = answered(lambda request=request: stub.CheckServer(request, timeout=SECONDS))  # type: ignore[misc]
            lines.append(f"{server}: {'answers' if reply.healthy else reply.message} (breaker {reply.breaker})")
    return lines
