"""One run of a server's program: requests go in as lines, and the lines that come out find the requests that they answer.

Above: `exchange` starts it, and another when it ended. Below: `subprocess`, pipes on the event loop, and `lines`. Many requests
are under way at one time, told apart by their ids. What the program writes to its standard error is nobody's to read: it may
quote what it was sent.

The event loop's own way to start programs forks, and gRPC's threads do not stand that; `subprocess` does not fork.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import orjson

from mcp_adapter_service.mcp_client import Code, Fault, faults, wire
from mcp_adapter_service.mcp_client.reply_stream import ProgressCallback
from mcp_adapter_service.stdio.lines import Lines, TooLong
from service_kit.logging import log

_logger = logging.getLogger(__name__)

# A program that reads nothing does not fill our memory.
_MAX_UNREAD_BYTES: Final = 8 * 1024 * 1024
_PATIENCE_SECONDS: Final = 2.0
_LAST_WORDS_SECONDS: Final = 0.2


@dataclass(slots=True)
class _Waiting:
    answer: asyncio.Future[Mapping[str, Any] | Fault]
    on_progress: ProgressCallback | None


class Child:
    """Child is one run; `number` tells the runs of one server apart. `on_list_changed` hears that its tools are others now,
    `on_end` that it ended, asked to or not."""

    def __init__(
        self,
        server: str,
        number: int,
        line_limit: int,
        on_list_changed: Callable[[], None],
        on_end: Callable[[Child], None],
    ) -> None:
        self.number = number
        self._server = server
        self._lines = Lines(line_limit)
        self._on_list_changed = on_list_changed
        self._on_end = on_end
        self._waiting: dict[int, _Waiting] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._stdout: asyncio.BaseTransport | None = None
        self._alive = False
        self._over = False
        self._babbled = False
        self._exited = asyncio.Event()

    @property
    def alive(self) -> bool:
        """Whether requests may reach it."""
        return self._alive

    async def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the program as the leader of a process group of its own. Raises OSError."""
        loop = asyncio.get_running_loop()
        process = subprocess.Popen(  # noqa: S603, ASYNC220 - the settings say which programs may be, and it takes a millisecond.
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            start_new_session=True,
        )
        self._process = process

        def wait() -> None:
            code = process.wait()
            with suppress(RuntimeError):  # The loop is closed: there is nobody left to tell.
                loop.call_soon_threadsafe(self._has_exited, code)

        threading.Thread(target=wait, name=f"wait-{self._server}", daemon=True).start()
        self._alive = True
        self._stdout, _ = await loop.connect_read_pipe(lambda: _Output(self._take, self._end), process.stdout)
        self._stdin, _ = await loop.connect_write_pipe(lambda: _Input(self._end_soon), process.stdin)

    async def ask(
        self, body: bytes, request_id: int, deadline: float, on_progress: ProgressCallback | None, *, modern: bool
    ) -> Mapping[str, Any] | Fault:
        """Send a request and return its response."""
        waiting = _Waiting(asyncio.get_running_loop().create_future(), on_progress)
        self._waiting[request_id] = waiting
        try:
            refused = self.write(body)
            if refused is not None:
                return refused
            async with asyncio.timeout_at(deadline):
                return await waiting.answer
        except TimeoutError:
            self._withdraw(request_id, modern=modern)
            return faults.timed_out(self._server)
        except asyncio.CancelledError:
            self._withdraw(request_id, modern=modern)
            raise
        finally:
            self._waiting.pop(request_id, None)

    def write(self, body: bytes) -> Fault | None:
        """Send a message; a fault where it was provably not sent."""
        if not self._alive or self._stdin is None or self._stdin.is_closing():
            return faults.refused(self._server, Code.NOT_SENT)
        if self._stdin.get_write_buffer_size() > _MAX_UNREAD_BYTES:
            return faults.refused(self._server, Code.QUEUE_FULL)
        self._stdin.write(body + b"\n")
        return None

    async def end(self) -> None:
        """End the program and whatever it started: by the end of its input, then by signals."""
        self._end()
        if self._process is None:
            return
        for sign in (None, signal.SIGTERM, signal.SIGKILL):
            if sign is not None:
                self._signal(sign)
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._exited.wait()
                break
            except TimeoutError:
                continue
        # What the program left running is nobody's.
        self._signal(signal.SIGKILL)
        for pipe in (self._stdin, self._stdout):
            if pipe is not None:
                pipe.close()

    def _has_exited(self, code: int) -> None:
        log(_logger, logging.INFO, "tool server's program ended", server=self._server, code=code)
        self._exited.set()
        self._end_soon()

    def _end_soon(self) -> None:
        """End it when what it wrote last was read. Something else that it started may hold its output open for ever."""
        self._alive = False
        asyncio.get_running_loop().call_later(_LAST_WORDS_SECONDS, self._end)

    def _end(self) -> None:
        self._alive = False
        if self._over:
            return
        self._over = True
        if self._stdin is not None:
            self._stdin.close()
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_result(faults.unknown(self._server))
        self._on_end(self)

    def _signal(self, sign: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, sign)

    def _withdraw(self, request_id: int, *, modern: bool) -> None:
        """Say that a request is given up. For sessions the client itself does."""
        if modern:
            self.write(wire.cancelled_body(request_id))

    def _take(self, chunk: bytes) -> None:
        for line in self._lines.feed(chunk):
            self._read(line)

    def _read(self, line: bytes | TooLong) -> None:
        if isinstance(line, TooLong):
            self._answer(line.request_id, faults.protocol(self._server, Code.REPLY_TOO_LARGE))
            return
        try:
            message = orjson.loads(line)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            # Programs that greet on their standard output are many. What they say is not logged: it may be anything.
            if line.strip() and not self._babbled:
                self._babbled = True
                log(_logger, logging.WARNING, "tool server's program writes what is not MCP", server=self._server)
            return
        method = message.get("method")
        if isinstance(method, str):
            self._told(method, message)
        else:
            self._answer(message.get("id"), message)

    def _told(self, method: str, message: Mapping[str, Any]) -> None:
        if "id" in message:
            self.write(wire.answer_body(message["id"], method))
        elif method == "notifications/tools/list_changed":
            self._on_list_changed()
        elif method == "notifications/progress":
            params = message.get("params")
            token = params.get("progressToken") if isinstance(params, dict) else None
            waiting = self._waiting.get(token) if isinstance(token, int) else None
            if waiting is not None and waiting.on_progress is not None:
                waiting.on_progress(params or {})

    def _answer(self, request_id: Any, answer: Mapping[str, Any] | Fault) -> None:
        waiting = self._waiting.get(request_id) if type(request_id) is int else None
        if waiting is not None and not waiting.answer.done():
            waiting.answer.set_result(answer)


class _Output(asyncio.Protocol):
    """What the program writes."""

    def __init__(self, take: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._take = take
        self._ended = ended

    def data_received(self, data: bytes) -> None:
        """The program wrote something."""
        self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The program closed its output: nobody is there to speak with."""
        self._ended()


class _Input(asyncio.BaseProtocol):
    """What the program reads."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        """The program closed its input."""
        self._ended()
