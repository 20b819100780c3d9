"""One set of policies, ready to be asked: parsed once, with what each policy says of itself.

Above: `policies` and `explain`. Below: cedarpy, and `source` for the files.

A policy that cannot be evaluated is skipped by Cedar, so a broken forbid would let everything through. Here any such error, and
anything else that Cedar cannot make sense of, is `Unreadable`, which is a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cedarpy
import orjson

from dispatch_service.policy.contract import TOOL, USE_GRANT, PolicyAction, Vocabulary
from dispatch_service.policy.question import GrantRef
from dispatch_service.policy.schema import render
from dispatch_service.policy.source import GRANT_TEMPLATE, Policy, read_policies
from dispatch_service.principal import Principal

_PRINCIPALS_KEPT = 1024
_NAMED = re.compile(r"policy `([^`]*)`")


class Unreadable(Exception):
    """The rules could not be evaluated. `policy_ids` are those that broke, as far as Cedar names them."""

    def __init__(self, policy_ids: Sequence[str]) -> None:
        super().__init__("policies could not be evaluated")
        self.policy_ids = tuple(policy_ids)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Cedar's answer: whether it is allowed, and the policies that decided, in the order of the files."""

    allowed: bool
    deciding: tuple[Policy, ...]


class Ruleset:
    """Policies of one directory. Raises PoliciesUnusable where they do not pass. What it holds never changes."""

    def __init__(self, directory: Path, vocabulary: Vocabulary) -> None:
        schema = cedarpy.Schema.from_str(render(vocabulary))
        self.policies = read_policies(directory, schema)
        self.actions = {action.id: action for action in vocabulary.actions}
        self.facts = dict(vocabulary.facts)
        self._order = {policy.id: number for number, policy in enumerate(self.policies)}
        self._set = _policy_set(policy for policy in self.policies if not policy.template)
        self._named = frozenset(name for policy in self.policies for name in _resources(policy.body))
        self._grants = _policy_set(policy for policy in self.policies if policy.template)
        # With the schema, the actions and their groups are entities too.
        base = cedarpy.Entities.from_json_str("[]", schema=schema)
        base = base.with_added_json_str(_json(_tool_entity(action) for action in vocabulary.actions if action.door == TOOL))
        self._of_principal = lru_cache(_PRINCIPALS_KEPT)(lambda principal: base.with_added_json_str(_json([_entity(principal)])))
        self._of_third_party = lru_cache(_PRINCIPALS_KEPT)(
            lambda principal, action: self._of_principal(principal).with_added_json_str(
                _json([_action_entity(action), _tool_entity(action)])
            )
        )

    def stands_for(self, action: PolicyAction, principal: Principal) -> PolicyAction:
        """Return what an action is decided as. Third-party tools of the same groups, that no policy names, are decided alike for
        a caller: however many there are, policy is asked once for all of them."""
        if not action.foreign or action.server in self._named or action.name in self._named:
            return action
        return _any_of(tuple(group for group in action.groups if not group.startswith("server/")), action.enabled(principal))

    def ask(self, principal: Principal, action: PolicyAction, context: Mapping[str, Any]) -> Verdict:
        """Ask Cedar. Raises Unreadable."""
        return self._asked(self._set, principal, action.id, action, context)

    def ask_each(self, principal: Principal, action: PolicyAction, context: Mapping[str, Any]) -> tuple[Policy, ...]:
        """Return every policy that applies to the call, whether it decides or not. Raises Unreadable."""
        static = [policy for policy in self.policies if not policy.template]
        return tuple(
            policy for policy in static if self._asked(_policy_set([policy]), principal, action.id, action, context).deciding
        )

    def covered_by(
        self, principal: Principal, action: PolicyAction, context: Mapping[str, Any], grants: Sequence[GrantRef]
    ) -> tuple[str, ...]:
        """Return the ids of the grants that cover the call. Each is a link of the template. Raises Unreadable."""
        links = [
            {
                "template_id": GRANT_TEMPLATE,
                "new_id": grant.id,
                "values": {
                    "?principal": _uid("Principal", principal_id(grant.subject_kind, grant.subject)),
                    "?resource": _uid("Tool", f"{grant.server}/{grant.tool}"),
                },
            }
            for grant in grants
        ]
        try:
            linked = self._grants.with_linked_batch(links)
        except ValueError:
            raise Unreadable([GRANT_TEMPLATE]) from None
        return _named_reasons(self._answer(linked, principal, USE_GRANT, action, context))

    def _asked(
        self, policies: cedarpy.PolicySet, principal: Principal, action_id: str, action: PolicyAction, context: Mapping[str, Any]
    ) -> Verdict:
        answer = self._answer(policies, principal, action_id, action, context)
        deciding = sorted(_named_reasons(answer), key=self._order.__getitem__)
        return Verdict(allowed=answer.allowed, deciding=tuple(self.policies[self._order[name]] for name in deciding))

    def _answer(
        self, policies: cedarpy.PolicySet, principal: Principal, action_id: str, action: PolicyAction, context: Mapping[str, Any]
    ) -> cedarpy.AuthzResult:
        try:
            request = {
                "principal": _uid("Principal", principal_id(principal.kind, principal.subject)),
                "action": _uid("Action", action_id),
                "resource": _uid(action.door.capitalize(), action.name),
                "context": orjson.dumps(context).decode(),
            }
            answer = cedarpy.is_authorized(request, policies, self._entities(principal, action))
        except (ValueError, TypeError):
            # Something in the question that Cedar does not take, such as half a character.
            raise Unreadable([]) from None
        if answer.diagnostics.errors or answer.decision is cedarpy.Decision.NoDecision:
            broken = {name for error in answer.diagnostics.errors for name in _NAMED.findall(error)}
            raise Unreadable(sorted(broken & self._order.keys()))
        return answer

    def _entities(self, principal: Principal, action: PolicyAction) -> cedarpy.Entities:
        """What Cedar has to know beside the question. A third-party tool is an entity of the call that it is asked about, as it
        was configured then."""
        return self._of_third_party(principal, action) if action.foreign else self._of_principal(principal)


