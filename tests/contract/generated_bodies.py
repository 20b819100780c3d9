"""Hypothesis strategies for requests to the dispatch route, from almost right to not JSON at all.

Above: `test_generated_bodies`. Below: `odd_json`, and the case file, whose good cases are what gets mutated.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.contract.case_file import cases
from tests.contract.odd_json import Pairs, Raw, any_json, field_names, leaves, odd_scalars, places, written

THREAD = "thread-generated"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One POST to the dispatch route. `values` are what the body holds, as far as that is known, for looking for echoes."""

    body: bytes
    headers: tuple[tuple[str, bytes], ...] = (("content-type", b"application/json"),)
    values: tuple[str, ...] = ()


def _good_envelopes() -> list[dict[str, Any]]:
    envelopes = []
    for case in cases():
        if case.ok and case.payload is not None:
            payload = copy.deepcopy(case.payload) | {"threadId": THREAD}
            envelopes.append({"action": case.action, "payload": payload, "context": {"threadId": THREAD}})
    return envelopes


GOOD = _good_envelopes()
ACTIONS = sorted({envelope["action"] for envelope in GOOD})
good_envelopes = st.sampled_from(GOOD).map(copy.deepcopy)


@st.composite
def arbitrary(draw: st.DrawFn) -> Request:
    """JSON of any shape: as the whole body, as one part of the envelope, or as the payload of a real action."""
    where = draw(st.sampled_from(["payload", "payload", "payload", "body", "context", "action", "idempotencyKey"]))
    inner = draw(st.dictionaries(field_names, any_json, max_size=8) if where == "payload" else any_json)
    if where == "body":
        return _request(inner, draw)
    envelope: dict[str, Any] = {"action": draw(st.sampled_from([*ACTIONS, "NO_SUCH_ACTION"])), "context": {"threadId": THREAD}}
    envelope[where] = inner
    return _request(envelope, draw)


@st.composite
def mutated(draw: st.DrawFn) -> Request:
    """A good request with one to four things wrong with it."""
    envelope = draw(good_envelopes)
    for _ in range(draw(st.integers(1, 4))):
        draw(st.sampled_from(_MUTATIONS))(draw, envelope)
    return _request(envelope, draw)


@st.composite
def nested(draw: st.DrawFn) -> Request:
    """A good request in which one value lies deep: the parsers on the way each have a limit of their own."""
    envelope = draw(good_envelopes)
    depth = draw(st.one_of(st.integers(1, 120), st.sampled_from([32, 33, 34, 98, 99, 100, 101, 1000, 20_000])))
    opening, closing = draw(st.sampled_from([("[", "]"), ('{"a":', "}"), ('[{"customer":', "}]")]))
    holder, name = draw(st.sampled_from(places(envelope)))
    holder[name] = Raw(text=opening * depth + "1" + closing * depth)
    return Request(body=written(envelope))


@st.composite
def damaged(draw: st.DrawFn) -> Request:
    """A good request cut short, or with bytes changed, removed or doubled."""
    envelope = draw(good_envelopes)
    body = bytearray(written(envelope, escape=draw(st.booleans())))
    if draw(st.booleans()):
        del body[draw(st.integers(0, len(body) - 1)) :]
    else:
        for _ in range(draw(st.integers(1, 6))):
            at = draw(st.integers(0, len(body) - 1))
            body[at] = draw(st.one_of(st.integers(0, 255), st.sampled_from([*b'"{}[]:,\\'])))
    return Request(body=bytes(body), values=tuple(leaves(envelope["payload"])))


