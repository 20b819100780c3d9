"""Carrying out what was allowed: once, exactly that, and whatever becomes of the process that does it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from switchboard.dispatch.v1 import error_pb2

from dispatch_service.authorizations.ports import KeptRequest, Response
from dispatch_service.call import Refusal
from dispatch_service.policy import Effect
from dispatch_service.verify_log import main as verify_log
from tests.fix_dispatch import OWNER, ROOT
from tests.fix_postgres import MigratedDatabase
from tests.fix_proving import on_python_path
from tests.integration.dispatch.authorization_parts import AGENT, NOTE, Parts, keys_in, put_together, running, until

OVER = ("EXECUTED", "FAILED")
SEND = {"to": "wilma@oddfellow.example", "text": "We call you back"}


@pytest.fixture
async def replicas(
    proving_messages: ModuleType, fresh_database: Callable[..., MigratedDatabase]
) -> AsyncIterator[tuple[Parts, Parts]]:
    """Two processes' worth of authorizations on one database."""
    database = fresh_database(OWNER)
    with tempfile.TemporaryDirectory(prefix="rep-") as one, tempfile.TemporaryDirectory(prefix="rep-") as other:
        keys = keys_in(Path(one))
        processes = put_together(database, keys), put_together(database, keys)
        async with running(processes[0], Path(one)) as first, running(processes[1], Path(other)) as second:
            yield first, second


def is_over(parts: Parts, authorization_id: str) -> Callable[[], bool]:
    """Whether an authorization has come to its end."""
    return lambda: parts.status(authorization_id) in OVER


def failure(code: str, *, retryable: bool) -> Response:
    """A tool's answer that it was not done."""
    response = Response(ok=False)
    response.error.code = error_pb2.ErrorCode.Value(code)
    response.error.retryable = retryable
    return response


async def test_two_workers_carry_out_each_of_many_once(replicas: tuple[Parts, Parts]) -> None:
    first, second = replicas
    asked = [await first.ask() for _ in range(20)]
    async with first.working(), second.working():
        for number, waiting in enumerate(asked):
            await replicas[number % 2].decide(waiting, "authorized")
        for waiting in asked:
            await until(is_over(first, waiting))
    called = [call.authorization_id for parts in replicas for call in parts.journey.calls]
    assert sorted(called) == sorted(asked)
    assert {first.status(waiting) for waiting in asked} == {"EXECUTED"}
    assert verify_log(first.owner_url) == 0


async def test_the_same_job_many_times_at_once_is_one_call(replicas: tuple[Parts, Parts]) -> None:
    first, second = replicas
    waiting = await first.ask()
    await first.decide(waiting, "authorized")
    await asyncio.gather(*(parts.executor.execute(waiting) for parts in replicas for _ in range(10)))
    await second.executor.execute(waiting)
    assert len(first.journey.calls) + len(second.journey.calls) == 1
    assert first.status(waiting) == "EXECUTED"


async def test_a_worker_at_work_for_longer_than_its_lease_is_not_taken_over(replicas: tuple[Parts, Parts]) -> None:
    first, second = replicas
    waiting = await first.ask()
    await first.decide(waiting, "authorized")
    at_work, go_on = asyncio.Event(), asyncio.Event()

    async def long(kept: KeptRequest) -> Response:
        at_work.set()
        await go_on.wait()
        return await first.journey.done(kept)

    first.journey.behaviour = long
    working = asyncio.create_task(first.executor.execute(waiting))
    await asyncio.wait_for(at_work.wait(), 10)
    [taken] = first.rows("select lease_until from dispatch.authorization")
    # The lease is a second: it has been renewed when it ends later than that after it was taken.
    renewed = "select 1 from dispatch.authorization where lease_until > %s::timestamptz + interval '1.2 seconds'"
    await until(lambda: first.rows(renewed, taken["lease_until"]))
    await second.executor.execute(waiting)
    assert second.journey.calls == []
    go_on.set()
    await working
    assert first.status(waiting) == "EXECUTED"


