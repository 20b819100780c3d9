"""What can be wrong with a payload, in one form whoever finds it.

Above: `dispatch_service` and the tool-server runtime, which answer with problems. Below: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One problem with one field.

    `path` is dotted camelCase (`customer.phone`, `photos[0].assetId`). `missing` marks a required field that is absent, empty
    or blank; everything else is a violation of `rule`. `message` is for a person and never quotes the value. `known`
    is false where the path itself was chosen by the caller (an unknown field), so that journals leave it out.
    """

    path: str
    rule: str
    message: str
    missing: bool = False
    known: bool = True


def join(parent: str, name: str) -> str:
    """Return the path of `name` within `parent`."""
    return f"{parent}.{name}" if parent else name


def first_per_path(problems: Iterable[Problem]) -> list[Problem]:
    """Keep the first problem of each path: later stages see the same bad value again."""
    kept: dict[str, Problem] = {}
    for problem in problems:
        kept.setdefault(problem.path, problem)
    return list(kept.values())


def under(path: str, parents: Iterable[str]) -> bool:
    """Say whether `path` is one of `parents` or lies within one."""
    return any(path == parent or path.startswith((parent + ".", parent + "[")) for parent in parents)
