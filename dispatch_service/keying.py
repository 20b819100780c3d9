"""Keys, fingerprints and seals of an action: how a repetition is recognised and how what is kept stays unreadable.

Above: the journey and recovery. Below: the keyring.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeVar

import orjson
from google.protobuf.message import Message

from dispatch_service.call import Call, Plan
from dispatch_service.journal.records import Claim
from dispatch_service.principal import Principal
from service_kit.contract.tools import Pin, ToolSpec, tools_by_rpc
from service_kit.keys import Keyring

Result = TypeVar("Result", bound=Message)
_PLAN_PURPOSE = "plan"
# Enough to be unguessable on the telephone, and not the whole of what the tool takes as its key.
_REFERENCE_DIGITS = 16
# What is kept of a third-party tool: what was configured, and which pin it was, when the call was decided.
_FOREIGN = ("server", "name", "title", "reads_only", "destructive", "idempotent", "sensitive", "level", "domain", "action")


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptPlan:
    """A plan as it is kept, sealed, while it executes: enough for another replica to finish it."""

    plan: Plan
    principal: Principal
    door: str
    action: str
    thread_id: str
    correlation_id: str
    scope: tuple[str, str, str, str]
    received_at: datetime
    reasoning: str

    @classmethod
    def of(cls, call: Call, plan: Plan, scope: tuple[str, str, str, str]) -> Self:
        """Keep what `call` means to do under the claim `scope`."""
        return cls(
            plan=plan,
            principal=call.principal,
            door=call.door,
            action=call.action,
            thread_id=call.thread_id,
            correlation_id=call.correlation_id,
            scope=scope,
            received_at=call.received_at,
            reasoning=call.reasoning,
        )


def canonical(document: Any) -> bytes:
    """The one written form of a JSON document: sorted keys, no white space."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


class Keying:
    """Makes claims, hashes and seals with the stack's keys."""

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys

    def claim(self, call: Call, plan: Plan) -> Claim:
        """Return the claim that `call` takes: on its own key, or on one derived from what it asks for."""
        request = canonical(plan.arguments).decode()
        principal = call.principal
        given = plan.own_key or call.idempotency_key
        parts = ("key", given) if given else ("derived", call.thread_id, request)
        key_hash = self._keys.short_hash(*parts)
        scope = (principal.tenant, principal.subject, call.action, key_hash)
        return Claim(
            scope=scope,
            fingerprint=self._keys.short_hash("request", call.action, call.thread_id, request),
            derived=not given,
            sealed_plan=self.seal_plan(KeptPlan.of(call, plan, scope)),
        )

    def hash(self, document: Any) -> str:
        """Return the keyed hash of a JSON document in its canonical form."""
        return self._keys.hash(canonical(document))

    def seal_result(self, result: Message, scope: tuple[str, str, str, str]) -> bytes:
        """Seal an answer for the callers that repeat the action."""
        return self._keys.seal(result.SerializeToString(), "\x1f".join(scope))

    def unseal_result(self, sealed: bytes, scope: tuple[str, str, str, str], made: type[Result]) -> Result:
        """Open an answer of the type `made` that was kept under the same claim."""
        return made.FromString(self._keys.unseal(sealed, "\x1f".join(scope)))

    def seal_plan(self, kept: KeptPlan) -> bytes:
        """Seal a plan for whoever may have to finish it."""
        return self._keys.seal(orjson.dumps(_document(kept)), _PLAN_PURPOSE)

    def unseal_plan(self, sealed: bytes) -> KeptPlan:
        """Open what `seal_plan` sealed. Raises BadSeal, or KeyError, TypeError or ValueError where it is not a plan of ours."""
        kept = orjson.loads(self._keys.unseal(sealed, _PLAN_PURPOSE))
        plan, principal = kept.pop("plan"), kept.pop("principal")
        tool = _tool(plan.pop("rpc"), plan.pop("foreign", None))
        scope = {name: tuple(values) for name, values in plan.pop("scope").items()}
        return KeptPlan(
            plan=Plan(tool=tool, scope=scope, **plan),
            principal=Principal(**{**principal, "buildings": tuple(principal["buildings"])}),
            scope=tuple(kept.pop("scope")),
            received_at=datetime.fromisoformat(kept.pop("received_at")),
            **kept,
        )

    def seal_text(self, document: Any, purpose: str) -> bytes:
        """Seal a JSON document for a purpose."""
        return self._keys.seal(orjson.dumps(document), purpose)

    def unseal_text(self, sealed: bytes, purpose: str) -> Any:
        """Open a JSON document that was sealed for the same purpose."""
        return orjson.loads(self._keys.unseal(sealed, purpose))


def _document(kept: KeptPlan) -> dict[str, Any]:
    plan, principal = kept.plan, kept.principal
    return {
        "plan": {
            "presenter": plan.presenter,
            "rpc": plan.tool.rpc if plan.tool else "",
            "foreign": _foreign(plan.tool) if plan.tool and plan.tool.foreign else None,
            "arguments": plan.arguments,
            "view": plan.view,
            "own_key": plan.own_key,
            "scope": dict(plan.scope),
            "items": plan.items,
        },
        "principal": {name: getattr(principal, name) for name in Principal.__slots__},
        "door": kept.door,
        "action": kept.action,
        "thread_id": kept.thread_id,
        "correlation_id": kept.correlation_id,
        "scope": kept.scope,
        "received_at": kept.received_at.isoformat(),
        "reasoning": kept.reasoning,
    }


def _foreign(tool: ToolSpec) -> dict[str, Any]:
    return {name: getattr(tool, name) for name in _FOREIGN} | {"pin": tool.revision}


def _tool(rpc: str, foreign: dict[str, Any] | None) -> ToolSpec | None:
    if foreign is not None:
        return ToolSpec(foreign=True, **{**foreign, "pin": Pin(hash=foreign["pin"])})
    return tools_by_rpc()[rpc] if rpc else None


def reference(prefix: str, tool_key: str) -> str:
    """Return our own reference to what an action made: the same for every repetition of it."""
    return f"{prefix}_{tool_key.removeprefix('act_')[:_REFERENCE_DIGITS]}"