@pytest.mark.parametrize(
    "asked",
    [("proving.note", NOTE, True), ("proving.send", SEND, False)],
    ids=["an idempotent tool is called again with the same key", "another is not called again, and that is said"],
)
async def test_a_worker_killed_while_its_tool_works(
    authorizations: Parts, proving_contract: Path, tmp_path: Path, asked: tuple[str, dict[str, Any], bool]
) -> None:
    tool, arguments, called_again = asked
    waiting = await authorizations.ask(arguments, tool=tool)
    calls = tmp_path / "calls"
    process = subprocess.Popen(  # noqa: ASYNC220 (starting it takes no time; waiting for it is awaited below)
        [
            sys.executable,
            "-m",
            "tests.integration.dispatch.authorization_worker",
            authorizations.owner_url,
            str(keys_in(tmp_path)),
            str(calls),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": on_python_path(proving_contract)},
    )
    try:
        await authorizations.decide(waiting, "authorized")
        await until(calls.exists)
    finally:
        process.kill()
        process.wait(10)
    assert authorizations.status(waiting) == "AUTHORIZED"
    async with authorizations.working():
        await until(is_over(authorizations, waiting))
    keys = {call.tool_key for call in authorizations.journey.calls} | set(calls.read_text("utf-8").split())
    assert len(keys) == 1
    polled = await authorizations.get(waiting, AGENT)
    if called_again:
        [again] = authorizations.journey.calls
        assert again.repeated
        assert polled["status"] == "EXECUTED"
    else:
        assert authorizations.journey.calls == []
        assert (polled["status"], polled["result"]["error"]["code"]) == ("FAILED", "OUTCOME_UNKNOWN")
        assert authorizations.action(waiting)["status"] == "OUTCOME_UNKNOWN"
    assert verify_log(authorizations.owner_url) == 0


async def test_a_worker_that_ends_before_its_intent_has_done_nothing_and_the_next_begins_anew(
    replicas: tuple[Parts, Parts],
) -> None:
    first, second = replicas
    waiting = await first.ask(SEND, tool="proving.send")
    await first.decide(waiting, "authorized")
    # It took the row, and was gone before it wrote that it would call.
    first.rows("update dispatch.authorization set lease_owner = 'gone', lease_until = now() - interval '1 second', attempts = 1")
    await second.executor.execute(waiting)
    assert len(second.journey.calls) == 1
    assert second.status(waiting) == "EXECUTED"


async def test_a_job_that_was_lost_is_made_again(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    await authorizations.decide(waiting, "authorized")
    authorizations.rows("truncate dispatch_queue.procrastinate_jobs cascade")
    authorizations.rows("update dispatch.authorization set decided_at = decided_at - interval '10 seconds'")
    async with authorizations.working():
        await until(is_over(authorizations, waiting))
    assert len(authorizations.journey.calls) == 1


async def test_a_decision_that_is_rolled_back_leaves_no_job(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    authorizations.rows("revoke execute on all functions in schema dispatch from switchboard_dispatch, public")
    with pytest.raises(Exception, match="INTERNAL"):
        await authorizations.decide(waiting, "authorized")
    assert authorizations.status(waiting) == "PENDING"
    assert authorizations.rows("select 1 from dispatch_queue.procrastinate_jobs") == []


async def test_a_policy_that_changed_in_between_decides(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    await authorizations.decide(waiting, "authorized")
    authorizations.journey.allowed = Effect.DENY
    await authorizations.executor.execute(waiting)
    assert authorizations.journey.calls == []
    polled = await authorizations.get(waiting, AGENT)
    assert (polled["status"], polled["result"]["error"]["code"]) == ("FAILED", "DENIED")
    action = authorizations.action(waiting)
    assert (action["status"], action["error_code"]) == ("FAILED", "DENIED")
    assert authorizations.history(waiting) == ["pending", "authorised", "outcome"]


@pytest.mark.parametrize("changed", ["what it would do", "that it can be done"])
async def test_what_would_happen_otherwise_than_was_shown_does_not_happen(authorizations: Parts, changed: str) -> None:
    waiting = await authorizations.ask()
    await authorizations.decide(waiting, "authorized")
    if changed == "what it would do":
        authorizations.journey.related = 16
    else:
        authorizations.journey.problem = Refusal("NOT_FOUND", "What this names is not there.")
    await authorizations.executor.execute(waiting)
    assert authorizations.journey.calls == []
    polled = await authorizations.get(waiting, AGENT)
    assert (polled["status"], polled["result"]["error"]["code"]) == ("FAILED", "CONFLICT")


@pytest.mark.parametrize("column", ["sealed_request", "arguments_hash"])
async def test_other_arguments_than_those_approved_are_never_called(authorizations: Parts, column: str) -> None:
    waiting = await authorizations.ask()
    other = await authorizations.ask({**NOTE, "text": "Something else altogether"})
    await authorizations.decide(waiting, "authorized")
    authorizations.rows(
        f"update dispatch.authorization set {column} = (select {column} from dispatch.authorization where id = %s) where id = %s",
        other,
        waiting,
    )
    await authorizations.executor.execute(waiting)
    assert authorizations.journey.calls == []
    assert authorizations.status(waiting) == "FAILED"


async def test_an_edit_after_the_approval_is_refused_and_what_was_approved_is_called(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    await authorizations.decide(waiting, "authorized")
    with pytest.raises(Exception, match="ABORTED"):
        await authorizations.decide(waiting, "edited", editedArguments={**NOTE, "text": "Something else"})
    await authorizations.executor.execute(waiting)
    assert [call.kept.plan.arguments for call in authorizations.journey.calls] == [NOTE]


async def test_a_tool_that_is_down_is_tried_again_and_then_asked_anew_what_it_would_do(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    await authorizations.decide(waiting, "authorized")

    async def down(kept: KeptRequest) -> Response:
        return failure("INTEGRATION_DOWN", retryable=True)

    authorizations.journey.behaviour = down
    await authorizations.executor.execute(waiting)
    [row] = authorizations.rows("select * from dispatch.authorization")
    assert (row["status"], row["called_at"], row["lease_owner"]) == ("AUTHORIZED", None, None)
    authorizations.journey.behaviour = authorizations.journey.done
    async with authorizations.working():
        await until(is_over(authorizations, waiting))
    assert authorizations.status(waiting) == "EXECUTED"
    assert authorizations.action(waiting)["status"] == "SUCCEEDED"
    assert [call.repeated for call in authorizations.journey.calls] == [False, False]


@pytest.mark.parametrize(
    ("problem", "called", "code"),
    [(Refusal("INTEGRATION_DOWN", "It does not answer."), None, "INTEGRATION_DOWN"), (None, "now()", "OUTCOME_UNKNOWN")],
    ids=["before anything was called", "after something may have been"],
)
async def test_what_does_not_come_to_an_end_is_given_up_and_said_so(
    authorizations: Parts, problem: Refusal | None, called: str | None, code: str
) -> None:
    waiting = await authorizations.ask()
    await authorizations.decide(waiting, "authorized")
    authorizations.journey.problem = problem
    authorizations.rows(f"update dispatch.authorization set attempts = 12, called_at = {called or 'null'}")
    await authorizations.executor.execute(waiting)
    polled = await authorizations.get(waiting, AGENT)
    assert (polled["status"], polled["result"]["error"]["code"]) == ("FAILED", code)
    assert authorizations.journey.calls == []


async def test_a_lost_answer_is_asked_for_again_with_the_same_key(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    await authorizations.decide(waiting, "authorized")

    async def lost(kept: KeptRequest) -> Response:
        return failure("OUTCOME_UNKNOWN", retryable=True)

    authorizations.journey.behaviour = lost
    await authorizations.executor.execute(waiting)
    authorizations.journey.behaviour = authorizations.journey.done
    # What it would do has changed, because it did it: that is no reason not to ask for the answer.
    authorizations.journey.related = 16
    async with authorizations.working():
        await until(is_over(authorizations, waiting))
    assert authorizations.status(waiting) == "EXECUTED"
    first, second = authorizations.journey.calls
    assert first.tool_key == second.tool_key
    assert (first.repeated, second.repeated) == (False, True)


async def test_a_worker_outlives_its_database(authorizations: Parts) -> None:
    async with authorizations.working():
        registered = "select 1 from dispatch_queue.procrastinate_workers"
        await until(lambda: authorizations.rows(registered))
        authorizations.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and usename = 'switchboard_dispatch' and pid <> pg_backend_pid()"
        )
        waiting = await authorizations.ask_until_possible()
        await until(is_over(authorizations, waiting))
    assert authorizations.status(waiting) == "EXECUTED"


async def test_a_stop_lets_what_is_under_way_finish(authorizations: Parts) -> None:
    waiting = await authorizations.ask()
    at_work, go_on = asyncio.Event(), asyncio.Event()

    async def long(kept: KeptRequest) -> Response:
        at_work.set()
        await go_on.wait()
        return await authorizations.journey.done(kept)

    authorizations.journey.behaviour = long
    task = asyncio.create_task(authorizations.work.run())
    await authorizations.decide(waiting, "authorized")
    await asyncio.wait_for(at_work.wait(), 20)
    task.cancel()
    go_on.set()
    await asyncio.wait([task], timeout=20)
    assert task.cancelled()
    assert authorizations.status(waiting) == "EXECUTED"
