"""Recomputes the action log from its events, a few thousand actions at a time.

Above: `verify`, which has checked the events themselves. Below: the event and action tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import psycopg
from psycopg.rows import DictRow

from dispatch_service.journal import QUERIES

_ACTIONS_AT_ONCE = 2_000
# What a row holds of which no event has told yet.
_UNTOLD: dict[str, Any] = {
    "thread_id": "",
    "mcp_tool": "",
    "tier": "",
    "payload_redacted": {},
    "redactions": [],
    "input_hash": "",
    "output_hash": "",
    "external_id": "",
    "vendor_reference": "",
    "latency_ms": 0,
    "error_code": "",
    "error_details": "",
    "policy_ids": [],
    "retry_of": "",
    "client": {},
    "server": "",
    "authorization_id": "",
    "scope": {},
}
# How far each status is, as dispatch.progress says; it never decreases along an action's history.
_PROGRESS = {"RECEIVED": 0, "PENDING_AUTHORIZATION": 1, "EXECUTING": 2, "OUTCOME_UNKNOWN": 3, "FAILED": 3, "SUCCEEDED": 5}
Place = tuple[str, int]


def verify_actions(connection: psycopg.Connection[DictRow], starts: Mapping[str, tuple[int, bytes]], problems: list[str]) -> int:
    """Check every row of the action log, and that none is missing. `starts` are the chains' dropped beginnings. Returns how many
    rows there are."""
    count = 0
    for actions in _batches(connection):
        count += len(actions)
        dropped = {place for action in actions for place in _places(action) if place[1] <= starts.get(place[0], (0, b""))[0]}
        events = _events(connection, {place for action in actions for place in _places(action)} - dropped)
        for action in actions:
            problem = _problem(action, events, dropped)
            if problem:
                problems.append(f"action {action['id']}: {problem}")
    for event in connection.execute(QUERIES["verify_untold"].encode()):
        where = f"chain {event['writer_id']} event {event['sequence']}"
        if event["known"]:
            problems.append(f"action {event['action_id']}: its history leaves out {where}")
        else:
            problems.append(f"action {event['action_id']}: its row is gone from the action log ({where} tells of it)")
    return count


def _batches(connection: psycopg.Connection[DictRow]) -> Iterator[list[DictRow]]:
    with connection.cursor("verify_actions") as cursor:
        cursor.itersize = _ACTIONS_AT_ONCE
        cursor.execute(QUERIES["verify_actions"].encode())
        while rows := cursor.fetchmany(_ACTIONS_AT_ONCE):
            yield rows


def _places(action: DictRow) -> list[Place]:
    places = []
    for text in action["places"]:
        writer, _, sequence = text.rpartition(":")
        places.append((writer, int(sequence) if sequence.isdecimal() else 0))
    return places


def _events(connection: psycopg.Connection[DictRow], places: set[Place]) -> dict[Place, DictRow]:
    wanted = sorted(places)
    found = connection.execute(
        QUERIES["verify_places"].encode(),
        {"writers": [writer for writer, _ in wanted], "sequences": [sequence for _, sequence in wanted]},
    )
    return {(row["writer_id"], row["sequence"]): row for row in found}


def _problem(action: DictRow, events: Mapping[Place, DictRow], dropped: set[Place]) -> str:
    """Say what is wrong with one row, or nothing."""
    places = _places(action)
    kept = [place for place in places if place not in dropped]
    if not kept:
        return "no event tells of it"
    missing = [place for place in kept if place not in events or events[place]["action_id"] != action["id"]]
    if missing or len(set(places)) < len(places):
        return f"its history names {_named(missing or places)}, which is not its own"
    try:
        bodies = [orjson.loads(events[place]["body"]) for place in kept]
        expected, in_order = _told(bodies)
    except (ValueError, KeyError, TypeError):
        return "its events cannot be read"
    if not in_order:
        return "its history is not in order"
    if len(kept) == len(places):
        expected = _UNTOLD | expected
    differing = sorted(name for name, value in expected.items() if not _same(action.get(name), value))
    return f"{', '.join(differing)} differ from its events" if differing else ""


def _told(bodies: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], bool]:
    """Return the row that events tell of, and whether they follow each other."""
    row: dict[str, Any] = {}
    progress, in_order = 0, True
    for body in bodies:
        if body.get("late"):
            continue
        row |= body["row"]
        if "retry_of" in body:
            row["retry_of"] = body["retry_of"]
        if "written" in body:
            # Events from before there was an order are taken in the order in which they are.
            reached = _PROGRESS.get(row["status"], 4)
            in_order = in_order and reached >= progress
            progress = reached
    return row, in_order


def _named(places: Sequence[Place]) -> str:
    return ", ".join(f"chain {writer} event {sequence}" for writer, sequence in places[:3])


def _same(stored: Any, told: Any) -> bool:
    if isinstance(stored, datetime):
        return isinstance(told, str) and stored == datetime.fromisoformat(told)
    return bool(stored == told)
