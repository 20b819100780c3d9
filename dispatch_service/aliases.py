"""Names of tools for models: letters, digits, `_` and `-`, 64 at most, one name for each tool and one tool for each name.

Above: the listing, and the way back from a model's tool call. Below: nothing. A name is looked up in a table, never taken apart:
how it is made may change, and a name that is not in the caller's table is no tool's.

A tool's name depends on its own two names only, so that it stays the same whatever other tools there are. The plain form
`server__tool` is kept where it can be told back to exactly one pair of names; otherwise a hash of both follows it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

LENGTH = 64
_BETWEEN = "__"
_DIGITS = 10
_SERVER = 24  # As much of a server's name as leaves room for the tool's, where not all of it fits.
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")
_HASHED = re.compile(rf"_[0-9a-f]{{{_DIGITS}}}\Z")


class Named(Protocol):
    """What has a name on a server."""

    @property
    def server(self) -> str:
        """The server's name."""
        ...

    @property
    def name(self) -> str:
        """The tool's name there."""
        ...


Tool = TypeVar("Tool", bound=Named)


class AliasTable(Generic[Tool]):
    """Tools by their names for models."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool | None] = {}
        for tool in tools:
            alias = alias_of(tool.server, tool.name)
            # Should two hashes ever be the same, calling neither is right and calling the wrong one is not.
            self._tools[alias] = None if alias in self._tools else tool

    def find(self, alias: str) -> Tool | None:
        """Return the tool of that name, or None."""
        return self._tools.get(alias)


@lru_cache(maxsize=10_000)
def alias_of(server: str, tool: str) -> str:
    """Return the name for models of a tool on a server."""
    plain = f"{_UNFIT.sub('_', server)}{_BETWEEN}{_UNFIT.sub('_', tool)}"
    if plain == server + _BETWEEN + tool and _says_all(server, plain):
        return plain
    room = LENGTH - _DIGITS - 1
    if len(plain) > room:
        plain = f"{_UNFIT.sub('_', server)[:_SERVER]}{_BETWEEN}{_UNFIT.sub('_', tool)}"[:room]
    digest = hashlib.sha256(json.dumps([server, tool]).encode()).hexdigest()
    return f"{plain}_{digest[:_DIGITS]}"


def _says_all(server: str, plain: str) -> bool:
    """Whether the first `__` of the plain form is what stands between the names, and its end is not like that of a hashed one."""
    between = plain.find(_BETWEEN)
    return len(plain) <= LENGTH and between == len(server) and _HASHED.search(plain) is None
