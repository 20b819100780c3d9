"""Servers that are started here: on demand, with an environment of their own, many calls at one time, ended with the adapter."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from switchboard.adapter.v1 import adapter_service_pb2 as pb

from tests.integration.adapter.processes import AdapterProcess, eventually
from tests.integration.registry.conftest import Adapters
from tests.integration.registry.operator import Operator

PROGRAM = [sys.executable, "-m", "tests.integration.registry.stdio_program"]
LEGACY = [sys.executable, "-m", "tests.integration.registry.legacy_program"]


@pytest.fixture(scope="module")
def adapter(adapters: Adapters) -> AdapterProcess:
    """An adapter that may start the test's program, and has a credential for it."""
    allowed = [" ".join(PROGRAM), " ".join(LEGACY), "/nowhere/program"]
    tokens = {"VENDOR_TOKEN": {"place": sys.executable}}
    return adapters(
        MCP_STDIO_PROGRAMS=json.dumps(allowed),
        MCP_TOKENS=json.dumps(tokens),
        MCP_STDIO_VARIABLES='["PATH"]',
        VENDOR_TOKEN="a-vendor-token",
        MCP_CHECK_SECONDS="600",
    )


@pytest.fixture
async def started(operator: Operator, tmp_path: Path) -> AsyncIterator[str]:
    """The name of a registered server."""
    steps = await operator.register("program", command=[*PROGRAM, str(tmp_path)])
    assert steps[-1].HasField("server"), steps[-1].error
    yield "program"
    await operator.remove("program")


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def told(answer: pb.InvokeToolResponse) -> Any:
    """What a tool answered, which it did."""
    assert answer.outcome == pb.TOOL_OUTCOME_SUCCEEDED, answer
    return json.loads(answer.result_json)


async def pid_of(operator: Operator) -> int:
    """The pid of the running program."""
    return int(told(await operator.call("program", "echo"))["pid"])


@pytest.mark.requirement("S3.5")
async def test_a_program_is_registered_and_called_many_times_at_once(operator: Operator, started: str) -> None:
    kept = await operator.server(started)
    assert list(kept.command[:2]) == PROGRAM[:2]
    assert kept.protocol_version
    assert [tool.name for tool in kept.tools] == ["echo"]
    answers = await asyncio.gather(*(operator.call(started, "echo", number=number) for number in range(50)))
    results = [told(answer) for answer in answers]
    assert [result["arguments"]["number"] for result in results] == list(range(50))
    assert len({result["pid"] for result in results}) == 1


async def test_it_gets_no_more_of_the_environment_than_the_settings_say(operator: Operator) -> None:
    await operator.register("confined", command=PROGRAM, token_environment="VENDOR_TOKEN")
    environment = told(await operator.call("confined", "echo", behave="environment"))
    assert environment["VENDOR_TOKEN"] == "a-vendor-token"
    assert set(environment) <= {"PATH", "VENDOR_TOKEN", "LC_CTYPE"}
    await operator.remove("confined")


async def test_a_crash_under_a_call_is_that_calls_unknown_outcome_and_the_next_call_starts_it_again(
    operator: Operator, started: str
) -> None:
    before = await pid_of(operator)
    neighbour = asyncio.create_task(operator.call(started, "echo", behave="hold"))
    answer = await operator.call(started, "echo", behave="crash")
    assert answer.outcome == pb.TOOL_OUTCOME_CONNECTION_LOST
    assert answer.effect == pb.EFFECT_CERTAINTY_POSSIBLE
    assert answer.attempts == 1
    assert (await neighbour).outcome == pb.TOOL_OUTCOME_CONNECTION_LOST
    assert await pid_of(operator) != before


async def test_a_call_that_takes_too_long_or_answers_too_much_disturbs_no_other(operator: Operator) -> None:
    steps = await operator.register("slow", command=PROGRAM, timeout_seconds=2)
    assert steps[-1].HasField("server"), steps[-1].error
    held = asyncio.create_task(operator.call("slow", "echo", behave="hold"))
    swollen = await operator.call("slow", "echo", behave="swell")
    assert (swollen.outcome, swollen.effect) == (pb.TOOL_OUTCOME_PROTOCOL_ERROR, pb.EFFECT_CERTAINTY_POSSIBLE)
    assert told(await operator.call("slow", "echo"))["pid"]
    assert (await held).outcome == pb.TOOL_OUTCOME_TIMEOUT
    await operator.remove("slow")


async def test_a_removed_program_ends_with_everything_that_it_started(operator: Operator, tmp_path: Path) -> None:
    await operator.register("ending", command=[*PROGRAM, str(tmp_path)])
    await operator.call("ending", "echo")
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert all(alive(pid) for pid in pids)
    assert os.getpgid(pids[0]) == pids[0]
    await operator.remove("ending")

    async def ended() -> bool:
        return not any(alive(pid) for pid in pids)

    await eventually(ended, 15)


@pytest.mark.parametrize("kill", [False, True])
async def test_a_program_ends_with_the_adapter(adapters: Adapters, tmp_path: Path, kill: bool) -> None:
    process = adapters(MCP_STDIO_PROGRAMS=json.dumps([" ".join(PROGRAM)]))
    async with grpc.aio.insecure_channel(process.target) as channel:
        operator = Operator(channel, tenant="leaving")
        await operator.register("program", command=[*PROGRAM, str(tmp_path)])
        pid = await pid_of(operator)
    left = None
    if kill:
        left = int((tmp_path / "pids").read_text().split()[1])
        process.kill()
    else:
        process.terminate()

    async def ended() -> bool:
        return not alive(pid)

    await eventually(ended, 15)
    if left is not None:
        os.kill(left, signal.SIGKILL)
    process.start()
    async with grpc.aio.insecure_channel(process.target) as channel:
        await Operator(channel, tenant="leaving").remove("program")
    process.stop()

    async def nothing_is_left() -> bool:
        pids = {int(pid) for pid in (tmp_path / "pids").read_text().split()}
        return not any(alive(pid) for pid in pids - {left})

    await eventually(nothing_is_left, 15)


async def test_a_program_that_says_that_its_tools_changed_is_looked_at_at_once(operator: Operator) -> None:
    await operator.register("growing", command=LEGACY)
    assert (await operator.server("growing")).protocol_version == "2025-11-25"
    told(await operator.call("growing", "grow"))
    await operator.drifted("growing", echo="none", another="new")
    assert (await operator.call("growing", "another")).error_code == "TOOL_NOT_ACCEPTED"
    await operator.remove("growing")


async def test_a_program_with_a_session_gets_another_after_its_end(operator: Operator) -> None:
    await operator.register("mortal", command=LEGACY)
    before = told(await operator.call("mortal", "echo"))["pid"]
    assert (await operator.call("mortal", "crash")).outcome == pb.TOOL_OUTCOME_CONNECTION_LOST
    assert told(await operator.call("mortal", "echo"))["pid"] != before
    await operator.remove("mortal")


async def test_a_program_that_cannot_be_started_is_not_kept(operator: Operator) -> None:
    assert "if its command is right" in await operator.refused("missing", command=["/nowhere/program"])


async def test_what_a_program_writes_is_in_no_log(operator: Operator, started: str, adapter: AdapterProcess) -> None:
    await operator.call(started, "echo", customer="a-customers-name")
    log = adapter.log.read_text()
    assert "a-customers-name" not in log
    assert "Welcome" not in log
    assert "a-vendor-token" not in log
