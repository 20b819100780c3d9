"""Which tools a caller may call, and what each is called: asked of dispatch_service, with the definitions kept by their revision.

Above: `listing` shows them, calls find one by its name. Below: dispatch_service's ListTools.

What a caller may call is asked for each list; a definition travels once for each revision of a tool. A call looks its name up in
the table that the caller was last shown. That decides nothing: whether a call may be made is dispatch_service's to say.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from model_gateway.caller import Caller
from model_gateway.definitions import ListedTool, listed
from model_gateway.dispatch import Dispatch, Tool

_FRESH_SECONDS = 60.0
# A name that is not in a table may be new; who asks for names that do not exist has it looked up so often and not more.
_ASKED_AGAIN_SECONDS = 1.0
_MAX_CALLERS = 10_000
_MAX_TABLES = 200
_MAX_DEFINITIONS = 20_000

# Server, name, revision, and what it asks of the caller, which its description tells.
_Key = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """The tools of a caller, in the order of servers and names, and by what models call them."""

    tools: tuple[ListedTool, ...]
    by_alias: Mapping[str, ListedTool]


class Catalogue:
    """The tools of every caller."""

    def __init__(self, dispatch: Dispatch, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._dispatch = dispatch
        self._clock = clock
        self._definitions: dict[_Key, ListedTool] = {}
        # Callers who may call the same share one table.
        self._tables: dict[tuple[_Key, ...], Table] = {}
        self._callers: OrderedDict[str, tuple[float, Table]] = OrderedDict()

    async def table(self, caller: Caller) -> Table:
        """Return what the caller may call now. Raises DispatchFault."""
        named = [tool for tool in await self._dispatch.list_tools(caller, names_only=True) if tool.alias]
        if any(_key(tool) not in self._definitions for tool in named):
            await self._learn(caller, named)
        table = self._table_of([_key(tool) for tool in named])
        self._callers[caller.payload] = (self._clock(), table)
        self._callers.move_to_end(caller.payload)
        while len(self._callers) > _MAX_CALLERS:
            self._callers.popitem(last=False)
        return table

    async def find(self, caller: Caller, alias: str) -> ListedTool | None:
        """Return the tool that the caller knows by that name. Raises DispatchFault."""
        asked_at, table = self._callers.get(caller.payload, (0.0, None))
        age = self._clock() - asked_at
        if table is None or age > _FRESH_SECONDS or (alias not in table.by_alias and age > _ASKED_AGAIN_SECONDS):
            table = await self.table(caller)
        return table.by_alias.get(alias)

    async def _learn(self, caller: Caller, named: Sequence[Tool]) -> None:
        # A list of names that told everything already needs no second question.
        told = named if all(tool.HasField("input_schema") for tool in named) else None
        if len(self._definitions) > _MAX_DEFINITIONS:
            self._definitions.clear()
            self._tables.clear()
        for tool in told or await self._dispatch.list_tools(caller, names_only=False):
            if tool.alias:
                self._definitions[_key(tool)] = listed(tool)

    def _table_of(self, keys: Sequence[_Key]) -> Table:
        whole = tuple(keys)
        found = self._tables.get(whole)
        if found is None:
            tools = tuple(self._definitions[key] for key in whole if key in self._definitions)
            found = Table(tools=tools, by_alias={tool.alias: tool for tool in tools})
            if len(tools) == len(whole):
                if len(self._tables) >= _MAX_TABLES:
                    self._tables.clear()
                self._tables[whole] = found
        return found


def _key(tool: Tool) -> _Key:
    return tool.server, tool.name, tool.revision, tool.permission
