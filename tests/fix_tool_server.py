"""Tool servers as real processes, and the calls of an MCP client that trusts nothing.

Above: tests of tool servers and of the runtime. Below: `python -m <module>`, spoken to in plain JSON over HTTP.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from tests.fix_sandbox import free_port, wait_until

REVISION = "2026-07-28"
TOKEN = "a-tool-token-that-is-long-enough-for-tests"
TENANT = "acme"
ERROR = "switchboard.dev/error"

_START_SECONDS = 20.0
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class ToolReply:
    """What came back for a tool call that reached the tool."""

    result: dict[str, Any]

    @property
    def value(self) -> dict[str, Any]:
        """The structured result; fails the test where the tool refused."""
        assert not self.result["isError"], self.result
        value: dict[str, Any] = self.result["structuredContent"]
        return value

    @property
    def error(self) -> dict[str, Any]:
        """The refusal; fails the test where the tool did what it was asked."""
        assert self.result["isError"], self.result
        error: dict[str, Any] = self.result["_meta"][ERROR]
        return error


def principal(*, tenant: str = TENANT, key: str = TOKEN, expires_in: float = 120, **claims: Any) -> str:
    """A principal as the adapter signs it."""
    now = int(time.time())
    return jwt.encode(
        {"tenant": tenant, "sub": "u-1", "kind": "service", "role": "", "iat": now, "exp": now + expires_in, **claims},
        key,
        "HS256",
    )


class ToolServerProcess:
    """A tool server on a port of its own. Stopped or killed and started again, it has the same address."""

    def __init__(self, module: str, settings: Mapping[str, str]) -> None:
        self._module = module
        self._port = free_port()
        self.base_url = f"http://127.0.0.1:{self._port}"
        self._environment = os.environ | {
            "SWITCHBOARD_LISTEN": f"127.0.0.1:{self._port}",
            "SWITCHBOARD_TOOL_TOKEN": TOKEN,
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and return when it answers, healthy or not."""
        self._process = process = subprocess.Popen([sys.executable, "-m", self._module], env=self._environment)
        wait_until(lambda: process.poll() is not None or self._answers(), _START_SECONDS, "the tool server does not answer")
        if process.poll() is not None:
            raise RuntimeError(f"the tool server ended with status {process.returncode} instead of starting")

    def start_again(self) -> None:
        """Start the process where it has ended, by itself or not."""
        if self._process is not None and not self._answers():
            # Its sockets go before it does.
            self._process.wait(_START_SECONDS)
        if self._process is None or self._process.poll() is not None:
            self.start()

    def stop(self) -> int:
        """Ask the process to stop, and return its exit status when it has."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process where it stands."""
        self._end(signal.SIGKILL)

    def post(self, body: Any, *, headers: Mapping[str, str] | None = None, timeout: float = 40.0) -> httpx.Response:
        """POST to /mcp. The bearer token and the usual headers are sent unless `headers` says otherwise."""
        sent = {
            "Authorization": f"Bearer {TOKEN}",
            "Accept": "application/json, text/event-stream",
            **(headers or {}),
        }
        if isinstance(body, bytes):
            return httpx.post(f"{self.base_url}/mcp", content=body, headers=sent, timeout=timeout)
        return httpx.post(f"{self.base_url}/mcp", json=body, headers=sent, timeout=timeout)

    def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        key: str | None = None,
        deadline_ms: int = 30_000,
        meta: Mapping[str, Any] | None = None,
    ) -> ToolReply:
        """Call a tool as the adapter does."""
        own: dict[str, Any] = {"switchboard.dev/deadline-ms": deadline_ms, "switchboard.dev/principal": principal()}
        own |= {"switchboard.dev/idempotency-key": key} if key is not None else {}
        body, headers = modern_call(tool, arguments, own | dict(meta or {}))
        response = self.post(body, headers=headers)
        assert response.status_code == httpx.codes.OK, response.text
        return ToolReply(result=response.json()["result"])

    def _answers(self) -> bool:
        try:
            return bool(httpx.get(f"{self.base_url}/healthz", timeout=10).status_code)
        except httpx.TransportError:
            return False

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        return process.wait(_START_SECONDS)


def modern_call(tool: str, arguments: Mapping[str, Any] | None, meta: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Body and headers of a tool call of the current revision."""
    params: dict[str, Any] = {"name": tool} | ({} if arguments is None else {"arguments": dict(arguments)})
    return modern("tools/call", params, meta, name=tool)


def modern(
    method: str, params: Mapping[str, Any], meta: Mapping[str, Any] | None = None, *, name: str = ""
) -> tuple[dict[str, Any], dict[str, str]]:
    """Body and headers of any request of the current revision."""
    envelope = {
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": {},
        **(meta or {}),
    }
    body = {"jsonrpc": "2.0", "id": next(_numbers), "method": method, "params": {**params, "_meta": envelope}}
    headers = {"MCP-Protocol-Version": REVISION, "Mcp-Method": method}
    return body, headers | ({"Mcp-Name": name} if name else {})
