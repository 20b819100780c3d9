"""Who may do what. One decision per action, with the ids of the policies that made it.

Above: the journey. Below: nothing yet but the two rules that card actions have by themselves: they are for people's clicks and
for services that act for people, never for a model.
"""

from __future__ import annotations

from dataclasses import dataclass

from dispatch_service.call import Call, Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Whether an action may run. `reason` is for a person."""

    allowed: bool
    policy_ids: tuple[str, ...]
    reason: str = ""


_ALLOW = Decision(allowed=True, policy_ids=("card-actions.people",))
_NO_MODELS = Decision(
    allowed=False,
    policy_ids=("card-actions.no-models",),
    reason="Card actions are carried out when a person clicks, not when a model calls.",
)
_OTHER_TENANT = Decision(allowed=False, policy_ids=("card-actions.own-tenant",), reason="This token is for another company.")


def decide(call: Call, plan: Plan, tenant: str) -> Decision:
    """Decide one action. `plan` says which tool would be called with what."""
    if call.principal.tenant != tenant:
        return _OTHER_TENANT
    if call.principal.kind == "model":
        return _NO_MODELS
    return _ALLOW
