"""Every tool that there is: the contract's, and the third-party ones that an operator has registered.

Above: the door for tools, the listing, authorizations. Below: `source`, which is asked in the background: nothing here waits for
the adapter while a call does. What is known is a second old at most; while the adapter is away, what was last known stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from dispatch_service.adapter import AdapterAway
from dispatch_service.foreign.source import Registered, Source, Tools
from dispatch_service.foreign.tool import ForeignTool
from dispatch_service.policy import PolicyAction, third_party_action
from dispatch_service.principal import Principal
from service_kit.contract.tools import ToolSpec, tools
from service_kit.logging import log

_logger = logging.getLogger(__name__)
_PAUSE_SECONDS = 0.5


class Servers(Protocol):
    """Which tool servers there are."""

    async def servers(self) -> Collection[str]:
        """Return the names of the servers that tools can be called on."""
        ...


class ToolCatalogue:
    """The tools that there are. `changed` is told what policy calls the third-party ones, whenever one is not what it was."""

    def __init__(self, *, servers: Servers, registry: Registered, changed: Callable[[Mapping[str, PolicyAction]], None]) -> None:
        self._servers = servers
        self._source = Source(registry)
        self._changed = changed
        self._foreign: Tools = {}
        self._read = False
        self._away = ""

    def knows(self, server: str) -> bool:
        """Whether it is known which tools a server has: of third-party ones, only once the registry has been read."""
        return self._read or any(server == owner for owner, _ in tools())

    def find(self, server: str, name: str) -> ToolSpec | None:
        """Return a tool, whoever asks and whether it can be called or not; None where there is none."""
        found = tools().get((server, name))
        if found is not None:
            return found
        foreign = self._foreign.get((server, name))
        return foreign.spec if foreign is not None else None

    def find_for(self, principal: Principal, server: str, name: str) -> ToolSpec | None:
        """Return a tool that is there for a caller: a third-party one where somebody has enabled it for it."""
        foreign = self._foreign.get((server, name))
        if foreign is not None:
            return foreign.spec if foreign.enabled(principal) else None
        return tools().get((server, name))

    def unavailable(self, tool: ToolSpec) -> str:
        """Say to a person why a tool is not called just now, or nothing."""
        foreign = self._foreign.get((tool.server, tool.name)) if tool.foreign else None
        return foreign.unavailable if foreign is not None else ""

    async def tools_for(self, principal: Principal) -> list[ToolSpec]:
        """Return what is there for a caller and can be called, in the order of servers and names. Policy has its say after
        that."""
        there = await self._servers.servers()
        contract = [spec for (server, _), spec in tools().items() if server in there]
        foreign = [tool.spec for tool in self._enabled(principal) if not tool.unavailable]
        return sorted([*contract, *foreign], key=lambda spec: (spec.server, spec.name))

    def unavailable_for(self, principal: Principal) -> list[ToolSpec]:
        """Return what is there for a caller and is not called until an operator has looked at it."""
        return [tool.spec for tool in self._enabled(principal) if tool.unavailable]

    def revision_of(self, tool: ToolSpec) -> str:
        """Return what changes whenever a tool's description or schemas do."""
        return tool.revision

    async def run(self) -> None:
        """Keep up with the registry until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def refresh(self) -> None:
        """Look once. While the adapter is away, what was last known stays."""
        try:
            found = await self._source.read()
        except AdapterAway as problem:
            if self._away != str(problem):
                self._away = str(problem)
                log(_logger, logging.WARNING, "third-party tools cannot be listed", status=self._away)
            return
        self._away = ""
        if found is not None:
            self._foreign = found
            # Policy knows a tool before anybody can find it here, as nothing waits between the two.
            self._changed(_actions(found.values()))
            log(_logger, logging.INFO, "third-party tools were read", tools=len(found))
        self._read = True

    def _enabled(self, principal: Principal) -> list[ForeignTool]:
        return [tool for _, tool in sorted(self._foreign.items()) if tool.enabled(principal)]


def _actions(found: Collection[ForeignTool]) -> dict[str, PolicyAction]:
    made = (third_party_action(tool.spec, tool.enabled_for) for tool in found)
    return {action.id: action for action in made}
