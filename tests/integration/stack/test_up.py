"""`switchboard up` as a person runs it: signals, crashes, second runs, clear refusals. Postgres is real, services fake."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.fix_sandbox import wait_until
from tests.fix_stack import RunningStack, left_running

FAKE_UP = (sys.executable, "-m", "tests.integration.stack.fake_stack")
_OWNER = "switchboard"
_SECONDS = 60.0


@pytest.fixture
def make_stack() -> Iterator[Callable[..., RunningStack]]:
    """Make stacks that are removed after the test. Their arguments go to `fake_stack`."""
    made: list[RunningStack] = []

    def make(*arguments: str, **settings: str) -> RunningStack:
        made.append(RunningStack(settings, command=(*FAKE_UP, *arguments)))
        return made[-1]

    yield make
    for running_stack in made:
        running_stack.remove()


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningStack]:
    """One running stack for the tests that leave it as they found it."""
    running_stack = RunningStack(command=FAKE_UP)
    running_stack.up()
    yield running_stack
    running_stack.remove()


def _pids(running_stack: RunningStack) -> list[int]:
    return [process.pid for process in running_stack.processes() if process.pid is not None]


def _until_gone(pids: list[int]) -> None:
    wait_until(lambda: left_running(pids) == [], _SECONDS, f"processes {pids} are still there")


def _ended(running_stack: RunningStack) -> int:
    assert running_stack.supervisor is not None
    return running_stack.supervisor.wait(_SECONDS)


def test_status_tells_where_everything_is(shared: RunningStack) -> None:
    printed = shared.command("status", "--json")
    status = json.loads(printed.stdout)
    assert printed.returncode == 0
    assert (status["frontDoor"], status["state"]) == (shared.front_door, "ready")
    assert [process["name"] for process in status["processes"]] == ["postgres", "first", "second", "door"]
    assert all(process["pid"] and process["address"] for process in status["processes"])
    assert shared.front_door in shared.command("status").stdout


def test_the_last_words_of_the_start_say_what_is_where_and_how_to_book(shared: RunningStack) -> None:
    said = shared.output()
    assert f"Switchboard is ready at {shared.front_door}" in said
    assert "curl -s" in said
    assert "switchboard token --role operator" in said


def test_a_stopped_process_stays_stopped_until_started(shared: RunningStack) -> None:
    assert shared.command("stop", "first").returncode == 0
    assert shared.process("first").state == "stopped"
    assert shared.status()["state"] == "degraded"
    assert shared.command("start", "first").returncode == 0
    assert shared.process("first").state == "running"
    assert shared.status()["state"] == "ready"


def test_a_killed_process_comes_back_on_its_own_address(shared: RunningStack) -> None:
    before = shared.process("second")
    killed = shared.kill("second")
    after = shared.wait_until_running("second", other_than=killed)
    assert after.address == before.address
    assert httpx.get(after.address, timeout=5).status_code == httpx.codes.OK
    assert f"second (pid {killed}) was ended by SIGKILL; starting it again in 1 s" in shared.logs()


def test_postgres_comes_back_after_a_crash_with_what_was_committed(shared: RunningStack) -> None:
    with psycopg.connect(shared.database_url(_OWNER), autocommit=True) as connection:
        connection.execute("create table if not exists kept as select 'kept' as word")
    killed = shared.kill("postgres")
    shared.wait_until_running("postgres", other_than=killed)
    with psycopg.connect(shared.database_url(_OWNER), autocommit=True) as connection:
        assert connection.execute("select word from kept").fetchone() == ("kept",)
        connection.execute("drop table kept")


def test_a_service_can_use_its_own_schema_and_own_nothing(shared: RunningStack) -> None:
    with psycopg.connect(shared.database_url("switchboard_housecall_pro_sandbox")) as connection:
        assert connection.execute("select current_user").fetchone() == ("switchboard_housecall_pro_sandbox",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("drop schema housecall_pro_sandbox cascade")


def test_postgres_syncs_to_disk_and_keeps_peoples_data_out_of_its_log(shared: RunningStack) -> None:
    with psycopg.connect(shared.database_url(_OWNER)) as connection:
        shown = [connection.execute(f"show {name}").fetchone() for name in ("fsync", "synchronous_commit")]
        assert shown == [("on",), ("on",)]
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            connection.execute("select '+15125550142'::uuid")
    assert "5125550142" not in shared.logs()


def test_a_second_stack_on_the_same_state_is_refused_in_one_line(shared: RunningStack) -> None:
    second = subprocess.run(FAKE_UP, env=shared.environment, capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr.count("\n") == 1
    assert f"Switchboard already runs on {shared.state_directory} (process" in second.stderr


def test_two_stacks_run_side_by_side(shared: RunningStack, make_stack: Callable[..., RunningStack]) -> None:
    other = make_stack()
    other.up()
    assert httpx.get(other.front_door, timeout=5).status_code == httpx.codes.OK
    assert httpx.get(shared.front_door, timeout=5).status_code == httpx.codes.OK
    assert not set(_pids(shared)) & set(_pids(other))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_leaves_nothing(how: signal.Signals, make_stack: Callable[..., RunningStack]) -> None:
    running_stack = make_stack()
    running_stack.up()
    pids, run_directory = _pids(running_stack), running_stack.facts().run_directory
    assert running_stack.supervisor is not None
    running_stack.supervisor.send_signal(how)
    assert _ended(running_stack) == 0
    assert left_running(pids) == []
    assert not run_directory.exists()
    assert "Traceback" not in running_stack.output()
    assert running_stack.output().rstrip().endswith("Switchboard is stopped.")


def test_signals_that_come_again_while_stopping_do_not_cut_it_short(make_stack: Callable[..., RunningStack]) -> None:
    running_stack = make_stack("first:--stubborn")
    running_stack.up()
    pids = _pids(running_stack)
    assert running_stack.supervisor is not None
    for _ in range(3):
        running_stack.supervisor.send_signal(signal.SIGINT)
        running_stack.supervisor.send_signal(signal.SIGTERM)
    assert _ended(running_stack) == 0
    assert left_running(pids) == []
    assert "Traceback" not in running_stack.output()


def test_stop_without_a_name_ends_the_stack_before_it_returns(make_stack: Callable[..., RunningStack]) -> None:
    running_stack = make_stack()
    running_stack.up()
    pids = _pids(running_stack)
    assert running_stack.command("stop").returncode == 0
    assert left_running(pids) == []
    assert _ended(running_stack) == 0
    status = running_stack.command("status", "--json")
    assert (status.returncode, json.loads(status.stdout)["state"]) == (3, "stopped")


def test_it_can_be_stopped_while_it_starts(make_stack: Callable[..., RunningStack]) -> None:
    running_stack = make_stack("second:--deaf")
    running_stack.launch()
    wait_until(lambda: "first " in running_stack.output(), _SECONDS, "nothing was started")
    pids = _pids(running_stack)
    assert running_stack.supervisor is not None
    running_stack.supervisor.send_signal(signal.SIGINT)
    assert _ended(running_stack) == 0
    assert left_running(pids) == []


def test_a_killed_supervisor_takes_everything_with_it_and_the_next_carries_on(
    make_stack: Callable[..., RunningStack],
) -> None:
    running_stack = make_stack()
    running_stack.up()
    with psycopg.connect(running_stack.database_url(_OWNER), autocommit=True) as connection:
        connection.execute("create table kept as select 'kept' as word")
    pids, left_behind = _pids(running_stack), running_stack.facts().run_directory
    assert running_stack.supervisor is not None
    running_stack.supervisor.kill()
    running_stack.supervisor.wait()
    running_stack.up()
    _until_gone(pids)
    assert not left_behind.exists()
    with psycopg.connect(running_stack.database_url(_OWNER)) as connection:
        assert connection.execute("select word from kept").fetchone() == ("kept",)


def test_a_machine_that_lost_power_starts_again_although_the_pid_file_names_a_living_process(
    make_stack: Callable[..., RunningStack],
) -> None:
    running_stack = make_stack()
    running_stack.up()
    running_stack.kill("postgres")
    pid_file = running_stack.state_directory / "postgres" / "postmaster.pid"
    text = pid_file.read_text()
    assert running_stack.supervisor is not None
    running_stack.supervisor.kill()
    running_stack.supervisor.wait()
    pid_file.write_text("\n".join([str(os.getpid()), *text.splitlines()[1:]]))
    running_stack.up()
    assert running_stack.process("postgres").state == "running"


def test_a_half_made_database_is_made_anew(make_stack: Callable[..., RunningStack]) -> None:
    running_stack = make_stack()
    running_stack.state.prepare()
    unfinished = running_stack.state_directory / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    running_stack.up()
    assert not unfinished.exists()


def test_a_database_that_is_none_is_refused_in_one_line(make_stack: Callable[..., RunningStack]) -> None:
    running_stack = make_stack()
    running_stack.up()
    running_stack.down()
    (running_stack.state_directory / "postgres" / "PG_VERSION").unlink()
    running_stack.launch()
    assert _ended(running_stack) == 1
    assert "is not a PostgreSQL 18 database (incomplete); move it away, or remove" in running_stack.output()


def test_a_port_in_use_is_one_line_that_names_the_setting(make_stack: Callable[..., RunningStack]) -> None:
    running_stack = make_stack()
    with socket.create_server(("127.0.0.1", running_stack.port)):
        running_stack.launch()
        assert _ended(running_stack) == 1
    assert running_stack.output() == (
        f"switchboard: port {running_stack.port} on 127.0.0.1 is in use; set SWITCHBOARD_HTTP_PORT to a free port\n"
    )


def test_a_service_that_does_not_start_ends_the_stack_with_its_last_words(
    make_stack: Callable[..., RunningStack],
) -> None:
    running_stack = make_stack("second:--fail")
    running_stack.launch()
    assert _ended(running_stack) == 1
    said = running_stack.output()
    assert "    the fake service cannot find its spoon" in said
    assert "switchboard: second ended with exit status 1 before it was ready; its log is " in said
    assert "Traceback" not in said
    assert not running_stack.state.in_use


def test_what_reads_its_output_may_go_away(make_stack: Callable[..., RunningStack]) -> None:
    running_stack = make_stack()
    supervisor = subprocess.Popen(FAKE_UP, env=running_stack.environment, stdout=subprocess.PIPE)
    running_stack.supervisor = supervisor
    assert supervisor.stdout is not None
    supervisor.stdout.readline()
    supervisor.stdout.close()
    wait_until(lambda: "Switchboard is ready" in running_stack.logs(), _SECONDS, "it is not ready")
    assert running_stack.status()["state"] == "ready"


def test_a_state_directory_deep_in_the_tree_still_works(make_stack: Callable[..., RunningStack]) -> None:
    running_stack = make_stack()
    running_stack.state_directory = running_stack.folder / ("deep" * 20) / ("deeper" * 20) / "state"
    running_stack.environment["SWITCHBOARD_STATE"] = str(running_stack.state_directory)
    running_stack.up()
    assert all(len(process.address) < 108 for process in running_stack.processes())


def test_every_command_says_that_nothing_runs_in_one_line(tmp_path: Path, make_stack: Callable[..., RunningStack]) -> None:
    running_stack = make_stack()
    for arguments in (["stop"], ["stop", "first"], ["start", "first"], ["verify-log"], ["token", "--role", "agent"]):
        done = running_stack.command(*arguments)
        assert done.returncode == 1, arguments
        assert done.stdout == ""
        assert done.stderr.startswith("switchboard: ")
        assert "`make run`" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not running_stack.state_directory.exists()
