"""What a caller may do: the tools that are there for it, with what policy would ask of it.

Above: ToolService. Below: the catalogue of tools (nothing is listed by hand), policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from google.protobuf.descriptor import Descriptor
from switchboard.tool.v1 import tool_service_pb2 as pb

from dispatch_service.aliases import AliasTable
from dispatch_service.call import TOOL
from dispatch_service.doors.tools import name_of
from dispatch_service.permission import action_id
from dispatch_service.policy import Effect, Policies
from dispatch_service.principal import Principal
from dispatch_service.tool_descriptions import described, function_of, named, parameters_of
from service_kit.contract.fields import Kind, plan_for
from service_kit.contract.image import comment_of
from service_kit.contract.tools import ToolSpec

VERSION = "1.0"
# In the place of a permission: asking for it is of no use.
UNAVAILABLE = "unavailable"
_PERMISSIONS: Mapping[Effect, str] = {
    Effect.ALLOW: "unrestricted",
    Effect.NEEDS_REASONING: "soft_limit",
    Effect.NEEDS_AUTHORIZATION: "requires_authorization",
}


class Catalogue(Protocol):
    """Which tools there are."""

    async def tools_for(self, principal: Principal) -> Sequence[ToolSpec]:
        """Return those that are there for a caller, whether it may call them or not, in the order of servers and names."""
        ...

    def unavailable_for(self, principal: Principal) -> Sequence[ToolSpec]:
        """Return those that would be there for a caller, and are not called until an operator has looked at them."""
        ...


class Listing:
    """Lists what one caller may do, at least after somebody's decision."""

    def __init__(self, policies: Policies, catalogue: Catalogue) -> None:
        self._policies = policies
        self._catalogue = catalogue

    async def tools(self, principal: Principal, *, names_only: bool = False) -> list[pb.Tool]:
        """Every tool, in the order of servers and names, those that are not called as things stand among them."""
        listed = []
        found = [*await self._allowed(principal), *self._unavailable(principal)]
        for spec, permission in sorted(found, key=lambda one: (one[0].server, one[0].name)):
            tool = named(spec) if names_only else pb.Tool()
            if not names_only:
                tool.CopyFrom(described(spec))
            tool.permission = permission
            listed.append(tool)
        return listed

    async def functions(self, principal: Principal, server: str = "") -> list[pb.Tool]:
        """The same as functions for a model's API; of one server, where one is named."""
        return [
            function_of(spec, reasoned=permission != _PERMISSIONS[Effect.ALLOW])
            for spec, permission in await self._allowed(principal)
            if server in ("", spec.server)
        ]

    async def aliases(self, principal: Principal) -> AliasTable[ToolSpec]:
        """The tools that are there for a caller by their names for models. Whether it may call one is for the journey to say."""
        return AliasTable([*await self._catalogue.tools_for(principal), *self._catalogue.unavailable_for(principal)])

    async def capabilities(self, principal: Principal) -> pb.Capabilities:
        """The same by domain, and the kinds of things that can be read."""
        domains: dict[str, pb.CapabilityDomain] = {}
        types = []
        for spec, permission in await self._allowed(principal):
            domain = domains.setdefault(spec.domain, _domain(spec))
            domain.actions.add(
                name=spec.action,
                permission=permission,
                parameters=parameters_of(spec),
                server=spec.server,
                tool=spec.name,
            )
            if spec.reads_only and not spec.foreign:
                types.extend(_data_types(spec))
        return pb.Capabilities(
            version=VERSION,
            domains=[domains[name] for name in sorted(domains)],
            data_types=sorted(types, key=lambda one: one.type),
        )

    async def _allowed(self, principal: Principal) -> list[tuple[ToolSpec, str]]:
        levels = ((spec, self._level(principal, spec)) for spec in await self._catalogue.tools_for(principal))
        return [(spec, _PERMISSIONS[level]) for spec, level in levels if level in _PERMISSIONS]

    def _unavailable(self, principal: Principal) -> list[tuple[ToolSpec, str]]:
        found = self._catalogue.unavailable_for(principal)
        return [(spec, UNAVAILABLE) for spec in found if self._level(principal, spec) in _PERMISSIONS]

    def _level(self, principal: Principal, spec: ToolSpec) -> Effect:
        return self._policies.level(principal, action_id(TOOL, name_of(spec)))


def _domain(spec: ToolSpec) -> pb.CapabilityDomain:
    if spec.foreign:
        return pb.CapabilityDomain(domain=spec.domain, description=f"The tools of {spec.server}, a third party's server.")
    service, _, _ = spec.rpc.rpartition(".")
    description = comment_of(service).removeprefix(f"{service.rpartition('.')[2]} is ").strip()
    return pb.CapabilityDomain(domain=spec.domain, description=description[:1].upper() + description[1:])


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
