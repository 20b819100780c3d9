"""One third-party tool as dispatch knows it: what was pinned, what an operator configured, for whom it is enabled.

Above: `catalogue`. Below: the registry's messages. What its server says of it is text from a stranger: cleaned, cut, and believed
in nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from switchboard.options.v1 import options_pb2
from switchboard.registry.v1 import server_registry_service_pb2 as pb

from dispatch_service.principal import Principal
from service_kit.contract.parse import struct_to_document
from service_kit.contract.text import multi_line, one_line
from service_kit.contract.tools import LEVELS, Pin, ToolSpec

CHANGED: Final = "This tool is not what it was when it was approved; an operator has to look at it."
_GONE: Final = "This tool's server does not list it any more; an operator has to look at it."
_MAX_TITLE: Final = 120
_MAX_DESCRIPTION: Final = 4000
_EXACT: Final = 2**53

_UNAVAILABLE: Final[Mapping[int, str]] = {pb.DRIFT_NONE: "", pb.DRIFT_GONE: _GONE}
_LEVEL_OF: Final[Mapping[int, str]] = {
    options_pb2.PERMISSION_LEVEL_UNRESTRICTED: LEVELS[0],
    options_pb2.PERMISSION_LEVEL_SOFT_LIMIT: LEVELS[1],
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignTool:
    """A third-party tool. `enabled_for` None is everybody of the tenant; `unavailable` says why it is not called just now, or
    nothing."""

    spec: ToolSpec
    enabled_for: frozenset[str] | None
    unavailable: str = ""

    def enabled(self, principal: Principal) -> bool:
        """Whether somebody has enabled it for a caller."""
        return self.enabled_for is None or principal.subject in self.enabled_for


def foreign_tool(server: str, told: pb.RegisteredTool) -> ForeignTool:
    """Return a tool as the registry has it. What is not configured, or in a way not known here, is taken for the worst."""
    reads = told.effect == options_pb2.EFFECT_READ
    output = document_of(told.output_schema) if told.HasField("output_schema") else None
    spec = ToolSpec(
        server=server,
        name=told.name,
        title=one_line(told.title)[:_MAX_TITLE] or told.name,
        reads_only=reads,
        destructive=not reads and told.effect != options_pb2.EFFECT_WRITE,
        idempotent=told.idempotent,
        sensitive=told.sensitive,
        level=_LEVEL_OF.get(told.permission, LEVELS[-1]),
        domain=server,
        action=told.name,
        foreign=True,
        pin=Pin(
            hash=told.pin,
            description=multi_line(told.description)[:_MAX_DESCRIPTION],
            input_schema=document_of(told.input_schema),
            output_schema=output,
        ),
    )
    enabled_for = None if told.enabled_for_all else frozenset(told.enabled_for)
    unavailable = _UNAVAILABLE.get(told.drift, CHANGED) if told.pin else CHANGED
    return ForeignTool(spec=spec, enabled_for=enabled_for, unavailable=unavailable)


def document_of(struct: Any) -> dict[str, Any]:
    """Return a Struct as a document in which whole numbers are written as such: a stranger may not take 3.0 for 3."""
    return whole_numbers(struct_to_document(struct))


def whole_numbers(document: dict[str, Any]) -> dict[str, Any]:
    """Write whole numbers as such, also those that came as 3.0."""
    return {name: _whole(value) for name, value in document.items()}


def _whole(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= _EXACT else value
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value
