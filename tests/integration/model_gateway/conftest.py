"""The gateway as a process of its own, in front of a dispatch that a test scripts, and clients of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import pytest_asyncio
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.callers import caller
from tests.fix_sandbox import wait_until
from tests.fix_stack import RunningStack
from tests.integration.model_gateway.scripted_dispatch import ScriptedDispatch, serving

MODERN, LEGACY = "2026-07-28", "legacy"
_START_SECONDS = 20.0


@dataclass(kw_only=True)
class Gateway:
    """A running gateway: its socket, what is behind it, and headers of a caller as the front door would set them."""

    socket: Path
    dispatch: ScriptedDispatch
    log: Path
    headers: dict[str, str] = field(default_factory=lambda: dict(caller("agent")))

    @asynccontextmanager
    async def client(self, mode: str = MODERN, headers: dict[str, str] | None = None, **options: Any) -> AsyncIterator[Client]:
        """The official SDK's client, connected."""
        transport = httpx2.AsyncHTTPTransport(uds=str(self.socket))
        async with (
            httpx2.AsyncClient(transport=transport, headers=headers or self.headers, timeout=30) as http,
            Client(streamable_http_client("http://gateway/mcp", http_client=http), mode=mode, **options) as client,
        ):
            yield client

    def http(self) -> httpx.Client:
        """A plain HTTP client."""
        return httpx.Client(base_url="http://gateway", transport=httpx.HTTPTransport(uds=str(self.socket)), timeout=30)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="mgw-") as path:
        yield Path(path)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_gateway() -> AsyncIterator[Gateway]:
    """The gateway that the tests of this folder share."""
    with tempfile.TemporaryDirectory(prefix="mgw-") as path:
        folder = Path(path)
        async with serving(folder) as (dispatch, target):
            with running(folder, {"SWITCHBOARD_DISPATCH_TARGET": target}) as (socket, log):
                yield Gateway(socket=socket, dispatch=dispatch, log=log)


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """A gateway in front of a scripted dispatch with nothing scripted, and a caller that it has not seen."""
    shared_gateway.dispatch.reset()
    return replace(shared_gateway, headers=dict(caller("agent", subject=f"agent-{uuid.uuid4()}")))


@contextmanager
def running(folder: Path, settings: dict[str, str]) -> Iterator[tuple[Path, Path]]:
    """Run a gateway with these settings; yields its socket and its log."""
    socket, log = folder / "gateway.sock", folder / "gateway.log"
    usual = {
        "SWITCHBOARD_LISTEN": f"unix:{socket}",
        "SWITCHBOARD_TLS": "off",
        "SWITCHBOARD_CONSOLE_URL": "https://console.example",
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "model_gateway"], env={**os.environ, **usual, **settings}, stdout=output, stderr=output
        )
    try:
        wait_until(lambda: process.poll() is not None or _answers(socket), _START_SECONDS, "the gateway does not answer")
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield socket, log
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def _answers(socket: Path) -> bool:
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket))) as http:
            http.get("http://gateway/healthz")
    except httpx.TransportError:
        return False
    return True


@asynccontextmanager
async def through_the_door(
    stack: RunningStack, role: str = "agent", *, mode: str = MODERN, headers: dict[str, str] | None = None, **options: Any
) -> AsyncIterator[Client]:
    """The official SDK's client, connected through the front door of a whole stack."""
    bearer = {"authorization": f"Bearer {stack.token(role=role)}", **(headers or {})}
    async with (
        httpx2.AsyncClient(headers=bearer, timeout=60) as http,
        Client(streamable_http_client(f"{stack.front_door}/mcp", http_client=http), mode=mode, **options) as client,
    ):
        yield client
