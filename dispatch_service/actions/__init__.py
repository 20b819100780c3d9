"""What each card action means: which tool it calls with which arguments, and how its result is shown.

Above: the journey. Below: one module per action. The list of actions, their payloads and their tools are the contract's;
this package adds only what a descriptor cannot say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from switchboard.dispatch.v1 import action_pb2, dispatch_service_pb2
from switchboard.options.v1 import options_pb2

from dispatch_service.call import Call, Plan
from service_kit.contract.problems import Problem
from service_kit.contract.tools import ToolSpec, message_class, tools_by_rpc

ActionResult = dispatch_service_pb2.ActionResult


class Action(Protocol):
    """One action: from a payload to a plan. Raises Refusal where the domain says no."""

    async def plan(self, call: Call) -> Plan:
        """Say what `call` means to do. Its payload has passed the contract."""
        ...


class Presenter(Protocol):
    """From a tool's result to what people see."""

    def present(self, plan: Plan, result: Mapping[str, Any], reference_key: str) -> ActionResult:
        """Render the answer. `reference_key` is what our own reference is made of."""
        ...


class ActionWithAnswer(Action, Presenter, Protocol):
    """An action that shows its own results."""


class Tolerant(Protocol):
    """An action that works with a payload in which something is still missing, and that is told of its success."""

    def objections(self, call: Call) -> list[Problem]:
        """Return those problems of `call` that are a reason to refuse it."""
        ...

    async def succeeded(self, call: Call) -> None:
        """Take note that the action's tool did what was asked."""
        ...


def payload_types() -> dict[str, Descriptor]:
    """Return each action's payload type, read off the oneof of DispatchRequest."""
    oneof = dispatch_service_pb2.DispatchRequest.DESCRIPTOR.oneofs_by_name["action"]
    return {field.name.upper(): field.message_type for field in oneof.fields if field.message_type is not None}


def tool_of(action: str) -> ToolSpec:
    """Return the tool that the contract links to an action."""
    options = action_pb2.Action.DESCRIPTOR.values_by_name[action].GetOptions()
    return tools_by_rpc()[options.Extensions[options_pb2.action].rpc]


class ActionRegistry:
    """Every action of the contract with its meaning."""

    def __init__(
        self, actions: Mapping[str, Action], presenters: Mapping[str, Presenter], tolerant: Mapping[str, Tolerant]
    ) -> None:
        self._payloads = payload_types()
        if set(actions) != set(self._payloads):
            raise ValueError(f"actions without a meaning: {sorted(set(self._payloads) ^ set(actions))}")
        self._actions = dict(actions)
        self._presenters = dict(presenters)
        self._tolerant = dict(tolerant)

    def new_payload(self, action: str) -> Message | None:
        """Return an empty payload of an action, or None where there is no such action."""
        descriptor = self._payloads.get(action)
        return message_class(descriptor)() if descriptor is not None else None

    def payload_type(self, action: str) -> Descriptor:
        """Return the payload type of an action."""
        return self._payloads[action]

    def objections(self, call: Call) -> list[Problem]:
        """Return those problems of `call` that are a reason to refuse it."""
        tolerant = self._tolerant.get(call.action)
        return list(call.problems) if tolerant is None else tolerant.objections(call)

    async def plan(self, call: Call) -> Plan:
        """Say what `call` means to do. Raises Refusal."""
        return await self._actions[call.action].plan(call)

    async def succeeded(self, call: Call, plan: Plan) -> None:
        """Tell the action that its tool did what was asked."""
        tolerant = self._tolerant.get(call.action)
        if tolerant is not None and plan.own_key:
            await tolerant.succeeded(call)

    def present(self, plan: Plan, result: Mapping[str, Any], reference_key: str) -> ActionResult:
        """Render what people see of a result."""
        return self._presenters[plan.presenter].present(plan, result, reference_key)
