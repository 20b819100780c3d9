"""One group commit as `dispatch.write_journal` takes it: every document is rendered once, and what is hashed is what is stored.

Above: `writer`, and whoever writes history within a transaction of its own. Below: `records`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dispatch_service.journal.records import (
    ANCHOR,
    ANSWERED,
    CANCELLED,
    DENIED,
    DONE,
    EDITED,
    EXPIRED,
    IN_FLIGHT,
    INTENT,
    KEPT,
    OUTCOME,
    REJECTED,
    WAITING,
    Claim,
    Closing,
    Opened,
    Opening,
)

# Actions wait for somebody in two states; these events neither begin nor end one, as far as the status does not say so.
_NO_WAIT = frozenset({INTENT, ANSWERED, REJECTED, OUTCOME, ANCHOR})
# What was asked for is not called any more as it was: nobody may find the plan and do so.
_ENDS_PLAN = frozenset({EDITED, DENIED, CANCELLED, EXPIRED})


def parameters(openings: Sequence[Opening], closings: Sequence[Closing]) -> dict[str, Any]:
    """Return the parameters of a commit that stand for what it writes. No two closings may be of one action.

    Raises TypeError for what is not JSON.
    """
    ids, types, ats, bodies = [], [], [], []
    closes, states, rows, claims, authorizations = [], [], [], [], []
    rare = False
    events: list[Closing | Opening] = [*closings, *openings]
    for n, event in enumerate(events, 1):
        action_id, kind, at = event.action_id, event.type, event.at.isoformat()
        row = orjson.dumps(event.row).decode()
        ids.append(action_id or '""')
        types.append(kind)
        ats.append(at)
        # The text names the action, the type and the time as well, so that none of the columns can be changed alone. Its first
        # brace is left to Postgres, which puts the time of writing there.
        details = f',"details":{orjson.dumps(event.details).decode()}' if event.details else ""
        bodies.append(f'"action":"{action_id}","type":"{kind}","at":"{at}","row":{row}{details}}}')
        rare = rare or kind not in _NO_WAIT or event.row.get("status") in WAITING
        if isinstance(event, Closing):
            closes.append(f'{{"n":{n},"action_id":"{action_id}",{row[1:]}')
            if event.claim_state or kind in _ENDS_PLAN:
                states.append(_state(n, event))
            continue
        if action_id:
            rows.append(f'{{"n":{n},{row[1:]}')
        if event.claim is not None:
            claims.append(_claim(n, event, event.claim, at))
        if event.authorization is not None:
            authorizations.append(orjson.dumps({"n": n, "value": event.authorization}).decode())
    return {
        "ids": f"{{{','.join(ids)}}}",
        "types": f"{{{','.join(types)}}}",
        "ats": f"{{{','.join(ats)}}}",
        "bodies": "\n".join(bodies),
        "closes": _list(closes),
        "states": _list(states),
        "rows": _list(rows),
        "claims": _list(claims),
        "authorizations": _list(authorizations),
        "closings": len(closes),
        "keys": len(claims),
        "rare": rare,
    }


def opened(opening: Opening, answer: Mapping[str, Any] | None) -> Opened:
    """What became of an opening. Postgres answers only for one that did not get a key of its own."""
    action_id = opening.action_id
    if answer is None:
        answer = {"won": True, "tool_key": action_id if opening.claim else ""}
    sealed = answer.get("sealed_result")
    return Opened(
        won=answer["won"],
        tool_key=answer["tool_key"],
        holder=answer.get("holder") or action_id,
        state=answer.get("state") or IN_FLIGHT,
        fingerprint=answer.get("fingerprint") or "",
        sealed_result=base64.b64decode(sealed) if sealed else None,
        retry_of=answer.get("retry_of") or "",
    )


def _state(n: int, closing: Closing) -> str:
    # Every value here is a constant of ours or hexadecimal digits: nothing needs to be escaped.
    sealed = f',"sealed_result":"\\\\x{closing.sealed_result.hex()}"' if closing.sealed_result is not None else ""
    state = f',"state":"{closing.claim_state}"' if closing.claim_state not in ("", KEPT) else ""
    keeps = ',"keeps_plan":true' if closing.row.get("status") == "OUTCOME_UNKNOWN" else ""
    return f'{{"n":{n},"action_id":"{closing.action_id}"{state}{sealed}{keeps}}}'


def _claim(n: int, opening: Opening, claim: Claim, at: str) -> str:
    tenant, actor, action, key_hash = claim.scope
    document = {
        "n": n,
        "action_id": opening.action_id,
        "tenant": tenant,
        "actor": actor,
        "action": action,
        "key_hash": key_hash,
        "fingerprint": claim.fingerprint,
        "derived": claim.derived,
        "state": IN_FLIGHT if opening.authorization is None else DONE,
        "at": at,
    }
    sealed = f'"\\\\x{claim.sealed_plan.hex()}"'
    if claim.sealed_result is not None:
        sealed += f',"sealed_result":"\\\\x{claim.sealed_result.hex()}"'
    return f'{orjson.dumps(document)[:-1].decode()},"sealed_plan":{sealed}}}'


def _list(documents: Sequence[str]) -> str | None:
    return f"[{','.join(documents)}]" if documents else None
