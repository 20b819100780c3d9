"""The supervisor on real processes: started, watched, restarted, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from stack.errors import ProcessFailed, StackError
from stack.probes import http_answers
from stack.process import ProcessSpec, RestartPolicy
from stack.supervisor import Supervisor
from tests.fix_sandbox import free_port, wait_until
from tests.fix_stack import left_running
from tests.integration.stack.fake_stack import fake_spec

_QUICK = RestartPolicy(first=0.05, longest=0.2, reset_after=60.0)


class Said:
    """What the supervisor told the person at the terminal."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = asyncio.Event()

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self._changed.set()

    async def until(self, wanted: Callable[[list[str]], bool]) -> None:
        """Wait until what was said satisfies `wanted`."""
        async with asyncio.timeout(20):
            while not wanted(self.lines):
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
async def supervise(tmp_path: Path, said: Said) -> AsyncIterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def make(*specs: ProcessSpec, start_timeout: float = 20.0) -> Supervisor:
        made.append(Supervisor(specs, logs=tmp_path, say=said, start_timeout=start_timeout, restart=_QUICK))
        return made[-1]

    yield make
    for supervisor in made:
        await supervisor.stop_all()


def _pid(supervisor: Supervisor, name: str) -> int:
    return next(int(row["pid"]) for row in supervisor.status() if row["name"] == name)


def _state(supervisor: Supervisor, name: str) -> str:
    return next(str(row["state"]) for row in supervisor.status() if row["name"] == name)


def _until_gone(pid: int) -> None:
    wait_until(lambda: left_running([pid]) == [], 10, f"process {pid} is still there")


