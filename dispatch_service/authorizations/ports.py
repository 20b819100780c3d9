"""What authorizations need of the journey, as ports: to decide again, and to carry out.

Above: `decisions` and `execution`. Below: `journey`, which implements both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from switchboard.tool.v1 import tool_service_pb2

from dispatch_service.call import Plan
from dispatch_service.keying import KeptPlan
from dispatch_service.policy import Decision
from service_kit.contract.problems import Problem
from service_kit.contract.tools import ToolSpec

Response = tool_service_pb2.CallToolResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptRequest:
    """A call that waits, opened. `kept` is what was asked for and by whom; `kept.plan.arguments` are those that count, edited or
    not.

    `preview` is what was shown to the decider, None where the tool cannot say. `tool_key` is what the tool gets as its
    idempotency key, the same for every attempt. `repeated` says that an earlier attempt may have called the tool already, and
    was never heard of again: what is not the tool's own answer then says nothing of that one, and the outcome is unknown.
    """

    authorization_id: str
    action_id: str
    tool_key: str
    kept: KeptPlan
    preview: dict[str, Any] | None
    repeated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Redecided:
    """What policy says now. `plan` is the kept plan with the arguments that were asked about, and their scope and items."""

    plan: Plan
    decision: Decision
    preview: dict[str, Any] | None


class Redecide(Protocol):
    """Policy, asked once more about a call that waits."""

    async def redecide(self, request: KeptRequest, arguments: dict[str, Any], *, authorized: bool) -> Redecided:
        """Preview the call with `arguments` on behalf of its requester, and decide by the policies of this moment.

        `authorized` says that a person allowed it. The preview is None where `request.preview` is None. Arguments have passed the
        contract. Nothing is journalled and nothing is changed. Raises call.Refusal: INTEGRATION_DOWN where the tool cannot be
        asked just now, another code where it says that the call cannot be made.
        """
        ...


class ForeignArguments(Protocol):
    """The schemas of third-party tools."""

    async def problems(self, tool: ToolSpec, document: Mapping[str, Any], path: str) -> Sequence[Problem]:
        """Return everything that is wrong with `document`, which lies at `path`. Raises call.Refusal where the tool is not what
        it was when the call was asked for."""
        ...


class Carrier(Protocol):
    """The effect."""

    async def carry_out(self, request: KeptRequest, action_id: str) -> Response:
        """Call the tool with `request.tool_key`, journal the outcome on `action_id` and return the answer that the caller of
        CallTool would have had.

        The intent is in the journal already. Never raises for what a tool or a network does; whatever it raises means that
        nobody knows, and it is called again with the same key only where the tool is idempotent.
        """
        ...
