"""The composition root of a running stack: prepares the state, starts every process, waits for a signal, stops them.

Above: `switchboard up`. Below: everything else in `stack`; `stack.topology` says which processes there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

from service_kit.migrations import Owner
from stack.certificates import new_authority
from stack.cluster import EmbeddedPostgres
from stack.console import Console
from stack.control import ControlServer
from stack.database import DatabaseAccess, create_database, embedded_access, external_access, migrate_all
from stack.development_identity import ensure_development_identity
from stack.errors import ProcessFailed, StackError
from stack.keys import ensure_service_keys, ensure_tool_token
from stack.ports import PortReservation, require_free
from stack.probes import http_answers
from stack.process import ProcessSpec, RestartPolicy
from stack.report import what_is_where
from stack.settings import StackSettings
from stack.state import RunFacts, StateDirectory
from stack.supervisor import Supervisor
from stack.topology import Surroundings

_USABLE_WITHIN = 10.0

# Makes the table of processes for one run; Postgres is not in it.
Topology = Callable[[Surroundings], Sequence[ProcessSpec]]


def run_stack(settings: StackSettings, topology: Topology, owners: Sequence[Owner]) -> None:
    """Run a stack until it is asked to stop. Raises StackError, with nothing left running, when it does not come up."""
    state = StateDirectory(settings.state)
    state.prepare()
    with state.lock(), ExitStack() as cleanup:
        require_free(settings.http_port, "SWITCHBOARD_HTTP_PORT")
        console = Console(state.logs / "supervisor.log")
        cleanup.callback(console.close)
        reservation = PortReservation()
        cleanup.callback(reservation.close)
        try:
            stack = Stack(
                settings=settings,
                state=state,
                console=console,
                reservation=reservation,
                topology=topology,
                owners=owners,
            )
            asyncio.run(stack.run())
        except ProcessFailed as failure:
            for line in failure.log_tail:
                console.say(f"    {line}")
            raise StackError(f"{failure}; its log is {failure.log_file}") from None


class Stack:
    """One run of the stack."""

    def __init__(
        self,
        *,
        settings: StackSettings,
        state: StateDirectory,
        console: Console,
        reservation: PortReservation,
        topology: Topology,
        owners: Sequence[Owner],
    ) -> None:
        self._settings = settings
        self._state = state
        self._topology = topology
        self._owners = owners
        self._console = console
        self._reservation = reservation
        self._phase = "starting"
        self._stop_asked = asyncio.Event()
        self._supervisor: Supervisor | None = None
        self._control: ControlServer | None = None

    async def run(self) -> None:
        """Start, wait until asked to stop, stop. Whatever happens, nothing is left running.

        A signal only ever sets an event, so that stopping is itself never cut short.
        """
        self._watch_signals()
        self._console.say(f"Starting Switchboard; its state is in {self._state.root}")
        starting = asyncio.create_task(self._start())
        stop_asked = asyncio.create_task(self._stop_asked.wait())
        try:
            await asyncio.wait({starting, stop_asked}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stop_asked
        finally:
            stop_asked.cancel()
            starting.cancel()
            await asyncio.wait({starting})
            await self._stop()

    async def _start(self) -> None:
        """Bring everything up in order: the database, its schemas, then all services at once and the door."""
        run_directory = self._state.new_run_directory()
        keys_file = ensure_service_keys(self._state)
        postgres, access = self._database(run_directory)
        around = Surroundings(
            settings=self._settings,
            state=self._state,
            sockets=run_directory,
            free_port=self._reservation.take,
            access=access,
            keys_file=keys_file,
            tool_token=ensure_tool_token(self._state),
            identity=ensure_development_identity(self._state),
            authority=new_authority(self._state),
        )
        specs = list(self._topology(around))
        names = [spec.name for spec in specs]
        if postgres is not None:
            specs.insert(0, postgres.spec())
        longest = self._settings.restart_longest
        self._supervisor = Supervisor(
            specs,
            logs=self._state.logs,
            say=self._console.say,
            start_timeout=self._settings.start_timeout,
            restart=RestartPolicy(first=min(RestartPolicy.first, longest), longest=longest),
        )
        await self._open_control(run_directory, postgres)
        if postgres is not None:
            await asyncio.to_thread(postgres.initialise)
            await self._supervisor.start("postgres")
            await create_database(postgres.owner_url)
        applied = await migrate_all(access, self._owners)
        if applied:
            self._console.say(f"  {'database':<24} {applied} migrations applied")
        self._reservation.hand_over()
        # Every service outlives the loss of another, so none has to wait for one to be there.
        await self._supervisor.start(*names)
        trouble = await self._trouble()
        self._phase = "ready"
        table = self._supervisor.status()
        for line in what_is_where(self._settings.front_door, table, self._state.root, today=date.today()):
            self._console.say(line)
        if trouble is not None:
            self._console.say(f"Everything runs, but a booking would not work yet: {trouble}")

    async def _stop(self) -> None:
        self._phase = "stopping"
        if self._supervisor is not None:
            self._console.say("Stopping ...")
            await self._supervisor.stop_all()
        if self._control is not None:
            await self._control.close()
        self._state.forget_run()
        self._console.say("Switchboard is stopped.")

    async def _open_control(self, run_directory: Path, postgres: EmbeddedPostgres | None) -> None:
        facts = RunFacts(
            pid=os.getpid(),
            front_door=self._settings.front_door,
            run_directory=run_directory,
            postgres_sockets=postgres.sockets if postgres else None,
        )
        self._state.record(facts)
        self._control = ControlServer(facts.control_socket, self._command)
        await self._control.open()

    def _database(self, run_directory: Path) -> tuple[EmbeddedPostgres | None, DatabaseAccess]:
        if self._settings.database_url is not None:
            return None, external_access(self._settings.database_url.get_secret_value())
        sockets = run_directory / "pg"
        return EmbeddedPostgres(self._state, sockets), embedded_access(sockets)

    async def _trouble(self) -> str | None:
        """Wait until a booking would work; say what is wrong where it still would not: a vendor that is down, say."""
        probe = http_answers(f"{self._settings.front_door}/healthz")
        reason: str | None = f"GET {self._settings.front_door}/healthz has no answer"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_USABLE_WITHIN):
                while (reason := await probe()) is not None:  # noqa: ASYNC110 - another process has no event to wait for
                    await asyncio.sleep(0.05)
        return reason

    async def _command(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what another `switchboard` command asks for."""
        supervisor = self._supervisor
        if supervisor is None:
            raise StackError("the stack is still starting; try again in a moment")
        if self._phase == "stopping" and request.get("command") != "status":
            raise StackError("the stack is stopping")
        match request:
            case {"command": "status"}:
                return self._status(supervisor)
            case {"command": "stop", "name": str(name)}:
                await supervisor.stop(name)
            case {"command": "stop"}:
                self._stop_asked.set()
            case {"command": "start", "name": str(name)}:
                await supervisor.start_again(name)
            case _:
                raise StackError("the supervisor does not know this command; is it of another version?")
        return {}

    def _status(self, supervisor: Supervisor) -> dict[str, Any]:
        phase = "degraded" if self._phase == "ready" and not supervisor.all_running else self._phase
        return {
            "frontDoor": self._settings.front_door,
            "state": phase,
            "stateDirectory": str(self._state.root),
            "processes": supervisor.status(),
        }

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup` asks for a life beyond the terminal's.
            if which is not signal.SIGHUP or signal.getsignal(which) is not signal.SIG_IGN:
                loop.add_signal_handler(which, self._stop_asked.set)
