"""What a caller may do: the tools of the contract whose servers are there, with what policy would ask of the caller.

Above: ToolService. Below: the contract (nothing is listed by hand), policy, the adapter's registry.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from google.protobuf.descriptor import Descriptor
from google.protobuf.struct_pb2 import Struct
from switchboard.tool.v1 import tool_service_pb2 as pb

from dispatch_service.call import TOOL
from dispatch_service.doors.tools import name_of
from dispatch_service.permission import action_id
from dispatch_service.policy import Effect, Policies
from dispatch_service.principal import Principal
from service_kit.contract.fields import Kind, plan_for
from service_kit.contract.image import comment_of
from service_kit.contract.tools import ToolSpec, tools

VERSION = "1.0"
_PERMISSIONS: Mapping[Effect, str] = {
    Effect.ALLOW: "unrestricted",
    Effect.NEEDS_REASONING: "soft_limit",
    Effect.NEEDS_AUTHORIZATION: "requires_authorization",
}


class Registry(Protocol):
    """Which tool servers there are."""

    async def servers(self) -> Collection[str]:
        """Return the names of the servers that tools can be called on."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class _Described:
    tool: pb.Tool
    parameters: Struct


class Listing:
    """Lists what one caller may do, at least after somebody's decision."""

    def __init__(self, policies: Policies, registry: Registry) -> None:
        self._policies = policies
        self._registry = registry

    async def tools(self, principal: Principal) -> list[pb.Tool]:
        """Every tool, in the order of servers and names."""
        listed = []
        for spec, permission in await self._allowed(principal):
            tool = pb.Tool()
            tool.CopyFrom(_described(spec.server, spec.name).tool)
            tool.permission = permission
            listed.append(tool)
        return listed

    async def capabilities(self, principal: Principal) -> pb.Capabilities:
        """The same by domain, and the kinds of things that can be read."""
        domains: dict[str, pb.CapabilityDomain] = {}
        types = []
        for spec, permission in await self._allowed(principal):
            domain = domains.setdefault(spec.domain, _domain(spec))
            domain.actions.add(
                name=spec.action,
                permission=permission,
                parameters=_described(spec.server, spec.name).parameters,
                server=spec.server,
                tool=spec.name,
            )
            if spec.reads_only:
                types.extend(_data_types(spec))
        return pb.Capabilities(
            version=VERSION,
            domains=[domains[name] for name in sorted(domains)],
            data_types=sorted(types, key=lambda one: one.type),
        )

    async def _allowed(self, principal: Principal) -> list[tuple[ToolSpec, str]]:
        there = await self._registry.servers()
        allowed = []
        for (server, _), spec in sorted(tools().items()):
            level = self._policies.level(principal, action_id(TOOL, name_of(spec)))
            if server in there and level in _PERMISSIONS:
                allowed.append((spec, _PERMISSIONS[level]))
        return allowed


def _domain(spec: ToolSpec) -> pb.CapabilityDomain:
    service, _, _ = spec.rpc.rpartition(".")
    description = comment_of(service).removeprefix(f"{service.rpartition('.')[2]} is ").strip()
    return pb.CapabilityDomain(domain=spec.domain, description=description[:1].upper() + description[1:])


@cache
def _described(server: str, name: str) -> _Described:
    spec = tools()[server, name]
    parameters = _struct(spec.input_schema)
    effect = "read" if spec.reads_only else "destructive" if spec.destructive else "write"
    tool = pb.Tool(
        server=server,
        name=name,
        title=spec.title,
        description=spec.description,
        effect=effect,
        sensitive=spec.sensitive,
        idempotent=spec.idempotent,
        input_schema=parameters,
        output_schema=_struct(spec.output_schema) if spec.output_schema is not None else None,
    )
    return _Described(tool=tool, parameters=parameters)


def _data_types(spec: ToolSpec) -> list[pb.CapabilityDataType]:
    """What a reading tool returns: its lists, narrowed down by its arguments, with what hangs on each entry."""
    takes, gives = spec.messages
    filters = [
        field.json_name
        for field in plan_for(takes.DESCRIPTOR).fields
        if field.kind is not Kind.MESSAGE and (not field.vendor_field or field.is_service_id)
    ]
    return [
        pb.CapabilityDataType(type=field.json_name, filters=filters, includes=_includes(field.message))
        for field in plan_for(gives.DESCRIPTOR).fields
        if field.repeated and field.message is not None
    ]


def _includes(item: Descriptor) -> list[str]:
    return [field.json_name for field in plan_for(item).fields if field.kind is Kind.MESSAGE]


def _struct(document: dict[str, Any]) -> Struct:
    made = Struct()
    made.update(document)
    return made
