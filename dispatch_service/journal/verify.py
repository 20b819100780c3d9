"""Recomputes the journal: every chain from where it begins, every anchor, every checkpoint, and the action log from its events.

Above: `switchboard verify-log`. Below: `verify_actions`, and the event, chain and checkpoint tables, read in one snapshot.

A changed, deleted, inserted or reordered event breaks its chain at that place. An end that was cut off disagrees with the
chain's head, or with an anchor that another chain holds. A beginning that was dropped is one that the chain `retention` tells
of, and what follows goes on from its hash.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
from psycopg.rows import DictRow, dict_row

from dispatch_service.journal import QUERIES
from dispatch_service.journal.records import ANCHOR, CHECKPOINT
from dispatch_service.journal.verify_actions import verify_actions

# Where a chain stands: its length and its hash.
Mark = tuple[int, bytes]
_EVENTS_AT_ONCE = 2_000
_RETENTION = "retention"


@dataclass(kw_only=True)
class Findings:
    """What verification found. `problems` is empty where everything agrees."""

    chains: int = 0
    events: int = 0
    actions: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class _Told:
    """What events say about chains: (where it is said, chain, mark)."""

    anchors: list[tuple[str, str, Mark]] = field(default_factory=list)
    dropped: dict[str, Mark] = field(default_factory=dict)
    ended: dict[str, Mark] = field(default_factory=dict)


def verify(url: str) -> Findings:
    """Verify the whole journal behind `url`. Raises psycopg.OperationalError where the database cannot be reached."""
    findings, told = Findings(), _Told()
    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        heads = _marks(connection, "chain_heads")
        starts = _marks(connection, "checkpoints")
        for writer, head in heads.items():
            _verify_chain(connection, writer, starts.get(writer), head, findings=findings, told=told)
        findings.chains = len(heads)
        _verify_strays(connection, findings)
        _verify_checkpoints(heads, starts, told, findings)
        _verify_anchors(connection, heads, starts, told, findings)
        findings.actions = verify_actions(connection, starts, findings.problems)
    return findings


def _marks(connection: psycopg.Connection[DictRow], query: str) -> dict[str, Mark]:
    found = connection.execute(QUERIES[query].encode()).fetchall()
    return {row["writer_id"]: (row["sequence"], row["hash"]) for row in found}


def _verify_chain(
    connection: psycopg.Connection[DictRow], writer: str, start: Mark | None, head: Mark, *, findings: Findings, told: _Told
) -> None:
    expected, running = start or (0, hashlib.sha256(writer.encode()).digest())
    last: datetime | None = None
    for event in _events(connection, writer):
        findings.events += 1
        name = f"chain {writer} event {event['sequence']} (action {event['action_id'] or 'none'})"
        if event["sequence"] <= expected:
            findings.problems.append(f"{name}: it was inserted, or stands there twice")
            continue
        if event["sequence"] != expected + 1:
            findings.problems.append(f"{name}: events {expected + 1} to {event['sequence'] - 1} are missing before it")
        running = hashlib.sha256(running + event["body"].encode()).digest()
        if not hmac.compare_digest(running, event["hash"]):
            findings.problems.append(f"{name}: it, or one before it, was changed, inserted or moved")
            # Go on from what is stored, so that one change is one finding.
            running = event["hash"]
        last = _read(event, name, last, findings, told)
        expected = event["sequence"]
    if (expected, running) != head:
        findings.problems.append(
            f"chain {writer}: its end was cut off or its head changed (at event {expected}, head says {head[0]})"
        )


def _events(connection: psycopg.Connection[DictRow], writer: str) -> Iterator[DictRow]:
    with connection.cursor(f"verify_{writer}") as cursor:
        cursor.itersize = _EVENTS_AT_ONCE
        cursor.execute(QUERIES["verify_events"].encode(), {"writer": writer})
        yield from cursor


def _read(event: DictRow, name: str, last: datetime | None, findings: Findings, told: _Told) -> datetime:
    """See that an event's columns say what its body says, and take note of what it says about chains."""
    try:
        body: dict[str, Any] = orjson.loads(event["body"])
        said = (body["action"], body["type"], datetime.fromisoformat(body["at"]))
        # Before there was a time of writing, it was the latest time that the chain had seen.
        written = datetime.fromisoformat(body["written"]) if "written" in body else max(said[2], last or said[2])
        if body["type"] == ANCHOR:
            told.anchors.extend((name, writer, _mark(mark)) for writer, *mark in body["row"]["heads"])
        if body["type"] == CHECKPOINT and event["writer_id"] == _RETENTION:
            told.dropped.update((writer, _mark(mark)) for writer, *mark in body["row"]["checkpoints"])
            told.ended.update((writer, _mark(mark)) for writer, *mark in body["row"]["ended"])
    except (ValueError, KeyError, TypeError):
        findings.problems.append(f"{name}: its body cannot be read")
        return last or datetime.min.replace(tzinfo=UTC)
    if said != (event["action_id"], event["type"], event["at"]) or written != event["written_at"]:
        findings.problems.append(f"{name}: its columns differ from what was hashed")
    return max(written, last or written)


def _mark(told: list[Any]) -> Mark:
    sequence, digest = told
    return int(sequence), bytes.fromhex(digest)


def _verify_strays(connection: psycopg.Connection[DictRow], findings: Findings) -> None:
    for row in connection.execute(QUERIES["verify_strays"].encode()):
        findings.problems.append(f"chain {row['writer_id']}: it has {row['events']} events and no head")


def _verify_checkpoints(heads: dict[str, Mark], starts: dict[str, Mark], told: _Told, findings: Findings) -> None:
    """A beginning may be missing only where the chain of retention says so, with the same hash."""
    for writer, start in starts.items():
        if told.dropped.get(writer) != start:
            findings.problems.append(f"chain {writer}: nothing tells that its events up to {start[0]} were dropped")
    for writer, mark in told.dropped.items():
        gone = writer not in heads and writer not in told.ended
        if gone or (writer in heads and starts.get(writer, (0, b""))[0] < mark[0]):
            findings.problems.append(f"chain {writer}: its checkpoint at event {mark[0]} is gone")


def _verify_anchors(
    connection: psycopg.Connection[DictRow],
    heads: dict[str, Mark],
    starts: dict[str, Mark],
    told: _Told,
    findings: Findings,
) -> None:
    wanted = [
        (name, writer, mark)
        for name, writer, mark in told.anchors
        if mark[0] > starts.get(writer, (0, b""))[0] and mark[0] > told.ended.get(writer, (0, b""))[0]
    ]
    found = {
        (row["writer_id"], row["sequence"]): row["hash"]
        for row in connection.execute(
            QUERIES["verify_places"].encode(),
            {"writers": [writer for _, writer, _ in wanted], "sequences": [mark[0] for _, _, mark in wanted]},
        )
    }
    for name, writer, (sequence, digest) in wanted:
        stored = found.get((writer, sequence))
        if stored is None or writer not in heads:
            findings.problems.append(f"{name}: it anchors event {sequence} of chain {writer}, which is gone")
        elif stored != digest:
            findings.problems.append(f"{name}: it anchors another event {sequence} of chain {writer}")
