"""The transport of an MCP server that is started here: on demand, and again after it ended, with a pause that grows.

Above: an `McpClient`, which knows nothing of programs. Below: `child`, one run of the program. To the client a run is what a
session is over HTTP: a request that belongs to an earlier one is answered as a lost session is, and was not sent.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from mcp_adapter_service.mcp_client import ClientLimits, Code, Fault, faults, wire
from mcp_adapter_service.mcp_client.exchange import Answer
from mcp_adapter_service.mcp_client.reply_stream import ProgressCallback
from mcp_adapter_service.stdio.child import Child
from service_kit.logging import log

_logger = logging.getLogger(__name__)

LIMITS: Final = ClientLimits(handshake_seconds=20.0)
"""A program has to start first, and some look for newer versions of themselves."""

_LAUNCH: Final = str(Path(__file__).with_name("launch.py"))
_LOST_SESSION: Final = 404
_HANDSHAKE_ID: Final = 0
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_STEADY_SECONDS: Final = 60.0


class StdioExchange:
    """StdioExchange speaks with one server's program. `environment` is all that it finds in its environment."""

    def __init__(
        self,
        server: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        on_list_changed: Callable[[], None],
        limits: ClientLimits = LIMITS,
    ) -> None:
        self.server = server
        self.limits = limits
        self._command = tuple(command)
        self._environment = dict(environment)
        self._on_list_changed = on_list_changed
        self._numbers = itertools.count(1)
        self._child: Child | None = None
        self._ended: set[asyncio.Task[None]] = set()
        self._starting: asyncio.Task[Child | Fault] | None = None
        self._started_at = 0.0
        self._pause = 0.0
        self._not_before = 0.0
        self._closed = False

    async def request(
        self,
        body: bytes,
        headers: Mapping[str, str],
        request_id: int,
        deadline: float,
        on_progress: ProgressCallback | None = None,
    ) -> Answer | Fault:
        """Send a request and return its response. `deadline` is in the loop's time."""
        if deadline <= asyncio.get_running_loop().time():
            return faults.refused(self.server, Code.DEADLINE_PASSED)
        session = headers.get(wire.SESSION_ID)
        child = self._child
        if session is not None and (child is None or not child.alive or str(child.number) != session):
            return faults.http(self.server, _LOST_SESSION)
        if child is None or not child.alive:
            started = await self._start()
            if isinstance(started, Fault):
                return started
            child = started
        modern = headers.get(wire.VERSION) == wire.MODERN
        message = await child.ask(body, request_id, deadline, on_progress, modern=modern)
        if isinstance(message, Fault):
            return self._without_handshake(child, message) if request_id == _HANDSHAKE_ID else message
        return Answer(message, 200, str(child.number))

    async def post(self, body: bytes, headers: Mapping[str, str], deadline: float) -> Fault | None:
        """Send a notification; None once it is sent."""
        child = self._child
        session = headers.get(wire.SESSION_ID)
        if child is None or (session is not None and str(child.number) != session):
            return faults.http(self.server, _LOST_SESSION)
        return child.write(body)

    async def delete(self, headers: Mapping[str, str], deadline: float) -> None:
        """End a session: it ends with the program, which `aclose` ends."""

    async def aclose(self) -> None:
        """End the program, and start it no more."""
        self._closed = True
        if self._starting is not None:
            await asyncio.wait({self._starting})
        if self._child is not None:
            self._give_up(self._child)
        if self._ended:
            await asyncio.wait(self._ended)

    async def _start(self) -> Child | Fault:
        if self._starting is None:
            self._starting = asyncio.create_task(self._launch(), name=f"start-{self.server}")
        # Shielded: a caller that gives up does not leave a program that nobody knows.
        return await asyncio.shield(self._starting)

    async def _launch(self) -> Child | Fault:
        try:
            now = asyncio.get_running_loop().time()
            if self._closed or now < self._not_before:
                return faults.refused(self.server, Code.NOT_RUNNING, retry_after=max(0.0, self._not_before - now))
            child = Child(self.server, next(self._numbers), self.limits.max_reply_bytes, self._on_list_changed, self._has_ended)
            self._started_at = now
            self._child = child
            try:
                launched = (sys.executable, "-I", "-S", _LAUNCH, str(os.getpid()), *self._command)
                await child.start(launched, self._environment)
            except OSError:
                self._has_ended(child)
            if not child.alive:
                return faults.refused(self.server, Code.NOT_RUNNING, retry_after=self._pause)
            log(_logger, logging.INFO, "tool server's program started", server=self.server, run=child.number)
            return child
        finally:
            self._starting = None

    def _without_handshake(self, child: Child, fault: Fault) -> Fault:
        if not child.alive:
            return faults.refused(self.server, Code.NOT_RUNNING, retry_after=self._pause)
        # A late answer to it would be taken for that to the next handshake.
        self._give_up(child)
        return fault

    def _has_ended(self, child: Child) -> None:
        """Let a program that does not stay wait longer every time."""
        now = asyncio.get_running_loop().time()
        steady = now - self._started_at >= _STEADY_SECONDS
        self._pause = _FIRST_PAUSE if steady or not self._pause else min(self._pause * 2, _LONGEST_PAUSE)
        self._not_before = now + self._pause
        self._give_up(child)

    def _give_up(self, child: Child) -> None:
        if self._child is child:
            self._child = None
            task = asyncio.create_task(child.end(), name=f"end-{self.server}")
            self._ended.add(task)
            task.add_done_callback(self._ended.discard)
