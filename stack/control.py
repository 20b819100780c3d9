"""How other commands talk to a running supervisor: one line of JSON each way over a unix socket of its own.

Above: `switchboard status`, `stop` and `start`. Below: the socket in the run directory, which only its owner can reach.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from stack.errors import ProcessFailed, StackError
from stack.state import RunFacts, StateDirectory

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class ControlServer:
    """Answers requests with what `handler` returns for them; a StackError becomes the answer's `error`."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Start listening."""
        self._server = await asyncio.start_unix_server(self._serve, path=str(self._path))
        self._path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            try:
                answer = {"ok": True, **await self._handler(request)}
            except ProcessFailed as failure:
                answer = {"ok": False, "error": f"{failure}; its log is {failure.log_file}"}
            except StackError as problem:
                answer = {"ok": False, "error": str(problem)}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (ValueError, ConnectionError):
            # Not a request of ours, or its sender is gone: nobody to answer.
            pass
        finally:
            writer.close()


def ask(facts: RunFacts, request: dict[str, Any], *, timeout: float) -> dict[str, Any]:
    """Send `request` to the supervisor and return its answer; raise StackError when there is none or it is a refusal."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(facts.control_socket))
            connection.sendall(json.dumps(request).encode() + b"\n")
            line = connection.makefile("rb").readline()
        except TimeoutError:
            raise StackError(f"the supervisor (process {facts.pid}) does not answer within {timeout:g} s") from None
        except OSError:
            line = b""
    if not line:
        raise StackError(f"the supervisor (process {facts.pid}) is starting or stopping; try again in a moment")
    answer: dict[str, Any] = json.loads(line)
    if not answer.pop("ok"):
        raise StackError(answer["error"])
    return answer


def running(state: StateDirectory) -> RunFacts:
    """The facts of the stack that runs on `state`, or StackError when none does."""
    facts = state.run_facts()
    if facts is None or not state.in_use:
        raise StackError(f"Switchboard does not run on {state.root}; start it with `make run`")
    return facts
