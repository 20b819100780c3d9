"""What a server lists now, and how that stands to what was pinned. No I/O.

Above: `registration`, `watch`, `store`. Below: `definition`, `mcp_client`'s lists.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from mcp_adapter_service.mcp_client import ToolList
from mcp_adapter_service.registry import definition
from mcp_adapter_service.registry.definition import Definition, Unusable

MAX_TOOLS: Final = 2000
MAX_BYTES: Final = 2 * 1024 * 1024
"""How much all definitions of one server may be together: they have to fit into one message, twice where all of them changed."""


class Drift(StrEnum):
    """How a tool stands to its pin."""

    NONE = "none"
    CHANGED = "changed"
    GONE = "gone"
    NEW = "new"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Listing:
    """Listing is a server's tools as they were listed at one time: those that can be used, and what is wrong with the others."""

    tools: Mapping[str, Definition]
    unusable: Mapping[str, str]

    @property
    def hash(self) -> str:
        """What stands for all of it."""
        pins = [(name, tool.pin) for name, tool in self.tools.items()]
        return definition.listing_hash([*pins, *self.unusable.items()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Standing is how one tool stands to its pin; `listed` is what the server says now, where that is not what was pinned."""

    name: str
    drift: Drift
    reason: str = ""
    listed: Definition | None = None


class ListingUnusable(Exception):
    """A server lists more than can be kept, or nothing; the message says so to a person."""


def read(listed: ToolList, accepted: Container[str] = frozenset()) -> Listing:
    """Read a server's list of tools. Schemas that are not of `accepted` pins take a while where they are large. Raises
    ListingUnusable."""
    if len(listed.tools) + len(listed.left_out) > MAX_TOOLS:
        raise ListingUnusable(f"it lists more than {MAX_TOOLS} tools")
    found: dict[str, Definition] = {}
    # What is no name is shown by its place: it may hold anything.
    names = [tool.name if definition.is_name(tool.name) else f"({number})" for number, tool in enumerate(listed.left_out, 1)]
    unusable = {name: tool.reason for name, tool in zip(names, listed.left_out, strict=True)}
    for tool in listed.tools:
        name = tool.get("name")
        try:
            usable = definition.read(tool, accepted)
            found[usable.name] = usable
        except Unusable as problem:
            unusable[str(name) if definition.is_name(name) else f"({len(unusable) + 1})"] = str(problem)
    if sum(len(tool.text) for tool in found.values()) > MAX_BYTES:
        raise ListingUnusable(f"its tools' descriptions and schemas are more than {MAX_BYTES // 1024 // 1024} MiB together")
    return Listing(found, unusable)


def compare(pinned: Mapping[str, Definition], listing: Listing) -> list[Standing]:
    """Return how every tool that is pinned or listed stands, in the server's order and then what it has no more."""
    standings = [_standing(name, pinned.get(name), tool) for name, tool in listing.tools.items()]
    for name, problem in listing.unusable.items():
        if name in pinned:
            reason = f"it is not as it was pinned, and {problem}"
            standings.append(Standing(name=name, drift=Drift.CHANGED, reason=reason))
        else:
            standings.append(Standing(name=name, drift=Drift.UNUSABLE, reason=problem))
    there = listing.tools.keys() | listing.unusable.keys()
    gone = [name for name in pinned if name not in there]
    reason = "the server does not list it any more"
    return [*standings, *(Standing(name=name, drift=Drift.GONE, reason=reason) for name in gone)]


def _standing(name: str, pinned: Definition | None, listed: Definition) -> Standing:
    if pinned is None:
        return Standing(name=name, drift=Drift.NEW, reason="it was never pinned", listed=listed)
    if pinned.pin == listed.pin:
        return Standing(name=name, drift=Drift.NONE)
    parts = ", ".join(_differences(pinned.document, listed.document))
    return Standing(name=name, drift=Drift.CHANGED, reason=f"changed since it was pinned: {parts}", listed=listed)


_SHOWN: Final = {"inputSchema": "input schema", "outputSchema": "output schema"}


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[str]:
    names = [*before, *(name for name in after if name not in before)]
    return [_SHOWN.get(name, name) for name in names if before.get(name) != after.get(name)]
