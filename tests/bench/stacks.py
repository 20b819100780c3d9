"""The stacks that are measured: one whose tool answers at once, one whose tool books at the sandbox. And their journals.

Above: `measure` and `profile`. Below: `tests.fix_stack`, which runs a stack as a person would, and
`measured_stack`, which is what it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg

from stack.errors import StackError
from stack.settings import SANDBOX_API_KEY
from tests.fix_stack import RunningStack

ECHO, REAL = "echo", "real"

TROUBLE = (StackError, httpx.HTTPError, psutil.Error, psycopg.Error, RuntimeError, OSError)
"""What can be raised where a stack does not come up or loses a process while it is measured."""

_SETTINGS = {"SWITCHBOARD_RATE_LIMIT_PER_SECOND": "0", "SWITCHBOARD_LOG_LEVEL": "WARNING"}
_SANDBOX_KEY = {"Authorization": f"Token {SANDBOX_API_KEY}"}
# So that every booking of a round gets the time it asks for.
_CAPACITY = {"capacity": 1000}


class MeasuredStack(RunningStack):
    """A stack with its rate limit lifted and its logs quiet."""

    def __init__(self, *options: str) -> None:
        super().__init__(_SETTINGS, command=(sys.executable, "-m", "tests.bench.measured_stack", *options))

    @property
    def authority(self) -> str:
        """The front door's host:port."""
        return urlsplit(self.front_door).netloc

    @property
    def tool_url(self) -> str:
        """The tool server's base URL."""
        return self.process("housecall_pro").address

    @property
    def sdk_url(self) -> str:
        """The base URL of the echo on the bare SDK."""
        return self.process("sdk_echo").address

    @property
    def tool_token(self) -> str:
        """The bearer token of the tool server."""
        return (self.state_directory / "keys" / "tool_token").read_text(encoding="utf-8").strip()

    @property
    def dispatch_socket(self) -> str:
        """The path of the dispatch service's unix socket."""
        return self.process("dispatch_service").address.removeprefix("unix:")

    @property
    def certificates(self) -> Path:
        """The folder with every process's certificate."""
        return self.state_directory / "tls"

    @cached_property
    def operator_token(self) -> str:
        """A token of a person's, valid for as long as any measurement takes."""
        return self.token(role="operator", expires=86_400)

    def pids(self) -> dict[str, int]:
        """The pid of every process by name."""
        return {process.name: process.pid for process in self.processes() if process.pid is not None}

    def empty_sandbox(self) -> None:
        """Forget every customer and job, so that one round is like another."""
        sandbox = self.process("housecall_pro_sandbox").address
        httpx.post(f"{sandbox}/_sandbox/reset", headers=_SANDBOX_KEY, timeout=60).raise_for_status()
        httpx.patch(f"{sandbox}/_sandbox/company", headers=_SANDBOX_KEY, json=_CAPACITY).raise_for_status()

    def journalled(self) -> dict[str, dict[str, int]]:
        """How many actions there are by thread and status."""
        counts: dict[str, dict[str, int]] = {}
        with psycopg.connect(self.database_url("switchboard")) as connection:
            for thread, status, count in connection.execute(
                "select thread_id, status, count(*) from dispatch.action group by thread_id, status"
            ):
                counts.setdefault(thread, {})[status] = count
        return counts

    def durability(self) -> dict[str, str]:
        """What of Postgres decides whether a commit survives a crash."""
        names = ("server_version", "fsync", "synchronous_commit", "full_page_writes")
        with psycopg.connect(self.database_url("switchboard")) as connection:
            rows = [connection.execute(f"show {name}").fetchone() for name in names]
        return {name: str(row[0]) for name, row in zip(names, rows, strict=True) if row is not None}


def explained(problem: BaseException) -> str:
    """A problem in one line, and under it what was noted with it: the output of a stack that did not come up."""
    return "\n".join([str(problem) or type(problem).__name__, *getattr(problem, "__notes__", ())])


@contextmanager
def running_stack(name: str, *options: str) -> Iterator[MeasuredStack]:
    """The stack ECHO or REAL, running; `options` are those of `measured_stack`."""
    stack = MeasuredStack(*(["--echo"] if name == ECHO else []), *options)
    try:
        stack.up()
        if name == REAL:
            stack.empty_sandbox()
        yield stack
    finally:
        stack.remove()
