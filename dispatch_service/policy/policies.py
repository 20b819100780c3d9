"""Who may do what: the level of a call is read off Cedar's decision, with the policies' own reasons.

Above: the journey, authorizations, listings. Below: `ruleset`, and the directory of policy files, which is watched.

    allowed                                     ALLOW
    refused by nothing but a missing permit     DENY
    refused by a forbid that nothing lifts      DENY, hidden where one of these says so
    refused by forbids that are all lifted      NEEDS_AUTHORIZATION where one of them takes a person, else NEEDS_REASONING
      …and still refused when they are lifted   DENY: there is no point in asking anybody
    the rules cannot be evaluated               DENY
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from dispatch_service.policy.contract import TOOL, PolicyAction, Vocabulary, contract_vocabulary
from dispatch_service.policy.question import Decision, Effect, GrantRef, Question
from dispatch_service.policy.ruleset import Ruleset, Unreadable, Verdict
from dispatch_service.policy.schema import SCOPES
from dispatch_service.policy.source import AUTHORIZATION, PoliciesUnusable, Policy
from dispatch_service.principal import Principal
from service_kit.logging import log

_logger = logging.getLogger(__name__)
_DECISIONS_KEPT = 4096
_LONG = range(-(2**63), 2**63)

_UNREADABLE = "The rules could not be read; nothing was done."
_NO_PERMIT = "Nothing allows this."

_Pairs = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question by value: what its decision depends on and nothing else, so that equal questions share one."""

    principal: Principal
    action: PolicyAction
    scope: _Pairs
    facts: _Pairs
    items: int
    reasoning: bool
    authorized: bool

    def context(self, tenant: str, *, granted: bool, lifted: bool = False) -> dict[str, Any]:
        """The context as the schema describes it. `lifted` is as if everything had been given that could be asked for."""
        return {
            "tenant": tenant,
            "origin": self.principal.origin,
            "items": self.items,
            "reasoning": self.reasoning or lifted,
            "authorized": self.authorized or lifted,
            "granted": granted,
            "enabled": self.action.enabled(self.principal),
            "scope": dict.fromkeys(SCOPES, ()) | dict(self.scope),
            "facts": dict(self.facts),
        }


class Policies:
    """The policies in force. Thread-safe: a reload puts a whole new set in the place of the old one."""

    def __init__(self, directory: Path, *, tenant: str, vocabulary: Vocabulary | None = None) -> None:
        """Read `directory` and decide for the company `tenant`. Raises PoliciesUnusable with a line for each problem."""
        self._directory = directory
        self._tenant = tenant
        self.vocabulary = vocabulary or contract_vocabulary()
        self._seen = _signature(directory)
        self._deciding = _Deciding(Ruleset(directory, self.vocabulary), tenant)
        self._third_party: Mapping[str, PolicyAction] = {}

    def know(self, third_party: Mapping[str, PolicyAction]) -> None:
        """Take up the third-party tools that there are now, by their actions' ids, in place of those that there were.

        Nothing is forgotten for that: decisions are remembered by what an action is, and not by what it is called."""
        self._third_party = third_party

    def decide(self, question: Question, grants: Sequence[GrantRef] = ()) -> Decision:
        """Decide. `grants` are standing permissions that are in force, at least those of this caller and tool."""
        return self._deciding.decide(question, self._third_party.get(question.action), grants)

    def level(self, principal: Principal, action: str) -> Effect:
        """Return what the caller would meet where nothing is known of the call but who makes it."""
        return self.decide(Question(principal=principal, action=action)).effect

    def explain(self, question: Question) -> tuple[Decision, tuple[Policy, ...], tuple[Policy, ...]]:
        """Return the decision, the policies that decided and all that apply. Raises KeyError where there is no such action."""
        return self._deciding.explain(question)

    @property
    def summary(self) -> str:
        """How many policies are in force, and from where."""
        return f"{self._deciding.count} policies in {self._directory}"

    async def watch(self, seconds: float = 0.5) -> None:
        """Take up changed files, for ever: looks every `seconds`, and reads once a change has settled for as long.

        What does not pass is refused with a line in the log, and what was in force stays so.
        """
        refused: _Signature | None = None
        pending = self._seen
        while True:
            await asyncio.sleep(seconds)
            now = await asyncio.to_thread(_signature, self._directory)
            # Half of a file may well pass, and lack just those rules that forbid: wait until nobody writes any more.
            settled, pending = now == pending, now
            if settled and now not in (self._seen, refused) and not await asyncio.to_thread(self._reload, now):
                refused = now

    def _reload(self, signature: _Signature) -> bool:
        try:
            ruleset = Ruleset(self._directory, self.vocabulary)
        except PoliciesUnusable as problem:
            log(
                _logger,
                logging.ERROR,
                "policies were refused: the old ones stay in force",
                first=problem.problems[0],
                problems=len(problem.problems),
            )
            return False
        if _signature(self._directory) != signature:
            return True  # It changed again while it was read: the next look finds that.
        # The new set comes with an empty memory of decisions.
        self._deciding, self._seen = _Deciding(ruleset, self._tenant), signature
        log(_logger, logging.INFO, "policies were read anew", policies=len(ruleset.policies))
        return True


