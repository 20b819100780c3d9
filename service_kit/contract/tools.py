"""The tools and card actions that the contract declares, found in the generated code.

Above: dispatch, adapter and tool servers. Below: every generated `switchboard.*` module. Nothing here names a system.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import switchboard
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from switchboard.options.v1 import options_pb2


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolSpec:
    """One tool of the contract. `rpc` is the full name of its RPC; `server` and `name` are what MCP knows it by."""

    server: str
    name: str
    title: str
    rpc: str
    method: str
    reads_only: bool
    destructive: bool
    idempotent: bool
    sensitive: bool
    facts_decide: bool
    domain: str
    action: str
    input: type[Message]
    output: type[Message]


@cache
def generated_modules() -> tuple[ModuleType, ...]:
    """Import and return every generated `switchboard.*_pb2` module."""
    # The generated folders are namespace packages, which pkgutil does not walk into.
    roots = [Path(root) for root in switchboard.__path__]
    names = {".".join(path.relative_to(root.parent).with_suffix("").parts) for root in roots for path in root.rglob("*_pb2.py")}
    return tuple(importlib.import_module(name) for name in sorted(names))


@cache
def services() -> tuple[ServiceDescriptor, ...]:
    """Return the descriptor of every service in the contract."""
    return tuple(service for module in generated_modules() for service in module.DESCRIPTOR.services_by_name.values())


@cache
def tools() -> dict[tuple[str, str], ToolSpec]:
    """Return every tool of the contract by (server, tool name)."""
    found: dict[tuple[str, str], ToolSpec] = {}
    for service in services():
        server = service.GetOptions().Extensions[options_pb2.tool_server].name
        for method in service.methods if server else ():
            spec = _tool(server, service, method)
            found[server, spec.name] = spec
    return found


@cache
def tools_by_rpc() -> dict[str, ToolSpec]:
    """Return every tool of the contract by the full name of its RPC."""
    return {spec.rpc: spec for spec in tools().values()}


def tools_of(server: str) -> list[ToolSpec]:
    """Return the tools of one server, in the contract's order."""
    return [spec for (owner, _), spec in tools().items() if owner == server]


def message_class(descriptor: Descriptor) -> type[Message]:
    """Return the generated class of a message type."""
    return GetMessageClass(descriptor)


def _tool(server: str, service: ServiceDescriptor, method: MethodDescriptor) -> ToolSpec:
    options = method.GetOptions().Extensions[options_pb2.tool]
    return ToolSpec(
        server=server,
        name=options.name,
        title=options.title,
        rpc=f"{service.full_name}.{method.name}",
        method=method.name,
        reads_only=options.effect == options_pb2.EFFECT_READ,
        destructive=options.effect == options_pb2.EFFECT_DESTRUCTIVE,
        idempotent=options.idempotent,
        sensitive=options.sensitive,
        facts_decide=options.facts_decide,
        domain=options.domain,
        action=options.action,
        input=message_class(method.input_type),
        output=message_class(method.output_type),
    )