@lru_cache
def _any_of(groups: tuple[str, ...], enabled: bool) -> PolicyAction:
    # No server's name has a question mark.
    return PolicyAction(id="tool/?/?", server="?", tool="?", groups=groups, enabled_for=None if enabled else frozenset())


def _resources(expression: Any) -> Iterator[str]:
    """Yield the names of the tools and servers that a policy's JSON form has anywhere."""
    if isinstance(expression, list):
        for item in expression:
            yield from _resources(item)
    elif isinstance(expression, Mapping):
        if expression.get("type") in ("Tool", "Server") and isinstance(expression.get("id"), str):
            yield expression["id"]
        for item in expression.values():
            yield from _resources(item)


def principal_id(kind: str, subject: str) -> str:
    """Return what policies call a principal. A person and a service of the same name are two."""
    return f"{kind}:{subject}"


def _policy_set(policies: Iterable[Policy]) -> cedarpy.PolicySet:
    """The set under our own ids, which Cedar then answers with."""
    document: dict[str, Any] = {"staticPolicies": {}, "templates": {}, "templateLinks": []}
    for policy in policies:
        document["templates" if policy.template else "staticPolicies"][policy.id] = policy.body
    return cedarpy.PolicySet.from_json_str(orjson.dumps(document).decode())


def _entity(principal: Principal) -> dict[str, Any]:
    attributes = {
        "tenant": principal.tenant,
        "subject": principal.subject,
        "kind": principal.kind,
        "role": principal.role,
        "tier": principal.tier,
        "owner": principal.owner,
        "buildings": list(principal.buildings),
        "resident": principal.resident,
    }
    uid = _uid("Principal", principal_id(principal.kind, principal.subject))
    return {"uid": uid, "attrs": attributes, "parents": []}


def _tool_entity(action: PolicyAction) -> dict[str, Any]:
    return {"uid": _uid("Tool", action.name), "attrs": {}, "parents": [_uid("Server", action.server)]}


def _action_entity(action: PolicyAction) -> dict[str, Any]:
    return {"uid": _uid("Action", action.id), "attrs": {}, "parents": [_uid("Action", group) for group in action.groups]}


def _json(entities: Iterable[dict[str, Any]]) -> str:
    return orjson.dumps(list(entities)).decode()


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def _named_reasons(answer: cedarpy.AuthzResult) -> tuple[str, ...]:
    return tuple(answer.diagnostics.reasons)