async def test_started_processes_are_ready_and_stopped_ones_are_gone(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(fake_spec("one", free_port()), fake_spec("two", free_port()))
    await supervisor.start("one", "two")
    assert supervisor.all_running
    pids = [_pid(supervisor, name) for name in supervisor.names]
    await supervisor.stop_all()
    assert left_running(pids) == []
    assert [row["state"] for row in supervisor.status()] == ["stopped", "stopped"]


async def test_processes_stop_last_to_first(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    journal = tmp_path / "journal"
    supervisor = supervise(*(fake_spec(f"p{port}", port, "--journal", str(journal)) for port in ports))
    await supervisor.start(*supervisor.names)
    await supervisor.stop_all()
    assert [int(line) for line in journal.read_text().split()] == ports[::-1]


async def test_a_process_that_dies_is_started_again_and_said_so_in_one_line(
    supervise: Callable[..., Supervisor], said: Said
) -> None:
    supervisor = supervise(fake_spec("one", free_port()))
    await supervisor.start("one")
    first = _pid(supervisor, "one")
    os.kill(first, signal.SIGKILL)
    await said.until(lambda lines: any("is back" in line for line in lines))
    assert _pid(supervisor, "one") != first
    assert _state(supervisor, "one") == "running"
    assert [line for line in said.lines if "starting it again" in line] == [
        f"one (pid {first}) was ended by SIGKILL; starting it again in 0.05 s"
    ]


async def test_the_wait_before_a_restart_doubles_up_to_its_limit(
    supervise: Callable[..., Supervisor], said: Said, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    supervisor = supervise(fake_spec("one", free_port(), "--fail-if", str(broken)))
    await supervisor.start("one")
    broken.touch()
    os.kill(_pid(supervisor, "one"), signal.SIGKILL)
    await said.until(lambda lines: sum("starting it again" in line for line in lines) >= 5)
    waits = [line.rsplit(" ", 2)[1] for line in said.lines if "starting it again" in line]
    assert waits[:5] == ["0.05", "0.1", "0.2", "0.2", "0.2"]
    broken.unlink()
    await said.until(lambda lines: "is back" in lines[-1])


async def test_a_restarted_process_that_waits_for_something_is_reported_and_left_to_wait(
    supervise: Callable[..., Supervisor], said: Said, tmp_path: Path
) -> None:
    missing = tmp_path / "missing"
    supervisor = supervise(fake_spec("one", free_port(), "--deaf-while", str(missing)), start_timeout=1.0)
    await supervisor.start("one")
    missing.touch()
    os.kill(_pid(supervisor, "one"), signal.SIGKILL)
    await said.until(lambda lines: "one is not ready after 1 s" in lines[-1])
    waiting = _pid(supervisor, "one")
    missing.unlink()
    await said.until(lambda lines: lines[-1] == f"one is back (pid {waiting})")


async def test_a_process_stopped_on_purpose_stays_stopped_until_it_is_started(
    supervise: Callable[..., Supervisor], said: Said
) -> None:
    supervisor = supervise(fake_spec("one", free_port()))
    await supervisor.start("one")
    pid = _pid(supervisor, "one")
    await supervisor.stop("one")
    assert left_running([pid]) == []
    assert _state(supervisor, "one") == "stopped"
    assert not any("starting it again" in line for line in said.lines)
    await supervisor.start_again("one")
    assert _state(supervisor, "one") == "running"


async def test_a_process_can_be_stopped_while_it_waits_to_be_restarted(
    supervise: Callable[..., Supervisor], said: Said, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    supervisor = supervise(fake_spec("one", free_port(), "--fail-if", str(broken)))
    await supervisor.start("one")
    broken.touch()
    os.kill(_pid(supervisor, "one"), signal.SIGKILL)
    await said.until(lambda lines: any("starting it again" in line for line in lines))
    async with asyncio.timeout(10):
        await supervisor.stop("one")
    assert _state(supervisor, "one") == "stopped"


async def test_a_process_that_fails_at_start_is_reported_with_its_last_words(
    supervise: Callable[..., Supervisor],
) -> None:
    supervisor = supervise(fake_spec("one", free_port(), "--fail"))
    with pytest.raises(ProcessFailed, match="one ended with exit status 1 before it was ready") as failure:
        await supervisor.start("one")
    assert failure.value.log_tail == ["the fake service cannot find its spoon"]
    assert _state(supervisor, "one") == "stopped"


async def test_the_last_words_are_of_this_start_and_not_of_an_earlier_one(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    (tmp_path / "one.log").write_text("words of yesterday\n")
    supervisor = supervise(fake_spec("one", free_port(), "--fail"))
    with pytest.raises(ProcessFailed) as failure:
        await supervisor.start("one")
    assert "words of yesterday" not in failure.value.log_tail


async def test_a_process_that_never_answers_fails_within_its_time_and_is_ended(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    child = tmp_path / "child.pid"
    supervisor = supervise(fake_spec("one", free_port(), "--deaf", "--child", str(child)), start_timeout=1.0)
    with pytest.raises(ProcessFailed, match=r"one is not ready after 1 s: GET .* has no answer"):
        await supervisor.start("one")
    _until_gone(int(child.read_text()))


async def test_one_failure_ends_the_others_that_were_starting(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(fake_spec("bad", free_port(), "--fail"), fake_spec("deaf", free_port(), "--deaf"))
    with pytest.raises(ProcessFailed, match="bad"):
        await supervisor.start("bad", "deaf")
    assert [row["pid"] for row in supervisor.status()] == [None, None]


async def test_a_process_that_does_not_stop_is_killed(supervise: Callable[..., Supervisor], said: Said) -> None:
    supervisor = supervise(fake_spec("one", free_port(), "--stubborn"))
    await supervisor.start("one")
    pid = _pid(supervisor, "one")
    await supervisor.stop("one")
    assert left_running([pid]) == []
    assert f"one (pid {pid}) did not stop in 2 s; killing it" in said.lines


async def test_what_a_process_started_itself_goes_with_it(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    child = tmp_path / "child.pid"
    supervisor = supervise(fake_spec("one", free_port(), "--child", str(child)))
    await supervisor.start("one")
    grandchild = int(child.read_text())
    assert left_running([grandchild]) == [grandchild]
    await supervisor.stop("one")
    _until_gone(grandchild)


async def test_a_program_that_does_not_exist_is_one_clear_line(supervise: Callable[..., Supervisor]) -> None:
    spec = ProcessSpec(name="one", argv=("/no/such/program",), env={}, address="-", probe=http_answers("http://127.0.0.1:1/"))
    supervisor = supervise(spec)
    with pytest.raises(ProcessFailed) as failure:
        await supervisor.start("one")
    assert failure.value.log_tail == ["cannot start /no/such/program: No such file or directory"]


async def test_an_unknown_name_is_answered_with_the_known_ones(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(fake_spec("one", free_port()), fake_spec("two", free_port()))
    with pytest.raises(StackError, match="there is no process three; there are one, two"):
        await supervisor.stop("three")