class _Deciding:
    """One set of policies with its memory of decisions."""

    def __init__(self, ruleset: Ruleset, tenant: str) -> None:
        self._ruleset = ruleset
        self._tenant = tenant
        self._remembered = lru_cache(_DECISIONS_KEPT)(self._judge)

    @property
    def count(self) -> int:
        """How many policies there are, the template among them."""
        return len(self._ruleset.policies)

    def decide(self, question: Question, third_party: PolicyAction | None, grants: Sequence[GrantRef]) -> Decision:
        action = self._ruleset.actions.get(question.action) or third_party
        if action is None:
            return Decision(effect=Effect.DENY, reason=_NO_PERMIT)
        asked = _asked(question, self._ruleset.stands_for(action, question.principal), self._ruleset.facts)
        decision = self._remembered(asked, granted=False)
        about_it = [grant for grant in grants if (grant.server, grant.tool) == (action.server, action.tool)]
        if decision.effect is Effect.NEEDS_AUTHORIZATION and decision.offers_always and about_it:
            decision = self._with_grants(asked, action, decision, about_it)
        return replace(decision, third_party=action.groups) if action.foreign else decision

    def explain(self, question: Question) -> tuple[Decision, tuple[Policy, ...], tuple[Policy, ...]]:
        asked = _asked(question, self._ruleset.actions[question.action], self._ruleset.facts)
        decision = self._judge(asked, granted=False)
        named = {policy.id: policy for policy in self._ruleset.policies}
        try:
            applying = self._ruleset.ask_each(asked.principal, asked.action, asked.context(self._tenant, granted=False))
        except Unreadable:
            applying = ()
        return decision, tuple(named[name] for name in decision.policy_ids if name in named), applying

    def _with_grants(self, asked: _Asked, action: PolicyAction, without: Decision, grants: Sequence[GrantRef]) -> Decision:
        try:
            context = asked.context(self._tenant, granted=True)
            covering = self._ruleset.covered_by(asked.principal, action, context, grants)
        except Unreadable as problem:
            return _unreadable(problem)
        if not covering:
            return without
        decision = self._remembered(asked, granted=True)
        return replace(decision, policy_ids=(*decision.policy_ids, *covering), grant_ids=covering)

    def _judge(self, asked: _Asked, *, granted: bool) -> Decision:
        try:
            verdict = self._ask(asked, granted=granted)
            if verdict.allowed:
                return Decision(effect=Effect.ALLOW, policy_ids=_ids(verdict.deciding))
            if not verdict.deciding:
                return Decision(effect=Effect.DENY, reason=_NO_PERMIT)
            if any(not policy.lifted_by for policy in verdict.deciding):
                return _denied(verdict)
            lifted = self._ask(asked, granted=granted, lifted=True)
            if not lifted.allowed:
                # Nobody's answer would help, so nobody is asked.
                return _denied(lifted) if lifted.deciding else Decision(effect=Effect.DENY, reason=_NO_PERMIT)
            return self._asked_for_first(asked, verdict, granted=granted)
        except Unreadable as problem:
            return _unreadable(problem)

    def _asked_for_first(self, asked: _Asked, verdict: Verdict, *, granted: bool) -> Decision:
        """Somebody has to say something first: the caller why, or a person yes."""
        people = [policy for policy in verdict.deciding if policy.lifted_by == AUTHORIZATION]
        others = [policy for policy in verdict.deciding if policy.lifted_by != AUTHORIZATION]
        return Decision(
            effect=Effect.NEEDS_AUTHORIZATION if people else Effect.NEEDS_REASONING,
            policy_ids=_ids(verdict.deciding),
            reason=_reasons([*people, *others]),
            offers_always=bool(people) and not granted and self._grant_would_help(asked),
        )

    def _grant_would_help(self, asked: _Asked) -> bool:
        """Whether a standing permission would spare the person: never for what is sensitive, nor for a card's button."""
        if asked.action.sensitive or asked.action.door != TOOL:
            return False
        granted = self._ask(asked, granted=True)
        return granted.allowed or all(policy.lifted_by not in ("", AUTHORIZATION) for policy in granted.deciding)

    def _ask(self, asked: _Asked, *, granted: bool, lifted: bool = False) -> Verdict:
        return self._ruleset.ask(asked.principal, asked.action, asked.context(self._tenant, granted=granted, lifted=lifted))


