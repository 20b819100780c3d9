"""The doors that a call comes in by: what it means there and how it is answered. The way between is one for all: the journey.

`cards` is the door for clicks, `tools` the one for tools by their name. Above: the journey and recovery. Below: actions, cards,
the contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from switchboard.dispatch.v1 import dispatch_service_pb2
from switchboard.tool.v1 import tool_service_pb2

from dispatch_service.call import Call, Plan, Refusal, ToolAnswer, Waiting
from service_kit.contract.problems import Problem

Result: TypeAlias = dispatch_service_pb2.DispatchResult | tool_service_pb2.CallToolResponse


class Door(Protocol):
    """What differs from door to door."""

    @property
    def answer_type(self) -> type[Result]:
        """The type of every answer."""
        ...

    def objections(self, call: Call) -> Sequence[Problem]:
        """Return those problems of `call` that are a reason to refuse it."""
        ...

    async def plan(self, call: Call) -> Plan:
        """Say what `call` means to do. Raises Refusal where the domain says no."""
        ...

    async def succeeded(self, call: Call, plan: Plan) -> None:
        """Take note that the tool did what was asked."""
        ...

    def of_tool(self, action: str, correlation_id: str, plan: Plan, answer: ToolAnswer, reference_key: str) -> Result:
        """The answer to a call whose tool was called."""
        ...

    def of_view(self, action: str, correlation_id: str, plan: Plan, reference_key: str) -> Result:
        """The answer to a call that needed no tool."""
        ...

    def of_refusal(self, call: Call, refusal: Refusal) -> Result:
        """The answer to a call that was refused before anything was called."""
        ...

    def of_waiting(self, call: Call, plan: Plan, waiting: Waiting) -> Result:
        """The answer to a call that waits for a person."""
        ...
