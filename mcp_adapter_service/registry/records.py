"""A third-party server and its tools as they are kept, and how they are shown.

Above: `store` reads and writes them, `cache` holds them, `servicer` shows them. Below: `definition`, the generated contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from switchboard.options.v1 import options_pb2
from switchboard.registry.v1 import server_registry_service_pb2 as pb

from mcp_adapter_service.registry import definition
from mcp_adapter_service.registry.definition import Definition
from mcp_adapter_service.registry.listing import Drift

Key = tuple[str, str]
"""A tenant and the name of one of its servers."""

_DRIFTS: Final = {drift.value: pb.Drift.Value(f"DRIFT_{drift.name}") for drift in Drift}
_EFFECTS: Final = {
    "read": options_pb2.EFFECT_READ,
    "write": options_pb2.EFFECT_WRITE,
    "destructive": options_pb2.EFFECT_DESTRUCTIVE,
}
_LEVELS: Final = {
    "unrestricted": options_pb2.PERMISSION_LEVEL_UNRESTRICTED,
    "soft_limit": options_pb2.PERMISSION_LEVEL_SOFT_LIMIT,
    "requires_authorization": options_pb2.PERMISSION_LEVEL_REQUIRES_AUTHORIZATION,
}
EFFECT_NAMES: Final = {number: name for name, number in _EFFECTS.items()}
LEVEL_NAMES: Final = {number: name for name, number in _LEVELS.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptTool:
    """KeptTool is one tool: what was pinned of it, what is listed instead, and what we say of it."""

    name: str
    pinned: Definition | None
    listed: Definition | None
    drift: Drift
    reason: str
    effect: str
    idempotent: bool
    permission: str
    sensitive: bool
    configured: bool
    enabled_for_all: bool
    enabled_for: tuple[str, ...]

    def message(self) -> pb.RegisteredTool:
        """It as it is shown: as it was pinned, or as it is listed where it never was."""
        shown = self.pinned or self.listed
        message = pb.RegisteredTool(
            name=self.name,
            pin=self.pinned.pin if self.pinned else "",
            drift=_DRIFTS[self.drift.value],
            reason=self.reason,
            effect=_EFFECTS[self.effect],
            idempotent=self.idempotent,
            permission=_LEVELS[self.permission],
            sensitive=self.sensitive,
            enabled_for_all=self.enabled_for_all,
            enabled_for=self.enabled_for,
        )
        if shown is not None:
            _describe(shown, message)
        if self.listed is not None and self.pinned is not None:
            _describe(self.listed, message.listed)
        return message


@dataclass(frozen=True, kw_only=True)
class KeptServer:
    """KeptServer is one third-party server of a tenant with its tools, by name and in the server's order."""

    tenant: str
    name: str
    id: str
    version: int
    url: str
    command: tuple[str, ...]
    token_environment: str
    sealed_token: bytes | None = field(repr=False)
    timeout_seconds: int
    protocol_version: str
    listing_hash: str
    registered_by: str
    registered_at: datetime
    tools: Mapping[str, KeptTool]

    @property
    def key(self) -> Key:
        """What it is found by."""
        return self.tenant, self.name

    @property
    def pinned(self) -> dict[str, Definition]:
        """What was pinned of its tools."""
        return {name: tool.pinned for name, tool in self.tools.items() if tool.pinned is not None}

    @cached_property
    def tool_messages(self) -> Sequence[pb.RegisteredTool]:
        """Its tools as they are shown. Made once: schemas take a while, and dispatch asks every second."""
        return [tool.message() for tool in self.tools.values()]

    def message(self, check: Check | None, breaker: str, *, with_tools: bool) -> pb.RegisteredServer:
        """It as it is shown."""
        message = pb.RegisteredServer(
            name=self.name,
            url=self.url,
            command=self.command,
            protocol_version=self.protocol_version,
            has_token=bool(self.token_environment or self.sealed_token),
            healthy=check is not None and check.healthy,
            message=check.message if check else "",
            breaker=breaker,
            drifted=sum(tool.drift is not Drift.NONE for tool in self.tools.values()),
            listing_hash=self.listing_hash,
            registered_by=self.registered_by,
            timeout_seconds=self.timeout_seconds,
            version=self.version,
            tools=self.tool_messages if with_tools else (),
        )
        message.registered_at.FromDatetime(self.registered_at)
        if check is not None:
            message.checked_at.FromDatetime(check.checked_at)
        return message


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """Check is how a server was when it was last looked at."""

    checked_at: datetime
    healthy: bool
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NewServer:
    """NewServer is a server to keep."""

    tenant: str
    name: str
    url: str
    command: tuple[str, ...]
    token_environment: str
    sealed_token: bytes | None = field(repr=False)
    timeout_seconds: int
    protocol_version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Author:
    """Who makes a change, and the correlation id by which the logs know it."""

    actor: str
    correlation_id: str = ""


def tool_of(row: Mapping[str, Any]) -> KeptTool:
    """Return the tool that a row of `adapter.registered_tool` holds."""
    return KeptTool(
        name=row["name"],
        pinned=_definition(row["pinned"]),
        listed=_definition(row["listed"]),
        drift=Drift(row["drift"]),
        reason=row["reason"],
        effect=row["effect"],
        idempotent=row["idempotent"],
        permission=row["permission"],
        sensitive=row["sensitive"],
        configured=row["configured"],
        enabled_for_all=row["enabled_for_all"],
        enabled_for=tuple(row["enabled_for"]),
    )


def server_of(row: Mapping[str, Any], tools: Sequence[KeptTool]) -> KeptServer:
    """Return the server that a row of `adapter.registered_server` holds, with its tools."""
    return KeptServer(
        tenant=row["tenant"],
        name=row["name"],
        id=str(row["id"]),
        version=row["version"],
        url=row["url"],
        command=tuple(row["command"]),
        token_environment=row["token_environment"],
        sealed_token=row["sealed_token"],
        timeout_seconds=row["timeout_seconds"],
        protocol_version=row["protocol_version"],
        listing_hash=row["listing_hash"],
        registered_by=row["registered_by"],
        registered_at=row["registered_at"],
        tools={tool.name: tool for tool in tools},
    )


def _definition(document: Any) -> Definition | None:
    return None if document is None else definition.kept(document)


def _describe(shown: Definition, message: pb.RegisteredTool | pb.ListedTool) -> None:
    message.title = shown.title
    message.description = shown.description
    message.input_schema.update(shown.input_schema)
    if shown.output_schema is not None:
        message.output_schema.update(shown.output_schema)
