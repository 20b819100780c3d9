"""The Housecall Pro sandbox as a real process, for every test that needs the vendor.

Above: tests take `sandbox` (a `SandboxAddress`: base_url, api_key), or `sandbox_process` to stop and restart it.
Below: `fix_postgres` and `python -m tool_servers.housecall_pro_sandbox`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import httpx
import pytest

from tests.fix_postgres import MigratedDatabase
from tool_servers.housecall_pro_sandbox.store import OWNER

_START_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class SandboxAddress:
    """Where the sandbox is and what opens it."""

    base_url: str
    api_key: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers that every call needs."""
        return {"Authorization": f"Token {self.api_key}"}


class SandboxProcess:
    """A sandbox on a port of its own. Stopped and started again, it has the same address and the same state."""

    def __init__(self, database_url: str, *, api_key: str = "test-key", settings: Mapping[str, str] | None = None) -> None:
        self._port = free_port()
        self._environment = os.environ | {
            "SWITCHBOARD_DATABASE_URL": database_url,
            "SWITCHBOARD_LISTEN": f"127.0.0.1:{self._port}",
            "SWITCHBOARD_SANDBOX_API_KEY": api_key,
            **(settings or {}),
        }
        self.address = SandboxAddress(base_url=f"http://127.0.0.1:{self._port}", api_key=api_key)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and return when it is healthy."""
        self._process = subprocess.Popen([sys.executable, "-m", "tool_servers.housecall_pro_sandbox"], env=self._environment)
        process = self._process
        wait_until(lambda: process.poll() is not None or self._healthy(), _START_SECONDS, "the sandbox is not healthy")
        if process.poll() is not None:
            raise RuntimeError(f"the sandbox ended with status {process.returncode} instead of starting")

    def stop(self) -> None:
        """Ask the process to stop, and return when it has."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_START_SECONDS)
            self._process = None

    def _healthy(self) -> bool:
        try:
            return httpx.get(f"{self.address.base_url}/healthz", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], seconds: float, complaint: str) -> None:
    """Return as soon as `condition` holds; raise TimeoutError with `complaint` where it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{complaint} after {seconds} seconds")
        pause.wait(0.02)


@pytest.fixture(scope="module")
def sandbox_process(module_database: Callable[..., MigratedDatabase]) -> Iterator[SandboxProcess]:
    """A running sandbox that the tests of one module share."""
    process = SandboxProcess(module_database(OWNER).url(OWNER.role))
    process.start()
    yield process
    process.stop()


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess) -> SandboxAddress:
    """The module's sandbox, reset: no records, no faults, no counts, and the company as it starts out."""
    address = sandbox_process.address
    httpx.post(f"{address.base_url}/_sandbox/reset", headers=address.headers).raise_for_status()
    start = {"time_zone": "America/Chicago", "zip_codes": [], "capacity": 3}
    httpx.patch(f"{address.base_url}/_sandbox/company", headers=address.headers, json=start).raise_for_status()
    return address
