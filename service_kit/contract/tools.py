"""The tools and card actions that the contract declares, found in the generated code, and what a third-party tool is beside them.

Above: dispatch, adapter and tool servers. Below: every generated `switchboard.*` module. Nothing here names a system.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import switchboard
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from switchboard.options.v1 import options_pb2

from service_kit.contract.image import comment_of
from service_kit.contract.schema import input_schema, output_schema

LEVELS = ("unrestricted", "soft_limit", "requires_authorization")
"""What a tool can ask for by itself, from the least to the most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """What a third-party tool was when an operator accepted it: `hash` stands for the rest. The schemas are not to be changed."""

    hash: str
    description: str = ""
    input_schema: dict[str, Any] = field(default_factory=dict, hash=False)
    output_schema: dict[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolSpec:
    """One tool: of the contract, or of a third party. `server` and `name` are what MCP knows it by.

    One of the contract has messages for its arguments and its result, and `rpc` is the full name of its RPC. A third-party one
    (`foreign`) has none: its `pin` says what it takes and gives, and what it does is what an operator configured.
    """

    server: str
    name: str
    title: str
    rpc: str = ""
    method: str = ""
    reads_only: bool
    destructive: bool
    idempotent: bool
    sensitive: bool
    facts_decide: bool = False
    # One of LEVELS; who does not say is taken for the worst.
    level: str = LEVELS[-1]
    domain: str
    action: str
    input: type[Message] | None = None
    output: type[Message] | None = None
    foreign: bool = False
    pin: Pin | None = None

    @property
    def messages(self) -> tuple[type[Message], type[Message]]:
        """The types of arguments and result. Raises TypeError for a third-party tool, which has none."""
        if self.input is None or self.output is None:
            raise TypeError(f"{self.server}/{self.name} is not a tool of the contract")
        return self.input, self.output

    @property
    def description(self) -> str:
        """What it does, in the contract's words or, of a third-party tool, in its server's."""
        if self.foreign:
            return self.pin.description if self.pin else ""
        return comment_of(self.rpc).removeprefix(self.method).strip()

    @property
    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema of its arguments, without what the adapter fills in. Not to be changed."""
        if self.input is not None:
            return _input_schema(self)
        return self.pin.input_schema if self.pin else {}

    @property
    def output_schema(self) -> dict[str, Any] | None:
        """The JSON Schema of its result, where it has one. Not to be changed."""
        if self.output is not None:
            return _output_schema(self)
        return self.pin.output_schema if self.pin else None

    @property
    def revision(self) -> str:
        """Changes whenever the description or a schema does."""
        return self.pin.hash if self.pin else _revision(self)


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
    level = options_pb2.PermissionLevel.Name(options.permission).removeprefix("PERMISSION_LEVEL_").lower()
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
        level=level if level in LEVELS else LEVELS[-1],
        domain=options.domain,
        action=options.action,
        input=message_class(method.input_type),
        output=message_class(method.output_type),
    )


@cache
def _input_schema(spec: ToolSpec) -> dict[str, Any]:
    return input_schema(spec.messages[0].DESCRIPTOR, without_filled=True)


@cache
def _output_schema(spec: ToolSpec) -> dict[str, Any]:
    return output_schema(spec.messages[1].DESCRIPTOR, without_secrets=True)


@cache
def _revision(spec: ToolSpec) -> str:
    told = [spec.description, spec.input_schema, spec.output_schema]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]
