"""Permission: what policy says of a call, with everything that it has to know for that.

Above: the journey, and authorizations, which ask again before they carry out. Below: `policy`, grants, and the adapter for
previews: where only the tool knows what a call would do, it is asked before anybody decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from switchboard.tool.v1 import preview_pb2

from dispatch_service.adapter import ToolPort
from dispatch_service.call import Call, Plan, Refusal, ToolAnswer
from dispatch_service.doors import errors
from dispatch_service.policy import Decision, Effect, GrantRef, Policies, Question, as_record
from dispatch_service.principal import Principal
from service_kit.contract.problems import Problem

_NOT_TOLD = "The tool cannot say just now what this would do, so it was not done."
_TOOL_CODES = {
    "INVALID_ARGUMENT": "The tool does not take this.",
    "NOT_FOUND": errors.NOT_FOUND,
    "CONFLICT": "What this is about has changed. Look it up and try again.",
    "FORBIDDEN": "The tool does not allow this.",
}
_CONFIRMED = "Whoever had this done wants a person to confirm it."
_OWN_SCOPES = ("owner", "building", "resident")


class LiveGrants(Protocol):
    """Where standing permissions are found."""

    async def live(self, tenant: str, subject: str, kind: str, server: str, tool: str) -> Sequence[GrantRef]:
        """Return those that cover a caller and a tool now."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Permitted:
    """What policy was asked and said: go, or wait for a person. `preview` is what the call would do, where that was found out."""

    question: Question
    decision: Decision
    preview: dict[str, Any] | None = None
    # The caller wants a person to decide, whatever policy says.
    confirm: bool = False

    @property
    def waits(self) -> bool:
        """Whether a person has to decide first."""
        return self.confirm or self.decision.effect is Effect.NEEDS_AUTHORIZATION

    @property
    def reason(self) -> str:
        """Why a person has to decide."""
        return self.decision.reason or _CONFIRMED

    def as_record(self) -> dict[str, Any]:
        """The journal's note of it."""
        return as_record(self.question, self.decision)


class Permission:
    """Asks policy. `seconds` bounds a preview."""

    def __init__(self, *, policies: Policies, grants: LiveGrants, adapter: ToolPort, seconds: float) -> None:
        self._policies = policies
        self._grants = grants
        self._adapter = adapter
        self._seconds = seconds

    async def ask(self, call: Call, plan: Plan) -> Permitted:
        """Say whether `call` may go on at once or has to wait. Raises Refusal where it may not, or where nobody can tell."""
        permitted = await self.decide(
            call.principal,
            action_id(call.door, call.action),
            plan,
            correlation_id=call.correlation_id,
            reasoning=call.reasoning,
            confirm=call.confirm,
        )
        _refuse(permitted, plan)
        return permitted

    async def decide(
        self,
        principal: Principal,
        action: str,
        plan: Plan,
        *,
        correlation_id: str,
        reasoning: str,
        authorized: bool = False,
        confirm: bool = False,
    ) -> Permitted:
        """Put one question to policy.

        Where it asks for a person, where only facts can tell, or where a person has decided, it is put again with what a preview
        finds out, and then with standing permissions. Raises Refusal where there is no preview to be had; a third-party tool has
        none, so that what it would do is not known to policy either, and counts as too much where that matters. `confirm` has a
        person decide in any case.
        """
        question = Question(
            principal=principal,
            action=action,
            scope=plan.scope,
            facts=None,
            items=plan.items,
            reasoning=bool(reasoning.strip()),
            authorized=authorized,
        )
        decision = self._policies.decide(question)
        preview = None
        if _needs_preview(plan, decision, decided=authorized or confirm):
            preview = await self._preview(principal, plan, correlation_id)
            question = _with_facts(question, preview.get("facts") or {})
            decision = self._policies.decide(question)
        if plan.tool is not None and decision.effect is Effect.NEEDS_AUTHORIZATION and decision.offers_always:
            grants = await self._grants.live(
                principal.tenant, principal.subject, principal.kind, plan.tool.server, plan.tool.name
            )
            if grants:
                decision = self._policies.decide(question, grants)
        return Permitted(question=question, decision=decision, preview=preview, confirm=confirm)

    async def _preview(self, principal: Principal, plan: Plan, correlation_id: str) -> dict[str, Any]:
        if plan.tool is None:
            raise ValueError("only a tool has a preview")
        answer = await self._adapter.call(
            plan.tool,
            plan.arguments,
            principal=principal,
            correlation_id=correlation_id,
            key="",
            seconds=self._seconds,
            dry_run=True,
        )
        if not answer.succeeded:
            raise _no_preview(answer)
        return answer.result


def action_id(door: str, action: str) -> str:
    """Return what policies call an action."""
    return f"{door}/{action}"


def _needs_preview(plan: Plan, decision: Decision, *, decided: bool) -> bool:
    """Whether the tool is asked what it would do. `decided` says that a person decides on it, or has."""
    if plan.tool is None or plan.tool.foreign or plan.tool.reads_only or decision.effect is Effect.DENY:
        return False
    return plan.dry_run or plan.tool.facts_decide or decided or decision.effect is Effect.NEEDS_AUTHORIZATION


def _no_preview(answer: ToolAnswer) -> Refusal:
    """The tool says that the call would fail, or cannot say what it would do: either way it is not made."""
    code = answer.code if answer.from_tool and answer.code in _TOOL_CODES else errors.DOWN
    problems = []
    if answer.error_field and code not in {errors.DOWN, "NOT_FOUND"}:
        problems = [Problem(path=answer.error_field, rule=f"tool.{code.lower()}", message=_TOOL_CODES[code])]
    return Refusal(code, _TOOL_CODES.get(code, _NOT_TOLD), problems, retryable=answer.retryable)


def _with_facts(question: Question, facts: Mapping[str, Any]) -> Question:
    """Put what a preview found out into the question: facts by their contract's names, and whose data it turned out to be."""
    try:
        message: Message = ParseDict(dict(facts), preview_pb2.PreviewFacts(), ignore_unknown_fields=True)
    except ParseError:
        message = preview_pb2.PreviewFacts()
    known = {field.name: value for field, value in message.ListFields()}
    scope = dict(question.scope)
    for name in _OWN_SCOPES:
        if known.get(name):
            scope[name] = (*scope.get(name, ()), known[name])
    return Question(
        principal=question.principal,
        action=question.action,
        scope=scope,
        facts=known,
        items=max(question.items, known.get("items", 0)),
        reasoning=question.reasoning,
        authorized=question.authorized,
    )


def _refuse(permitted: Permitted, plan: Plan) -> None:
    decision = permitted.decision
    if decision.effect is Effect.ALLOW:
        return
    record = permitted.as_record()
    if decision.effect is Effect.NEEDS_REASONING and not plan.dry_run:
        problem = Problem(path="reasoning", rule="required", message="Say why this is to be done.", missing=True)
        raise Refusal("REASONING_REQUIRED", decision.reason, [problem], decision=record)
    if decision.effect is Effect.DENY:
        if decision.hidden:
            # What belongs to somebody else is answered like what does not exist.
            raise Refusal("NOT_FOUND", errors.NOT_FOUND, decision=record)
        raise Refusal("FORBIDDEN", decision.reason, decision=record)
