"""One supervised process: start it, know when it is ready, keep it running, stop it.

Above: `stack.supervisor` holds a row of these. Below: `stack.launch`, which ties the child's life to ours, and probes.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from stack.errors import ProcessFailed, StackError
from stack.probes import Probe

_LAUNCH = str(Path(__file__).with_name("launch.py"))
_PROBE_INTERVAL = 0.05
_LOG_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """What the supervisor needs to know of one process.

    `address` is where it listens and `metrics` where it is measured, for people. `env` is its whole environment. `user` is who
    it runs as when we are root (None: as us). `prepare` clears away what a killed predecessor left. `stop_signal` asks it to
    end in good order, within `stop_timeout` seconds; `death_signal` is what the kernel sends it when the supervisor is killed.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    address: str
    probe: Probe
    metrics: str = ""
    user: str | None = None
    prepare: Callable[[], Awaitable[None]] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 15.0
    death_signal: signal.Signals = signal.SIGKILL


@dataclass(frozen=True, kw_only=True)
class RestartPolicy:
    """When a process that ended by itself is started again. All in seconds."""

    first: float = 1.0
    longest: float = 30.0
    reset_after: float = 60.0


class State(StrEnum):
    """Where a process is in its life."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPING = "stopping"


class SupervisedProcess:
    """A process kept running from `start` to `stop`. `say` gets one line whenever something happens to it."""

    def __init__(
        self,
        spec: ProcessSpec,
        *,
        logs: Path,
        say: Callable[[str], None],
        start_timeout: float,
        restart: RestartPolicy,
    ) -> None:
        self.spec = spec
        self.state = State.STOPPED
        self.log_file = logs / f"{spec.name}.log"
        self._say = say
        self._start_timeout = start_timeout
        self._restart = restart
        self._child: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stop_asked = asyncio.Event()
        self._turn = asyncio.Lock()
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The pid of the live child, if there is one."""
        return self._child.pid if self._child and self._child.returncode is None else None

    async def start(self) -> float:
        """Start the process and wait until it is ready; return the seconds it took. Already running: nothing to do.

        Raises ProcessFailed, with nothing left running, when it ends or is not ready in time.
        """
        async with self._turn:
            if self._keeper is not None:
                return 0.0
            begun = time.monotonic()
            self._stop_asked.clear()
            try:
                child = await self._launch()
                await self._until_ready(child, patient=False)
            except BaseException:
                await self._end_child()
                self.state = State.STOPPED
                raise
            self._keeper = asyncio.create_task(self._keep(child), name=f"keep {self.spec.name}")
            return time.monotonic() - begun

    async def stop(self) -> None:
        """Stop the process and leave it stopped. Not running: nothing to do."""
        self._stop_asked.set()
        async with self._turn:
            if self._keeper is not None:
                self.state = State.STOPPING
                await self._end_child()
                await self._keeper
                self._keeper = None
            self.state = State.STOPPED

    async def _launch(self) -> asyncio.subprocess.Process:
        if self.spec.prepare is not None:
            await self.spec.prepare()
        self.state = State.STARTING
        command = (sys.executable, "-I", "-S", _LAUNCH, str(os.getpid()), str(int(self.spec.death_signal)))
        with self._open_log() as log:
            self._log_start = log.tell()
            self._child = await asyncio.create_subprocess_exec(
                *command,
                self.spec.user or "-",
                *self.spec.argv,
                env=dict(self.spec.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches the supervisor alone, which then stops everything in order.
                start_new_session=True,
            )
        return self._child

    def _open_log(self) -> BinaryIO:
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_LIMIT:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        return self.log_file.open("ab")

    async def _until_ready(self, child: asyncio.subprocess.Process, *, patient: bool) -> None:
        """Ask the probe until it is content; raise ProcessFailed when the child ends or the time is up.

        A `patient` wait goes on after saying once that the time is up: what ran before is missing something else.
        """
        ended = asyncio.create_task(child.wait())
        deadline = time.monotonic() + self._start_timeout
        try:
            while (reason := await self.spec.probe()) is not None:
                if time.monotonic() > deadline:
                    failure = self._failure(f"{self.spec.name} is not ready after {self._start_timeout:g} s: {reason}")
                    if not patient:
                        raise failure
                    self._say(f"{failure}; its log is {self.log_file}")
                    deadline = math.inf
                await asyncio.wait({ended}, timeout=_PROBE_INTERVAL)
                if ended.done():
                    break
            if child.returncode is not None:
                raise self._failure(f"{self.spec.name} {_described(child.returncode)} before it was ready")
        finally:
            ended.cancel()
        self.state = State.RUNNING

    async def _keep(self, child: asyncio.subprocess.Process) -> None:
        """Start the child again whenever it ends, until `stop` is asked for."""
        delay = self._restart.first
        launched = time.monotonic()
        while True:
            status = await child.wait()
            self._sweep(child.pid)
            if time.monotonic() - launched >= self._restart.reset_after:
                delay = self._restart.first
            trouble = f"{self.spec.name} (pid {child.pid}) {_described(status)}"
            again = None
            while again is None:
                if self._stop_asked.is_set():
                    return
                self.state = State.RESTARTING
                self._say(f"{trouble}; starting it again in {delay:g} s")
                if await self._stop_within(delay):
                    return
                delay = min(delay * 2, self._restart.longest)
                launched = time.monotonic()
                try:
                    again = await self._launch_again()
                except StackError as failure:
                    trouble = str(failure)
            child = again

    async def _launch_again(self) -> asyncio.subprocess.Process:
        try:
            child = await self._launch()
            if self._stop_asked.is_set():
                # `stop` looked for a child while this one was being made.
                raise StackError(f"{self.spec.name} is being stopped")
            await self._until_ready(child, patient=True)
        except OSError as problem:
            raise StackError(f"{self.spec.name} cannot be started ({problem.strerror})") from None
        except StackError:
            await self._end_child()
            raise
        self._say(f"{self.spec.name} is back (pid {child.pid})")
        return child

    async def _stop_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop_asked.wait(), seconds)
        return self._stop_asked.is_set()

    async def _end_child(self) -> None:
        """End the child in good order, or by force when it takes too long."""
        child = self._child
        if child is None or child.returncode is not None:
            return
        self._signal(child, self.spec.stop_signal)
        try:
            await asyncio.wait_for(child.wait(), self.spec.stop_timeout)
        except TimeoutError:
            self._say(f"{self.spec.name} (pid {child.pid}) did not stop in {self.spec.stop_timeout:g} s; killing it")
            self._signal(child, signal.SIGKILL)
            await child.wait()
        self._sweep(child.pid)

    @staticmethod
    def _signal(child: asyncio.subprocess.Process, which: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(which)

    @staticmethod
    def _sweep(group: int) -> None:
        """Kill what the ended child left in its process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)

    def _failure(self, message: str) -> ProcessFailed:
        return ProcessFailed(message, name=self.spec.name, log_file=str(self.log_file), log_tail=self.log_tail())

    def log_tail(self, lines: int = 12) -> list[str]:
        """The last lines that the process wrote since it was last started."""
        try:
            with self.log_file.open(encoding="utf-8", errors="replace") as log:
                log.seek(self._log_start)
                return [line.rstrip("\n") for line in deque(log, maxlen=lines)]
        except FileNotFoundError:
            return []


def _described(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
