"""The actions that policies speak of, read off the contract: every tool, every card action, and the groups that each belongs to.

Above: `schema` and `policies`. Below: descriptors, of the code in use or of a freshly built image. Third-party tools are actions,
too, with the groups that an operator's configuration gives them; which there are is known while the service runs, and not here.

    card/NAME                a card action, `card/HOUSECALL_PRO_BOOKING`
    tool/SERVER/TOOL         a tool called by its name, `tool/housecall_pro/housecall_pro.create_booking`
    groups                   card, tool, level/…, effect/…, server/…, sensitive; a card action has its tool's
                             foreign, for a tool of a third party
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumDescriptor, ServiceDescriptor
from switchboard.dispatch.v1 import action_pb2
from switchboard.options.v1 import options_pb2
from switchboard.tool.v1 import preview_pb2

from dispatch_service.principal import Principal
from service_kit.contract.tools import ToolSpec, services

CARD, TOOL, SENSITIVE, FOREIGN = "card", "tool", "sensitive", "foreign"
LEVELS = ("level/unrestricted", "level/soft_limit", "level/requires_authorization")
EFFECTS = ("effect/read", "effect/write", "effect/destructive")
USE_GRANT = "use-grant"

_ActionOptions = options_pb2.action
_Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyAction:
    """One action. `server` and `tool` are the tool that it calls, empty where it calls none. `enabled_for` are the subjects for
    whom it is enabled, None where it need not be or is for everybody."""

    id: str
    server: str
    tool: str
    groups: tuple[str, ...]
    enabled_for: frozenset[str] | None = None

    @property
    def door(self) -> str:
        """`card` or `tool`."""
        return self.id.partition("/")[0]

    @property
    def name(self) -> str:
        """The action's name at its door: what it is the resource by, too."""
        return self.id.partition("/")[2]

    @property
    def sensitive(self) -> bool:
        """Whether a person has to decide every time."""
        return SENSITIVE in self.groups

    @property
    def foreign(self) -> bool:
        """Whether it calls a third party's tool."""
        return FOREIGN in self.groups

    def enabled(self, principal: Principal) -> bool:
        """Whether the caller is one for whom it is enabled."""
        return self.enabled_for is None or principal.subject in self.enabled_for


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """Everything that a policy may speak of. `facts` are the names of what previews tell, with their Cedar types."""

    actions: tuple[PolicyAction, ...]
    facts: _Facts

    @property
    def servers(self) -> tuple[str, ...]:
        """The tool servers, in order."""
        return tuple(sorted({action.server for action in self.actions if action.server}))


def contract_vocabulary() -> Vocabulary:
    """Return what the contract in use declares."""
    return _vocabulary(services(), action_pb2.Action.DESCRIPTOR, preview_pb2.PreviewFacts.DESCRIPTOR)


def vocabulary_of(image: descriptor_pb2.FileDescriptorSet) -> Vocabulary:
    """Return what the contract in a descriptor image declares."""
    pool = descriptor_pool.DescriptorPool()
    for file in image.file:
        pool.Add(file)
    declared = [service for file in image.file for service in pool.FindFileByName(file.name).services_by_name.values()]
    return _vocabulary(
        declared,
        pool.FindEnumTypeByName(action_pb2.Action.DESCRIPTOR.full_name),
        pool.FindMessageTypeByName(preview_pb2.PreviewFacts.DESCRIPTOR.full_name),
    )


def third_party_action(tool: ToolSpec, enabled_for: frozenset[str] | None) -> PolicyAction:
    """Return what policies call a third-party tool."""
    effect = EFFECTS[0] if tool.reads_only else EFFECTS[2] if tool.destructive else EFFECTS[1]
    groups = [TOOL, f"level/{tool.level}", effect, f"server/{tool.server}", *([SENSITIVE] if tool.sensitive else []), FOREIGN]
    return PolicyAction(
        id=f"{TOOL}/{tool.server}/{tool.name}",
        server=tool.server,
        tool=tool.name,
        groups=tuple(groups),
        enabled_for=enabled_for,
    )


def _vocabulary(declared: Iterable[ServiceDescriptor], cards: EnumDescriptor, facts: Descriptor) -> Vocabulary:
    tools = {
        f"{service.full_name}.{method.name}": (server, method.GetOptions().Extensions[options_pb2.tool])
        for service in declared
        if (server := service.GetOptions().Extensions[options_pb2.tool_server].name)
        for method in service.methods
    }
    actions = [_action(f"tool/{server}/{options.name}", server, options) for server, options in tools.values()]
    for value in cards.values:
        if value.number:
            rpc = value.GetOptions().Extensions[_ActionOptions].rpc
            server, options = tools.get(rpc, ("", options_pb2.ToolOptions()))
            actions.append(_action(f"card/{value.name}", server, options))
    names = tuple((field.name, _cedar_type(field.cpp_type, field.CPPTYPE_STRING)) for field in facts.fields)
    return Vocabulary(actions=tuple(sorted(actions, key=lambda action: action.id)), facts=names)


def _action(action_id: str, server: str, options: options_pb2.ToolOptions) -> PolicyAction:
    groups = [action_id.partition("/")[0]]
    if server:
        level = options_pb2.PermissionLevel.Name(options.permission).removeprefix("PERMISSION_LEVEL_").lower()
        effect = options_pb2.Effect.Name(options.effect).removeprefix("EFFECT_").lower()
        # A tool that does not say what it asks for, or does, is taken for the worst.
        groups.append(f"level/{level}" if f"level/{level}" in LEVELS else LEVELS[-1])
        groups.append(f"effect/{effect}" if f"effect/{effect}" in EFFECTS else EFFECTS[-1])
        groups.append(f"server/{server}")
        if options.sensitive:
            groups.append(SENSITIVE)
    return PolicyAction(id=action_id, server=server, tool=options.name, groups=tuple(groups))


def _cedar_type(cpp_type: int, text: int) -> str:
    return "String" if cpp_type == text else "Long"
