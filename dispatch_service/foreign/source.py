"""Reads the registered servers and their tools from the adapter, and again only what has changed.

Above: `catalogue`. Below: the adapter's registry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from switchboard.registry.v1 import server_registry_service_pb2 as pb

from dispatch_service.foreign.tool import ForeignTool, foreign_tool
from service_kit.contract.tools import tools

Tools = Mapping[tuple[str, str], ForeignTool]


class Registered(Protocol):
    """The adapter's registry, for this process's tenant."""

    async def registered(self) -> Sequence[pb.RegisteredServer]:
        """Return the servers without their tools. Raises AdapterAway."""
        ...

    async def server(self, name: str) -> pb.RegisteredServer | None:
        """Return one with its tools, or None where it is gone. Raises AdapterAway."""
        ...


@dataclass(frozen=True, slots=True)
class _Read:
    told: pb.RegisteredServer
    tools: Tools


class Source:
    """What was last read."""

    def __init__(self, registry: Registered) -> None:
        self._registry = registry
        self._servers: dict[str, _Read] = {}

    async def read(self) -> Tools | None:
        """Return every third-party tool by server and name, None where nothing has changed since. Raises AdapterAway."""
        contract = {server for server, _ in tools()}
        # A name of the contract's is never anybody else's.
        there = {server.name: server for server in await self._registry.registered() if server.name not in contract}
        changed = self._servers.keys() != there.keys()
        read: dict[str, _Read] = {}
        for name, server in there.items():
            known = self._servers.get(name)
            if known is not None and _same(known.told, server):
                read[name] = known
                continue
            whole = await self._registry.server(name)
            if whole is None:
                changed = True
                continue
            if known is not None and known.told == whole:
                read[name] = known
                continue
            changed = True
            read[name] = _Read(whole, {(name, tool.name): foreign_tool(name, tool) for tool in whole.tools if tool.pin})
        self._servers = read
        return {key: tool for one in read.values() for key, tool in one.tools.items()} if changed else None


def _same(known: pb.RegisteredServer, told: pb.RegisteredServer) -> bool:
    """Whether nothing has changed: one that was removed and registered again may have the same version."""
    return bool(told.version) and (known.version, known.registered_at) == (told.version, told.registered_at)