def _asked(question: Question, action: PolicyAction, kinds: Mapping[str, str]) -> _Asked:
    facts = {name: value for name, value in (question.facts or {}).items() if _is_known(value, kinds.get(name, ""))}
    scope = {name: set(values) for name, values in question.scope.items() if name in SCOPES}
    for name in SCOPES:
        # Whose data the call turned out to be about counts like whose data it names.
        if facts.get(name):
            scope.setdefault(name, set()).add(facts[name])
    return _Asked(
        question.principal,
        action,
        tuple((name, tuple(sorted(values))) for name, values in sorted(scope.items())),
        tuple(sorted(facts.items())),
        question.items,
        question.reasoning,
        question.authorized,
    )


def _is_known(value: Any, kind: str) -> bool:
    """Whether a fact can be taken at its word. What is empty, negative or of another type than the contract's is not known."""
    if kind == "String":
        return isinstance(value, str) and bool(value)
    return kind == "Long" and type(value) is int and value >= 0 and value in _LONG


def _denied(verdict: Verdict) -> Decision:
    final = [policy for policy in verdict.deciding if not policy.lifted_by]
    return Decision(
        effect=Effect.DENY,
        policy_ids=_ids(verdict.deciding),
        reason=_reasons(final or verdict.deciding),
        hidden=any(policy.hidden for policy in final),
    )


def _unreadable(problem: Unreadable) -> Decision:
    log(_logger, logging.ERROR, "policies could not be evaluated: the call was refused", policies=list(problem.policy_ids))
    return Decision(effect=Effect.DENY, policy_ids=problem.policy_ids, reason=_UNREADABLE)


def _ids(policies: Sequence[Policy]) -> tuple[str, ...]:
    return tuple(policy.id for policy in policies)


def _reasons(policies: Sequence[Policy]) -> str:
    return " ".join(dict.fromkeys(policy.reason for policy in policies))


_Signature = tuple[tuple[str, int, int, int], ...]


def _signature(directory: Path) -> _Signature:
    """What changes whenever a file does: names, times, sizes, and which files they are."""
    found = []
    for path in sorted(directory.glob("*.cedar")):
        try:
            stat = path.stat()
        except OSError:
            continue  # Gone since it was listed: then the next look differs.
        found.append((path.name, stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)
