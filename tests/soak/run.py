"""Call a faulty server many times, and see that each call comes to what is stated and that nothing else notices.

Above: `test_soak` and `python -m tests.soak`. Below: `server`, a process of its own; `modes`, the table; `leaks`.

A round is one call of every mode, all at once, beside two healthy calls that are under way from before the first to after the
last: one of the same client and one of another server's. Both have to succeed. After the warm-up and at the end, once idle
connections are gone, everything that this process holds is counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import orjson

from mcp_adapter_service.mcp_client import ClientLimits, Fault, McpClient, ToolList, ToolReply, ToolSucceeded, open_pool
from tests.soak.leaks import Held
from tests.soak.modes import MODES, Mode

_KEEP_ALIVE_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 20.0
_WARM_UP_ROUNDS: Final = 5
# Small where the server would have to send much, so that a round takes a moment only. Replies have their usual bound.
_LIMITS: Final = ClientLimits(max_tool_pages=8, max_listing_bytes=1024 * 1024, redetect_seconds=3600.0)


@dataclass(slots=True, kw_only=True)
class Findings:
    """Findings is what a run found."""

    outcomes: dict[str, Counter[tuple[str, str, str]]] = field(default_factory=dict)
    """Each mode's outcomes: (outcome, effect, code)."""
    calls: int = 0
    """Faulty calls, the warm-up's included."""
    healthy: int = 0
    """Calls beside them that succeeded."""
    problems: list[str] = field(default_factory=list)
    warmed_up: Held | None = None
    at_the_end: Held | None = None
    seconds: float = 0.0


async def soak(calls: int) -> Findings:
    """Make at least `calls` faulty calls after the warm-up."""
    findings = Findings(outcomes={_key(mode): Counter() for mode in MODES})
    begun = asyncio.get_running_loop().time()
    async with _servers() as urls, open_pool(keep_alive_seconds=_KEEP_ALIVE_SECONDS) as pool:
        round_ = _Round(urls, pool, findings)
        for _ in range(_WARM_UP_ROUNDS):
            await round_.make()
        await _idle(round_)
        findings.warmed_up = Held.now()
        for _ in range(-(-calls // len(MODES))):
            await round_.make()
        await _idle(round_)
        findings.at_the_end = Held.now()
        findings.problems += findings.at_the_end.leaked_since(findings.warmed_up)
        told, given_up = await round_.told_of_the_end(), sum(findings.outcomes["sessions/stall"].values())
        if told != given_up:
            findings.problems.append(f"the server with sessions was told of {told} calls given up, of {given_up}")
        await round_.close()
    findings.seconds = asyncio.get_running_loop().time() - begun
    return findings


class _Round:
    def __init__(self, urls: dict[str, str], pool: aiohttp.ClientSession, findings: Findings) -> None:
        self.clients = {name: McpClient(name, url, "token", session=pool, limits=_LIMITS) for name, url in urls.items()}
        # What holds and releases the neighbours is no part of what is tried: its connections are its own.
        self.controls = {
            name: McpClient(name, urls[name], session=pool) for name in ("faulty", "smuggling", "healthy", "sessions")
        }
        self._findings = findings
        self._number = 0

    async def make(self) -> None:
        """Make one call of every mode beside two healthy ones."""
        self._number += 1
        neighbours = {name: asyncio.create_task(self._held(self.clients[name])) for name in self.controls}
        for name in neighbours:
            await self._control(name, "await_held")
        async with asyncio.TaskGroup() as faulty:
            for mode in MODES:
                faulty.create_task(self._try(mode))
        for name, neighbour in neighbours.items():
            if neighbour.done():
                self._findings.problems.append(f"round {self._number}: the call beside, on '{name}', did not last")
            await self._control(name, "release")
            outcome = await neighbour
            if isinstance(outcome, ToolSucceeded) and outcome.structured == {"held": self._held_key}:
                self._findings.healthy += 1
            else:
                self._findings.problems.append(f"round {self._number}: the call beside, on '{name}', came to {_said(outcome)}")

    async def close(self) -> None:
        """End the sessions."""
        for client in (*self.clients.values(), *self.controls.values()):
            await client.aclose()

    async def open_at(self, name: str) -> int:
        """Return how many connections a server has open, this question's included."""
        outcome = await self._control(name, "connections")
        return int(outcome.structured["open"]) if isinstance(outcome, ToolSucceeded) else -1

    async def told_of_the_end(self) -> int:
        """Return how many calls the server with sessions was told of that nobody waits for any longer."""
        outcome = await self._control("sessions", "cancelled")
        return int(outcome.structured["notices"]) if isinstance(outcome, ToolSucceeded) else -1

    @property
    def _held_key(self) -> str:
        return f"k-{self._number}"

    async def _held(self, client: McpClient) -> ToolReply:
        return await client.call_tool("held", orjson.dumps({"key": self._held_key}), deadline=_within(_PATIENCE_SECONDS))

    async def _control(self, name: str, tool: str) -> ToolReply:
        arguments = orjson.dumps({"key": self._held_key})
        return await self.controls[name].call_tool(tool, arguments, deadline=_within(_PATIENCE_SECONDS))

    async def _try(self, mode: Mode) -> None:
        client = self.clients[mode.server]
        outcome: ToolReply | ToolList
        if mode.name == mode.server:
            outcome = await client.list_tools(_within(mode.seconds))
        else:
            outcome = await client.call_tool(mode.name, b'{"n":1}', deadline=_within(mode.seconds))
        self._findings.calls += 1
        self._findings.outcomes[_key(mode)][_said(outcome)] += 1
        if _said(outcome) != (mode.outcome, mode.effect, mode.code):
            self._findings.problems.append(f"round {self._number}: '{_key(mode)}' came to {_said(outcome)}")


@asynccontextmanager
async def _servers() -> AsyncIterator[dict[str, str]]:
    """Run the servers in a process of their own until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.soak.server", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(await asyncio.wait_for(process.stdout.readline(), _PATIENCE_SECONDS))
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), _PATIENCE_SECONDS)


async def _idle(round_: _Round) -> None:
    """Wait until pooled connections have ended with their time, here and at the servers: each has our question's own only."""
    turn = asyncio.Event()
    async with asyncio.timeout(_IDLE_SECONDS):
        while any([await round_.open_at(name) > 1 for name in round_.controls]):
            asyncio.get_running_loop().call_later(2 * _KEEP_ALIVE_SECONDS, turn.set)
            await turn.wait()
            turn.clear()


def _within(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


def _key(mode: Mode) -> str:
    return mode.name if mode.server in {"faulty", mode.name} else f"{mode.server}/{mode.name}"


def _said(outcome: ToolReply | ToolList) -> tuple[str, str, str]:
    """Return an outcome as the table has it."""
    name = type(outcome).__name__
    if isinstance(outcome, ToolList):
        return name, "-", f"{len(outcome.left_out)} left out"
    return name, outcome.effect.value, outcome.code if isinstance(outcome, Fault) else ""
