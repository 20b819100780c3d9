"""The processes of these tests: the tool server and the adapter, started for real and asked over gRPC.

Above: `conftest`. Below: `tool_process` and `python -m mcp_adapter_service`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.fix_sandbox import free_port, wait_until

TOKEN = "a-tool-token-of-the-length-that-hs256-asks-for"
_START_SECONDS = 20.0


class ToolProcess:
    """A tool server on a port of its own; started again it has the same address."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it answers."""
        module = "tests.integration.adapter.tool_process"
        self._process = subprocess.Popen([sys.executable, "-m", module, str(self.port), *self._options])
        wait_until(self._answers, _START_SECONDS, "the tool server does not answer")

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def state(self, **parameters: Any) -> dict[str, int]:
        """What it counted: calls begun and cancelled, health checks answered."""
        counted: dict[str, int] = httpx.get(f"http://127.0.0.1:{self.port}/state", params=parameters).json()
        return counted

    def _answers(self) -> bool:
        try:
            return bool(self.state() is not None)
        except httpx.TransportError:
            return False


class AdapterProcess:
    """The adapter, listening on a unix socket in `folder`."""

    def __init__(self, folder: Path, database_url: str, settings: Mapping[str, str]) -> None:
        self.target = f"unix:{folder}/adapter-{free_port()}.sock"
        self.log = folder / "adapter.log"
        self.environment = os.environ | {
            "SWITCHBOARD_LISTEN": self.target,
            "SWITCHBOARD_TLS": "off",
            "SWITCHBOARD_DATABASE_URL": database_url,
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and return when it says SERVING."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "mcp_adapter_service"], env=self.environment, stderr=log)
        wait_until(self._serving, _START_SECONDS, "the adapter does not serve")

    def terminate(self) -> int:
        """Send SIGTERM and return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(_START_SECONDS)

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self.terminate()

    def _serving(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the adapter ended instead of starting: {self.log.read_text()}")
        with grpc.insecure_channel(self.target) as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
            except grpc.RpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float) -> float:
    """Return after how many seconds `condition` held; raise TimeoutError where it does not within `seconds`."""
    began = time.monotonic()
    pause = asyncio.Event()
    async with asyncio.timeout(seconds):
        while not await condition():
            try:
                await asyncio.wait_for(pause.wait(), 0.01)
            except TimeoutError:
                continue
    return time.monotonic() - began
