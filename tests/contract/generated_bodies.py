"""Hypothesis strategies for requests to the dispatch route, from almost right to not JSON at all.

Above: `test_generated_bodies`. Below: the case file, whose good cases are what gets mutated. JSON is written here and not by
the `json` module, which cannot say a key twice, `1e400` or a surrogate that stands alone.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.contract.case_file import cases

THREAD = "thread-generated"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One POST to the dispatch route. `values` are what the body holds, as far as that is known, for looking for echoes."""

    body: bytes
    headers: tuple[tuple[str, bytes], ...] = (("content-type", b"application/json"),)
    values: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Raw:
    """JSON text that is written as it stands."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """A JSON object whose members may repeat."""

    members: list[tuple[str, Any]] = field(default_factory=list)


def written(value: Any, *, escape: bool = True) -> bytes:
    """Write a value as JSON; without `escape` a lone surrogate becomes bytes that are no UTF-8."""
    return _text(value, escape).encode("utf-8", "surrogatepass")


def _text(value: Any, escape: bool) -> str:
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        value = Pairs(members=list(value.items()))
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{_text(name, escape)}:{_text(item, escape)}" for name, item in value.members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_text(item, escape) for item in value) + "]"
    return json.dumps(value, ensure_ascii=escape)


def leaves(value: Any) -> list[str]:
    """Every text and number in a value, as it would look where a reply quoted it. Names of fields are no values."""
    if isinstance(value, Raw):
        return [value.text]
    if isinstance(value, Pairs):
        return [leaf for _, item in value.members for leaf in leaves(item)]
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [str(value)]


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

_ODD_TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn"]), max_size=12),
    st.sampled_from(
        [
            "\u0000",
            "a\u0000b",
            "\ud800",
            "\udc00\ud800",
            "\u202eevil\u2066",
            "\ufeff",
            "\u200b\u200d",
            "Z" + "\u0301" * 300,
            "🛠" * 100,
            "x" * 5000,
            "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
            "٠١٢٣٤٥٦٧٨٩",
            "<script>alert(1)</script>",
            "'; drop table journal.events; --",
            "{{7*7}} ${jndi:ldap://elsewhere.example/a}",
            "../../../../etc/passwd",
            "%00%0d%0aset-cookie: a=b",
            "__proto__",
            "NaN",
            "2030-02-30T99:99:99Z",
            "+1 (608) 555-0199 ext. 99999999999999999999",
            "someone.else@mail.example",
        ]
    ),
)
_ODD_NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["1e400", "-1e400", "-0", "-0.0", "1e-400", "9" * 400, "0.1e+1", "01", "1.", "+1", "NaN", "-Infinity", "0x10", "1e"]
    ).map(lambda text: Raw(text=text)),
    st.sampled_from([2**31, -(2**31) - 1, 2**53 + 1, 2**63, 10**30]),
)
_ODD_SCALARS = st.one_of(st.none(), st.booleans(), _ODD_NUMBERS, _ODD_TEXTS)
_PII_NAMES = st.sampled_from(
    [
        "ssn",
        "creditCardNumber",
        "password",
        "customer.ssn",
        "Ada Quill",
        "ada@mail.example",
        "+16085550123",
        "\u202ename",
        "",
        "a" * 500,
    ]
)
_NAMES = st.one_of(
    _PII_NAMES, st.sampled_from(["threadId", "customer", "action", "payload", "context", "first_name"]), st.text(max_size=10)
)
any_json = st.recursive(
    _ODD_SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(st.tuples(_NAMES, inner), max_size=4).map(lambda members: Pairs(members=members)),
    ),
    max_leaves=12,
)


@st.composite
def arbitrary(draw: st.DrawFn) -> Request:
    """JSON of any shape: as the whole body, as one part of the envelope, or as the payload of a real action."""
    inner = draw(any_json)
    where = draw(st.sampled_from(["body", "payload", "payload", "context", "action", "idempotencyKey"]))
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
    holder, name = draw(st.sampled_from(_places(envelope)))
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
    st.binary(max_size=20).map(lambda raw: raw.translate(None, b"\r\n")),
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
    ]
    + [
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"application/xml",
        b"",
        b"application/grpc",
        b"application/grpc-web",
    ]
    + [b"application/octet-stream", b"application/json, text/plain", b"nonsense"]
)
_OTHERS = st.one_of(
    st.tuples(
        st.sampled_from(["x-correlation-id", "x-request-id", "x-jwt-payload", "x-switchboard-error-code", "grpc-timeout"]),
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


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a document; the envelope's own members among them."""
    members = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [place for name, item in members for place in ((value, name), *_places(item))]


def _drop(draw: st.DrawFn, envelope: dict[str, Any]) -> None:
    places = _places(envelope)
    if places:
        holder, name = draw(st.sampled_from(places))
        del holder[name]


def _replace(draw: st.DrawFn, envelope: dict[str, Any]) -> None:
    places = _places(envelope)
    if places:
        holder, name = draw(st.sampled_from(places))
        holder[name] = draw(st.one_of(_ODD_SCALARS, any_json))


def _add(draw: st.DrawFn, envelope: dict[str, Any]) -> None:
    holders = [envelope, *(item for holder, name in _places(envelope) if isinstance(item := holder[name], dict))]
    draw(st.sampled_from(holders))[draw(_NAMES)] = draw(_ODD_SCALARS)


def _duplicate(draw: st.DrawFn, envelope: dict[str, Any]) -> None:
    objects = [(holder, name) for holder, name in _places(envelope) if isinstance(holder[name], dict) and holder[name]]
    if objects:
        holder, name = draw(st.sampled_from(objects))
        members = list(holder[name].items())
        again = draw(st.sampled_from(members))[0]
        holder[name] = Pairs(members=[*members, (again, draw(_ODD_SCALARS))])


def _nest(draw: st.DrawFn, envelope: dict[str, Any]) -> None:
    places = _places(envelope)
    if places:
        holder, name = draw(st.sampled_from(places))
        holder[name] = draw(
            st.sampled_from([[holder[name]], {"value": holder[name]}, {str(name): holder[name]}, [[[holder[name]]]]])
        )


def _rename(draw: st.DrawFn, envelope: dict[str, Any]) -> None:
    places = [(holder, name) for holder, name in _places(envelope) if isinstance(holder, dict)]
    if places:
        holder, name = draw(st.sampled_from(places))
        change = draw(
            st.sampled_from([str.upper, str.title, lambda old: old + "\u200b", lambda old: old + ".", lambda old: f"[{old}]"])
        )
        holder[change(name)] = holder.pop(name)


_MUTATIONS: list[Callable[[st.DrawFn, dict[str, Any]], None]] = [_drop, _replace, _replace, _add, _duplicate, _nest, _rename]
