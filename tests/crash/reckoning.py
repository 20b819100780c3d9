"""Compares what visitors were told with the journal and with what the vendor was made to do. Every finding is a broken promise.

Above: `run`. Below: `orders` and `books`; nothing here talks to anybody.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.crash.books import UNFINISHED, Effect, Entry
from tests.crash.orders import Order, Reply

STATED = frozenset({"REJECTED", "SUCCEEDED", "FAILED", "OUTCOME_UNKNOWN"})
# What the journal may say at the end of an action of which a client was told this. An unknown outcome may have become known.
_AGREES = {
    "ok": frozenset({"SUCCEEDED"}),
    "OUTCOME_UNKNOWN": STATED,
    "INTEGRATION_DOWN": frozenset({"FAILED", "REJECTED"}),
    "CONFLICT": frozenset({"REJECTED"}),
}


@dataclass(kw_only=True)
class Reckoning:
    """What the comparison counted and found. `findings` is empty where every promise was kept."""

    findings: list[str] = field(default_factory=list)
    orders: Counter[str] = field(default_factory=Counter)
    replies: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    # Conversations that end in doubt, by whether there is an effect: of those who never asked again, both are to be expected.
    doubts: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    # The conversations that findings are about.
    threads: list[str] = field(default_factory=list)


def reckon(orders: Sequence[Order], entries: Sequence[Entry], effects: Sequence[Effect]) -> Reckoning:
    """Compare."""
    reckoning = Reckoning()
    actions, made, told = defaultdict(list), Counter(effect.name for effect in effects), defaultdict(list)
    for entry in entries:
        actions[entry.thread].append(entry)
        told[entry.correlation_id].append(entry)
        reckoning.statuses[entry.status] += 1
    for order in orders:
        reckoning.orders[order.manner.value] += 1
        if any(action.status == "OUTCOME_UNKNOWN" for action in actions[order.thread]):
            reckoning.doubts["it was done" if made[order.name] else "it was not done"] += 1
        reckoning.replies.update(reply.label for reply in order.replies)
        findings = [
            *_replies_against_journal(order, told),
            *_answers_against_each_other(order),
            *_effects_against_both(order, actions[order.thread], made[order.name]),
        ]
        reckoning.findings += [f"{order.key} ({order.manner}): {finding}" for finding in findings]
        reckoning.threads += [order.thread] if findings else []
    reckoning.effects.update(effect.kind for effect in effects)
    reckoning.duplicates = _duplicates(effects)
    reckoning.findings += list(_effects_by_reference(orders, effects))
    reckoning.findings += [f"action {entry.id} is still {entry.status}" for entry in entries if entry.status in UNFINISHED]
    reckoning.findings += [
        f"action {entry.id} has no stated status: {entry.status}"
        for entry in entries
        if entry.status not in {*STATED, *UNFINISHED}
    ]
    return reckoning


def _replies_against_journal(order: Order, told: dict[str, list[Entry]]) -> Iterator[str]:
    """Every answer of the domain is on record, and the record says the same."""
    for reply in {reply for reply in order.replies if reply.correlation_id}:
        entries = told.get(reply.correlation_id, [])
        if not entries and reply.status == 200:
            yield f"was told {reply.label}, and the journal has no action of correlation id {reply.correlation_id}"
        for entry in entries:
            if entry.status not in _agreeing(reply):
                yield f"was told {reply.label}, and action {entry.id} is {entry.status} ({entry.code})"
            if reply.ok and entry.external_id != reply.external_id:
                yield f"was told another reference than action {entry.id} has"


def _agreeing(reply: Reply) -> frozenset[str]:
    return _AGREES.get("ok" if reply.ok else reply.code, frozenset({"REJECTED"}))


def _answers_against_each_other(order: Order) -> Iterator[str]:
    """One key has one answer, and a visitor who waits gets it."""
    if len({reply.external_id for reply in order.replies if reply.ok}) > 1:
        yield "got answers with different references"
    refusals = sorted({reply.label for reply in order.replies if reply.settles and not reply.ok})
    if refusals:
        yield f"was refused a proper order: {', '.join(refusals)}"


def _effects_against_both(order: Order, actions: list[Entry], made: int) -> Iterator[str]:
    """At most one effect; exactly one where that was said; and what was done is not on record as not done."""
    statuses = {action.status for action in actions}
    if made > 1:
        yield f"has {made} effects"
    if order.answered and made != 1:
        yield f"was told that it is done, and has {made} effects"
    if "SUCCEEDED" in statuses and made != 1:
        yield f"is on record as done, and has {made} effects"
    if order.settled and "OUTCOME_UNKNOWN" in statuses:
        yield "is on record as unknown, and its visitor knows: it is not in doubt"
    if made and not statuses & {"SUCCEEDED", "OUTCOME_UNKNOWN"}:
        yield f"has an effect and is on record as {', '.join(sorted(statuses)) or 'nothing'}"
    if "SUCCEEDED" in statuses and "OUTCOME_UNKNOWN" in statuses:
        yield "is on record as done and as unknown: an attempt was not settled"


def _duplicates(effects: Sequence[Effect]) -> int:
    per_reference = Counter((effect.kind, effect.reference) for effect in effects)
    return sum(count - 1 for count in per_reference.values())


def _effects_by_reference(orders: Sequence[Order], effects: Sequence[Effect]) -> Iterator[str]:
    """Each effect carries the reference of one key, and belongs to an order."""
    for (kind, reference), count in Counter((effect.kind, effect.reference) for effect in effects).items():
        if count > 1:
            yield f"{count} of kind {kind} carry the reference {reference}"
    names = {order.name for order in orders}
    for effect in effects:
        if effect.reference is None or effect.name not in names:
            yield f"a {effect.kind} that nobody ordered, reference {effect.reference}"
