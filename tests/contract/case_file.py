"""Reads `cases.yaml`: turns bases, changes and placeholders into requests with what is expected of them.

Above: `test_cases`. Below: the case file, the only place where a case is written down.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent / "cases.yaml"
_DATE = re.compile(r"^\$date\+(\d+)$")
_LONG = re.compile(r"^\$long(\d+)$")
_NOTHING = {"absent": None, "empty": "", "blank": " \t "}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request and what is expected of it. `payload` None means that none is sent."""

    name: str
    action: str
    payload: dict[str, Any] | None
    context: dict[str, Any] | None
    key: str = ""
    ok: bool = False
    code: str = ""
    missing: frozenset[str] = frozenset()
    violations: frozenset[str] = frozenset()
    card: str = ""
    external_id: str = ""
    # Whether types can say it: a wrong type is exactly what they cannot, and protobuf's own JSON parser lets some pass.
    typed: bool = True


@dataclass(frozen=True, kw_only=True)
class RawCase:
    """One HTTP request that is no proper action."""

    name: str
    method: str
    path: str
    body: bytes
    headers: dict[str, str]
    statuses: frozenset[int]
    codes: frozenset[str] = field(default_factory=frozenset)


def _load() -> dict[str, Any]:
    # A date in YAML is text here: the payload's dates are text.
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    document: dict[str, Any] = yaml.load(FILE.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 (a SafeLoader)
    return document


def cases() -> list[Case]:
    """Return every case, those that the tables of required fields and wrong types stand for included."""
    document = _load()
    bases = document["bases"]
    return [
        *(_case(entry, bases) for entry in document["cases"]),
        *_required(document["required"], bases),
        *_wrong_types(document["wrong_types"], bases),
    ]


def raw_cases() -> list[RawCase]:
    """Return every request that never reaches the domain."""
    return [_raw(entry) for entry in _load()["raw"]]


def _case(entry: dict[str, Any], bases: dict[str, Any]) -> Case:
    payload = copy.deepcopy(entry["payload"] if "payload" in entry else bases.get(entry["action"], {}))
    for path, value in entry.get("set", {}).items():
        _put(payload, path, value)
    for path in entry.get("unset", []):
        _remove(payload, path)
    context = entry["context"] if "context" in entry else {"threadId": entry.get("thread", "thread-cases")}
    return Case(
        name=entry["name"],
        action=entry["action"],
        payload=None if entry.get("no_payload") else _filled(payload),
        context=_filled(context),
        key=_filled(entry.get("key", "")),
        ok=entry.get("ok", False),
        code=entry.get("code", ""),
        missing=frozenset(entry.get("missing", [])),
        violations=frozenset(entry.get("violations", [])),
        card=entry.get("card", ""),
        external_id=entry.get("externalId", ""),
    )


def _required(table: dict[str, list[str]], bases: dict[str, Any]) -> Iterator[Case]:
    for action, paths in table.items():
        for path in paths:
            for how, value in _NOTHING.items():
                change = {"unset": [path]} if value is None else {"set": {path: value}}
                entry = {
                    "name": f"{action}: {path} {how}",
                    "action": action,
                    "code": "MISSING_FIELDS",
                    "missing": [path],
                    **change,
                }
                yield _case(entry, bases)


def _wrong_types(table: dict[str, dict[str, Any]], bases: dict[str, Any]) -> Iterator[Case]:
    for action, wrong in table.items():
        for path, value in wrong.items():
            name = f"{action}: {path} of the wrong type"
            entry = {"name": name, "action": action, "set": {path: value}, "code": "INVALID_ARGUMENT", "violations": [path]}
            yield replace(_case(entry, bases), typed=False)


def _raw(entry: dict[str, Any]) -> RawCase:
    if "hex" in entry:
        body = bytes.fromhex(entry["hex"])
    elif "nest" in entry:
        body = b'{"payload":' * entry["nest"] + b"{}" + b"}" * entry["nest"]
    elif "size" in entry:
        body = b'{"action":"' + b"x" * entry["size"] + b'"}'
    else:
        body = entry.get("body", "").encode()
    return RawCase(
        name=entry["name"],
        method=entry.get("method", "POST"),
        path=entry.get("path", "/api/actions/dispatch"),
        body=body,
        headers={"content-type": entry.get("content_type", "application/json")} | _filled(entry.get("headers", {})),
        statuses=frozenset(_many(entry["status"])),
        codes=frozenset(_many(entry["code"])),
    )


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        document = document.setdefault(name, {})
    document[last] = value


def _remove(document: dict[str, Any], path: str) -> None:
    *parents, last = path.split(".")
    for name in parents:
        document = document[name]
    document.pop(last, None)


def _filled(value: Any) -> Any:
    """Replace placeholders, wherever they stand."""
    if isinstance(value, dict):
        return {name: _filled(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item) for item in value]
    if isinstance(value, str) and (match := _DATE.match(value)):
        return (date.today() + timedelta(days=int(match[1]))).isoformat()
    if isinstance(value, str) and (match := _LONG.match(value)):
        return "x" * int(match[1])
    return value
