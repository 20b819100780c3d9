"""Recomputes the journal: every chain from its beginning, every anchor, and the action log from its events.

Above: `switchboard verify-log`. Below: the event, chain and action tables, read in one snapshot.

A changed, deleted, inserted or reordered event breaks its chain at that place. An end that was cut off disagrees with the chain's
head, or with an anchor that another chain holds. A changed row of the action log disagrees with its events.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import psycopg
from psycopg.rows import DictRow, dict_row

from dispatch_service.journal import QUERIES
from dispatch_service.journal.records import ANCHOR

Head = tuple[int, bytes]
_EVENTS_AT_ONCE = 5_000


@dataclass(kw_only=True)
class Findings:
    """What verification found. `problems` is empty where everything agrees."""

    chains: int = 0
    events: int = 0
    actions: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class _Anchor:
    holder: str
    writer: str
    sequence: int
    hash: bytes


def verify(url: str) -> Findings:
    """Verify the whole journal behind `url`. Raises psycopg.OperationalError where the database cannot be reached."""
    findings = Findings()
    rows: dict[str, dict[str, Any]] = {}
    anchors: list[_Anchor] = []
    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        heads = connection.execute(QUERIES["chain_heads"].encode()).fetchall()
        wanted = {head["writer_id"]: (head["sequence"], head["hash"]) for head in heads}
        for writer, head in wanted.items():
            _verify_chain(connection, writer, head, findings=findings, rows=rows, anchors=anchors)
        _verify_anchors(connection, wanted, anchors, findings)
        _verify_actions(connection, rows, findings)
    findings.chains = len(wanted)
    return findings


def _verify_chain(
    connection: psycopg.Connection[DictRow],
    writer: str,
    head: Head,
    *,
    findings: Findings,
    rows: dict[str, dict[str, Any]],
    anchors: list[_Anchor],
) -> None:
    running = hashlib.sha256(writer.encode()).digest()
    expected = 1
    for event in _events(connection, writer):
        findings.events += 1
        name = f"chain {writer} event {event['sequence']} (action {event['action_id'] or 'none'})"
        if event["sequence"] != expected:
            findings.problems.append(f"{name}: events {expected} to {event['sequence'] - 1} are missing before it")
        running = hashlib.sha256(running + event["body"].encode()).digest()
        if not hmac.compare_digest(running, event["hash"]):
            findings.problems.append(f"{name}: it, or one before it, was changed, inserted or moved")
            # Go on from what is stored, so that one change is one finding.
            running = event["hash"]
        _apply(event, name, findings, rows, anchors)
        expected = event["sequence"] + 1
    if (expected - 1, running) != head:
        findings.problems.append(
            f"chain {writer}: its end was cut off or its head changed (at event {expected - 1}, head says {head[0]})"
        )


def _events(connection: psycopg.Connection[DictRow], writer: str) -> Iterator[DictRow]:
    with connection.cursor(f"verify_{writer}") as cursor:
        cursor.itersize = _EVENTS_AT_ONCE
        cursor.execute(QUERIES["verify_events"].encode(), {"writer": writer})
        yield from cursor


def _apply(event: DictRow, name: str, findings: Findings, rows: dict[str, dict[str, Any]], anchors: list[_Anchor]) -> None:
    """Take an event's body into the projection, and see that its columns say the same."""
    try:
        body = orjson.loads(event["body"])
        said = (body["action"], body["type"], datetime.fromisoformat(body["at"]))
        row = dict(body["row"])
    except (ValueError, KeyError, TypeError):
        findings.problems.append(f"{name}: its body cannot be read")
        return
    if said != (event["action_id"], event["type"], event["at"]):
        findings.problems.append(f"{name}: its columns differ from what was hashed")
    if body["type"] == ANCHOR:
        anchors.extend(
            _Anchor(holder=name, writer=writer, sequence=sequence, hash=bytes.fromhex(digest))
            for writer, sequence, digest in row["heads"]
        )
        return
    # Events of one action may lie in several chains: a replica that recovers writes into its own. Later ones count.
    kept = rows.setdefault(body["action"], {})
    for column, value in row.items():
        if column not in kept or kept[column][0] <= said[2]:
            kept[column] = (said[2], value)


def _verify_anchors(
    connection: psycopg.Connection[DictRow], heads: dict[str, Head], anchors: list[_Anchor], findings: Findings
) -> None:
    for anchor in anchors:
        found = connection.execute(
            "select hash from dispatch.event where writer_id = %s and sequence = %s", (anchor.writer, anchor.sequence)
        ).fetchone()
        if anchor.writer not in heads or found is None:
            findings.problems.append(
                f"{anchor.holder}: it anchors event {anchor.sequence} of chain {anchor.writer}, which is gone"
            )
        elif found["hash"] != anchor.hash:
            findings.problems.append(f"{anchor.holder}: it anchors another event {anchor.sequence} of chain {anchor.writer}")


def _verify_actions(connection: psycopg.Connection[DictRow], rows: dict[str, dict[str, Any]], findings: Findings) -> None:
    with connection.cursor("verify_actions") as cursor:
        cursor.itersize = _EVENTS_AT_ONCE
        cursor.execute(QUERIES["verify_actions"].encode())
        for action in cursor:
            findings.actions += 1
            expected = rows.pop(action["id"], None)
            if expected is None:
                findings.problems.append(f"action {action['id']}: no event tells of it")
                continue
            differing = [name for name, (_, value) in expected.items() if not _same(action.get(name), value)]
            if differing:
                findings.problems.append(f"action {action['id']}: {', '.join(sorted(differing))} differ from its events")
    findings.problems.extend(f"action {missing}: its row is gone from the action log" for missing in rows)


def _same(stored: Any, told: Any) -> bool:
    if isinstance(stored, datetime):
        return isinstance(told, str) and stored == datetime.fromisoformat(told)
    return bool(stored == told)