_HEADER_BYTES = st.one_of(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40).map(str.encode),
    st.binary(max_size=20).map(lambda raw: raw.translate(None, bytes(range(32)))),
)
_KEYS = st.one_of(
    _HEADER_BYTES,
    st.sampled_from([b"", b" ", b"a b", b"k" * 200, b"k" * 201, b"k" * 9000, "clé".encode(), b"\x00", b"a,b", b'"q"']),
)
_CONTENT_TYPES = st.sampled_from(
    [
        b"application/json",
        b"application/json; charset=utf-8",
        b"application/json;charset=utf-16",
        b"APPLICATION/JSON",
        b"text/json",
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"application/xml",
        b"",
        b"application/grpc-web",
        b"application/octet-stream",
        b"application/json, text/plain",
        b"nonsense",
    ]
)
_OTHERS = st.one_of(
    st.tuples(st.sampled_from(["grpc-timeout", "grpc-encoding", "grpc-status", "grpc-trace-bin", "note-bin"]), _HEADER_BYTES),
    st.tuples(
        st.sampled_from(["x-correlation-id", "x-request-id", "x-jwt-payload", "x-switchboard-error-code"]),
        _HEADER_BYTES,
    ),
    st.tuples(
        st.sampled_from(["x-forwarded-for", "user-agent", "x-client-request-id", "te", "grpc-encoding", "origin"]), _HEADER_BYTES
    ),
    st.tuples(
        st.sampled_from(["accept", "accept-language", "accept-encoding", "content-encoding", "x-http-method-override"]),
        _HEADER_BYTES,
    ),
)


@st.composite
def odd_headers(draw: st.DrawFn) -> Request:
    """A body that is good more often than not, under headers that are not."""
    envelope = draw(good_envelopes)
    if draw(st.booleans()):
        draw(st.sampled_from(_MUTATIONS))(draw, envelope)
    headers = [("content-type", draw(st.one_of(st.just(b"application/json"), _CONTENT_TYPES)))]
    headers += [("idempotency-key", key) for key in draw(st.lists(_KEYS, max_size=2))]
    headers += draw(st.lists(_OTHERS, max_size=3))
    return Request(body=written(envelope), headers=tuple(headers), values=tuple(leaves(envelope)))


def _request(value: Any, draw: st.DrawFn) -> Request:
    return Request(body=written(value, escape=draw(st.booleans())), values=tuple(leaves(value)))


def _drop(draw: st.DrawFn, envelope: dict[str, Any]) -> None:
    found = places(envelope)
    if found:
        holder, name = draw(st.sampled_from(found))
        del holder[name]


def _replace(draw: st.DrawFn, envelope: dict[str, Any]) -> None:
    found = places(envelope)
    if found:
        holder, name = draw(st.sampled_from(found))
        holder[name] = draw(st.one_of(odd_scalars, any_json))


def _add(draw: st.DrawFn, envelope: dict[str, Any]) -> None:
    holders = [envelope, *(item for holder, name in places(envelope) if isinstance(item := holder[name], dict))]
    draw(st.sampled_from(holders))[draw(field_names)] = draw(odd_scalars)


def _duplicate(draw: st.DrawFn, envelope: dict[str, Any]) -> None:
    objects = [(holder, name) for holder, name in places(envelope) if isinstance(holder[name], dict) and holder[name]]
    if objects:
        holder, name = draw(st.sampled_from(objects))
        members = list(holder[name].items())
        again = draw(st.sampled_from(members))[0]
        holder[name] = Pairs(members=[*members, (again, draw(odd_scalars))])


def _nest(draw: st.DrawFn, envelope: dict[str, Any]) -> None:
    found = places(envelope)
    if found:
        holder, name = draw(st.sampled_from(found))
        holder[name] = draw(
            st.sampled_from([[holder[name]], {"value": holder[name]}, {str(name): holder[name]}, [[[holder[name]]]]])
        )


def _rename(draw: st.DrawFn, envelope: dict[str, Any]) -> None:
    found = [(holder, name) for holder, name in places(envelope) if isinstance(holder, dict)]
    if found:
        holder, name = draw(st.sampled_from(found))
        change = draw(
            st.sampled_from([str.upper, str.title, lambda old: old + "\u200b", lambda old: old + ".", lambda old: f"[{old}]"])
        )
        holder[change(name)] = holder.pop(name)


_MUTATIONS: list[Callable[[st.DrawFn, dict[str, Any]], None]] = [_drop, _replace, _replace, _add, _duplicate, _nest, _rename]
