"""The whole stack as `make run` starts it, on a port and a state directory of its own.

Above: end-to-end tests take `stack` and call its front door, stop its processes, read its logs and its database.
Below: `switchboard up` as a subprocess. Tests that need other settings make a `RunningStack` of their own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from stack.control import ask, running
from stack.database import embedded_access
from stack.development_identity import DevelopmentIdentity, load_development_identity
from stack.errors import StackError
from stack.state import RunFacts, StateDirectory
from tests.fix_sandbox import free_port, wait_until

SWITCHBOARD = (sys.executable, "-m", "stack.cli")
_UP = (*SWITCHBOARD, "up")
_READY_SECONDS = 120.0
_COMMAND_SECONDS = 90.0


@dataclass(frozen=True, kw_only=True)
class ProcessFacts:
    """One line of `switchboard status`. `pid` is None while the process does not run."""

    name: str
    pid: int | None
    address: str
    state: str
    metrics: str = ""


class RunningStack:
    """One stack in a folder of its own. `up` and `down` start and end it; it can come up again on the same state.

    `settings` are environment variables; those of the person who runs the tests do not reach it. `command` is what to
    run in place of `switchboard up`.
    """

    def __init__(self, settings: Mapping[str, str] | None = None, *, command: Sequence[str] = _UP) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stk-"))
        self.state_directory = self.folder / "state"
        self.port = free_port()
        self.front_door = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SWITCHBOARD_", "HOUSECALL_"))},
            "SWITCHBOARD_STATE": str(self.state_directory),
            "SWITCHBOARD_HTTP_PORT": str(self.port),
            # Tests click faster than people do.
            "SWITCHBOARD_VISITOR_RATE_PER_SECOND": "0",
            **(settings or {}),
        }
        self.output_file = self.folder / "output.log"
        self.supervisor: subprocess.Popen[bytes] | None = None
        self._command = command

    def up(self) -> None:
        """Start it and return when it takes bookings; TimeoutError or RuntimeError, with its output, when it does not."""
        supervisor = self.launch()
        try:
            wait_until(lambda: supervisor.poll() is not None or self._usable(), _READY_SECONDS, "the stack is not ready")
            if supervisor.poll() is not None:
                raise RuntimeError(f"the stack ended with status {supervisor.returncode} instead of starting")
        except (TimeoutError, RuntimeError) as problem:
            problem.add_note(self.output())
            self.down()
            raise

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it and return at once."""
        with self.output_file.open("ab") as output:
            self.supervisor = subprocess.Popen(
                self._command, env=self.environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )
        return self.supervisor

    def down(self) -> None:
        """Ask it to stop, and return when it has."""
        if self.supervisor is None:
            return
        self.supervisor.terminate()
        try:
            self.supervisor.wait(_COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()
            self.supervisor.wait()
            raise
        self.supervisor = None

    def remove(self) -> None:
        """End it, and remove everything it wrote."""
        self.down()
        shutil.rmtree(self.folder)

    def status(self) -> dict[str, Any]:
        """What `switchboard status --json` prints. Raises StackError while it does not run."""
        return ask(self.facts(), {"command": "status"}, timeout=10)

    def process(self, name: str) -> ProcessFacts:
        """One process as it is now."""
        return next(process for process in self.processes() if process.name == name)

    def processes(self) -> list[ProcessFacts]:
        """Every process as it is now."""
        return [ProcessFacts(**facts) for facts in self.status()["processes"]]

    def stop(self, name: str) -> None:
        """Stop one process; it stays stopped until `start`."""
        ask(self.facts(), {"command": "stop", "name": name}, timeout=_COMMAND_SECONDS)

    def start(self, name: str) -> None:
        """Start a stopped process and return when it is ready."""
        ask(self.facts(), {"command": "start", "name": name}, timeout=_COMMAND_SECONDS)

    def kill(self, name: str) -> int:
        """Kill one process as a crash would, and return the pid it had. The supervisor starts it again in a second."""
        pid = self.process(name).pid
        if pid is None:
            raise RuntimeError(f"{name} does not run")
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_until_running(self, name: str, *, other_than: int | None = None) -> ProcessFacts:
        """Return when the process is ready, with another pid than `other_than`: after `kill`, say."""
        wait_until(
            lambda: (now := self.process(name)).state == "running" and now.pid not in (None, other_than),
            _COMMAND_SECONDS,
            f"{name} does not run",
        )
        return self.process(name)

    def token(
        self,
        *,
        role: str,
        tenant: str = "demo",
        subject: str | None = None,
        claims: dict[str, Any] | None = None,
        expires: int = 3600,
    ) -> str:
        """A development token, as `switchboard token` prints."""
        return self.identity.token(role=role, tenant=tenant, subject=subject or f"dev-{role}", claims=claims, expires=expires)

    def database_url(self, role: str) -> str:
        """The connection string of `role` on the embedded database; `switchboard` is the owner of everything."""
        sockets = self.facts().postgres_sockets
        if sockets is None:
            raise RuntimeError("this stack uses a database of its own")
        return embedded_access(sockets).url(role)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `switchboard` with these arguments against this stack."""
        return subprocess.run(
            (*SWITCHBOARD, *arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )

    def logs(self) -> str:
        """The text of every log and of what the supervisor printed."""
        files = [self.output_file, *sorted((self.state_directory / "logs").glob("*.log*"))]
        return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.exists())

    def output(self) -> str:
        """What the supervisor printed."""
        return self.output_file.read_text(encoding="utf-8", errors="replace") if self.output_file.exists() else ""

    @property
    def identity(self) -> DevelopmentIdentity:
        """The issuers of this stack's tokens."""
        return load_development_identity(self.state)

    @property
    def state(self) -> StateDirectory:
        """The state directory as the commands see it."""
        return StateDirectory(self.state_directory)

    def facts(self) -> RunFacts:
        """The facts of the running stack. Raises StackError while it does not run."""
        return running(self.state)

    def _usable(self) -> bool:
        try:
            if self.status()["state"] != "ready":
                return False
            return httpx.get(f"{self.front_door}/healthz", timeout=5).status_code == httpx.codes.OK
        except (StackError, httpx.TransportError):
            return False


def left_running(pids: Sequence[int]) -> list[int]:
    """Those of `pids` that are still alive."""
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """The stack that all end-to-end tests of a run share. A test that stops a process starts it again."""
    running_stack = RunningStack()
    try:
        running_stack.up()
        yield running_stack
    finally:
        running_stack.remove()
