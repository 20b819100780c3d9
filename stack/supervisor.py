"""The row of processes that make up a running stack: started together, kept running, stopped last to first.

Above: `stack.commands.up` and the control socket. Below: `stack.process`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stack.errors import StackError
from stack.process import ProcessSpec, RestartPolicy, State, SupervisedProcess


class Supervisor:
    """Runs the processes of `specs`. Each may use those before it in the list, so they stop in reverse order.

    `say` gets one line for the person at the terminal whenever something happens.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        *,
        logs: Path,
        say: Callable[[str], None],
        start_timeout: float = 60.0,
        restart: RestartPolicy | None = None,
    ) -> None:
        self._say = say
        self._processes = {
            spec.name: SupervisedProcess(
                spec, logs=logs, say=say, start_timeout=start_timeout, restart=restart or RestartPolicy()
            )
            for spec in specs
        }

    @property
    def names(self) -> list[str]:
        """The names of the processes, in order."""
        return list(self._processes)

    async def start(self, *names: str) -> None:
        """Start the named processes side by side and wait until all are ready.

        Raises the first ProcessFailed as soon as it is known, after ending those that were not ready yet; those that
        were stay up, for `stop_all` to end.
        """
        starting = [asyncio.create_task(self._start_one(self._named(name))) for name in names]
        try:
            await asyncio.gather(*starting)
        except BaseException:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
            raise

    async def _start_one(self, process: SupervisedProcess) -> None:
        seconds = await process.start()
        self._say(f"  {process.spec.name:<24} ready in {seconds:.1f} s")

    async def stop(self, name: str) -> None:
        """Stop one process on purpose; it stays stopped until it is started by name."""
        await self._named(name).stop()
        self._say(f"{name} is stopped; `switchboard start {name}` brings it back")

    async def start_again(self, name: str) -> None:
        """Start one process that was stopped on purpose."""
        process = self._named(name)
        await process.start()
        self._say(f"{name} is back (pid {process.pid})")

    async def stop_all(self) -> None:
        """Stop every process, last to first."""
        for process in reversed(self._processes.values()):
            await process.stop()

    def status(self) -> list[dict[str, Any]]:
        """What `switchboard status` shows of each process."""
        return [
            {
                "name": process.spec.name,
                "pid": process.pid,
                "address": process.spec.address,
                "state": process.state.value,
                "metrics": process.spec.metrics,
            }
            for process in self._processes.values()
        ]

    @property
    def all_running(self) -> bool:
        """Whether every process is up and ready."""
        return all(process.state is State.RUNNING for process in self._processes.values())

    def _named(self, name: str) -> SupervisedProcess:
        try:
            return self._processes[name]
        except KeyError:
            raise StackError(f"there is no process {name}; there are {', '.join(self._processes)}") from None
