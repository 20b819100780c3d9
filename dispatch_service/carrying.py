"""Calls that a person allowed: policy is asked once more, then they go the rest of the way.

Above: `authorizations`, through its ports. Below: `permission` and `execution`, as on the journey.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from switchboard.tool.v1 import tool_service_pb2

from dispatch_service.authorizations.ports import KeptRequest, Redecided
from dispatch_service.call import TOOL, Plan, Refusal
from dispatch_service.doors import Result
from dispatch_service.doors.tools import foreign_plan_of
from dispatch_service.execution import Execution, Intent
from dispatch_service.foreign import CHANGED, ToolCatalogue
from dispatch_service.keying import KeptPlan
from dispatch_service.permission import Permission, action_id
from service_kit.contract.parse import parse
from service_kit.contract.scope import items_of, scope_of

Response = tool_service_pb2.CallToolResponse


class Carrying:
    """Decides again, and carries out."""

    def __init__(self, permission: Permission, execution: Execution, catalogue: ToolCatalogue) -> None:
        self._catalogue = catalogue
        self._permission = permission
        self._execution = execution

    async def redecide(self, request: KeptRequest, arguments: dict[str, Any], *, authorized: bool) -> Redecided:
        """Ask policy of this moment about the call with `arguments`. Raises Refusal where the tool cannot say what it does."""
        kept = request.kept
        self._see_that_it_is_the_same(kept)
        plan = _with_arguments(kept, arguments)
        permitted = await self._permission.decide(
            kept.principal,
            action_id(kept.door, kept.action),
            plan,
            correlation_id=kept.correlation_id,
            reasoning=kept.reasoning,
            authorized=authorized,
            # What was shown to a person is found out again, also where policy would not have asked for one.
            confirm=request.preview is not None,
        )
        return Redecided(plan=plan, decision=permitted.decision, preview=permitted.preview)

    def _see_that_it_is_the_same(self, kept: KeptPlan) -> None:
        """A third-party tool that was pinned anew, or changed, is not the one that was asked for. Whether it is enabled, and what
        it needs, is for policy to say."""
        tool = kept.plan.tool
        if tool is None or not tool.foreign:
            return
        if not self._catalogue.knows(tool.server):
            raise Refusal("INTEGRATION_DOWN", "Which third-party tools there are is not known just now.", retryable=True)
        current = self._catalogue.find(tool.server, tool.name)
        if current is not None and (current.revision != tool.revision or self._catalogue.unavailable(current)):
            raise Refusal("CONFLICT", CHANGED)

    async def carry_out(self, request: KeptRequest, action_id: str) -> Response:
        """Call the tool, journal the outcome and return what the caller of CallTool would have been answered."""
        intent = Intent(action_id=action_id, tool_key=request.tool_key, claimed=True, repeated=request.repeated, allowed=True)
        return _as_response(await self._execution.carry_out(request.kept, intent), request.kept)


def _with_arguments(kept: KeptPlan, arguments: dict[str, Any]) -> Plan:
    plan = kept.plan
    if kept.door != TOOL or plan.tool is None:
        return replace(plan, arguments=arguments)
    if plan.tool.input is None:
        return foreign_plan_of(plan.tool, arguments)
    message = plan.tool.input()
    parse(arguments, message)
    return replace(plan, arguments=arguments, scope=scope_of(message), items=items_of(message))


def _as_response(result: Result, kept: KeptPlan) -> Response:
    if isinstance(result, Response):
        return result
    tool = kept.plan.tool
    response = Response(
        ok=result.ok,
        server=tool.server if tool else "",
        tool=tool.name if tool else "",
        correlation_id=result.correlation_id,
    )
    if result.HasField("error"):
        response.error.CopyFrom(result.error)
    if result.HasField("result"):
        response.result.message = result.result.message
        response.result.card.CopyFrom(result.result.card)
    return response
