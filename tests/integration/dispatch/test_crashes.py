"""What the crash run (`tests/crash`) found, each in a form that needs no luck."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import psycopg
import pytest
from switchboard.adapter.v1 import adapter_service_pb2

from tests.fix_dispatch import BOOKED, DispatchProcess, booking, succeeded
from tests.integration.dispatch.test_exactly_once import BOOK, DOWN, LOST, Adapter, Gate, answer_of, until

# The tool's own word: not just now. It says nothing of an earlier call with the key.
NOT_NOW = answer_of(
    adapter_service_pb2.TOOL_OUTCOME_TOOL_ERROR, adapter_service_pb2.EFFECT_CERTAINTY_NONE, "INTEGRATION_DOWN", retryable=True
)


class Held:
    """A tool call that a test holds: `reached` once it is there; answered with `answer` when `opened`."""

    def __init__(self, answer: adapter_service_pb2.InvokeToolResponse) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()
        self._answer = answer

    async def __call__(self, request: Any) -> adapter_service_pb2.InvokeToolResponse:
        self.reached.set()
        await self.opened.wait()
        return self._answer


class Doors:
    """Lets nobody into the test's database, as a server that was killed does, until it is opened again."""

    def __init__(self, dispatch: DispatchProcess) -> None:
        self._database = dispatch.rows("select current_database() as name")[0]["name"]
        self._url = dispatch.database.owner_url.replace(self._database, "postgres")

    def shut(self, *, shut: bool = True) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f'alter database "{self._database}" allow_connections {not shut}'.encode())
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (self._database,))


async def test_an_orphan_that_the_tool_cannot_repeat_just_now_is_not_said_to_have_failed(
    dispatch: DispatchProcess, adapter: Adapter
) -> None:
    gate = Gate()
    adapter[0].behaviour = gate
    click = asyncio.create_task(dispatch.click(BOOK, booking(), key="click-1"))
    await asyncio.wait_for(gate.reached.wait(), 10)
    dispatch.kill()
    with pytest.raises(grpc.aio.AioRpcError):
        await click
    answers = [NOT_NOW, LOST, succeeded(BOOKED)]

    async def at_last(request: Any) -> adapter_service_pb2.InvokeToolResponse:
        return answers.pop(0)

    adapter[0].behaviour = at_last
    gate.opened.set()
    await dispatch.start()
    await until(lambda: dispatch.rows("select status from dispatch.action")[0]["status"] != "EXECUTING", 30)
    assert [row["status"] for row in dispatch.rows("select status from dispatch.action")] == ["SUCCEEDED"]


async def test_a_failure_that_the_journal_does_not_have_yet_is_said_as_unknown(
    dispatch: DispatchProcess, adapter: Adapter
) -> None:
    """Should the process end before it is written, the call is made again by whoever takes over."""
    held, doors = Held(DOWN), Doors(dispatch)
    adapter[0].behaviour = held
    click = asyncio.create_task(dispatch.click(BOOK, booking(), key="click-1"))
    await asyncio.wait_for(held.reached.wait(), 10)
    doors.shut()
    held.opened.set()
    answer = await click
    doors.shut(shut=False)
    assert answer["error"]["code"] == "OUTCOME_UNKNOWN"
    assert answer["error"]["retryable"] is True


async def test_an_attempt_that_failed_for_certain_is_not_settled_by_the_one_that_succeeds_after_it(
    dispatch: DispatchProcess, adapter: Adapter
) -> None:
    async def down(request: Any) -> adapter_service_pb2.InvokeToolResponse:
        return DOWN

    adapter[0].behaviour = down
    await dispatch.click(BOOK, booking(), key="click-1")
    held, doors = Held(succeeded(BOOKED)), Doors(dispatch)
    adapter[0].behaviour = held
    click = asyncio.create_task(dispatch.click(BOOK, booking(), key="click-1"))
    await asyncio.wait_for(held.reached.wait(), 10)
    # Now nobody can look up whether an earlier attempt is unknown.
    doors.shut()
    held.opened.set()
    assert (await click)["ok"] is True
    doors.shut(shut=False)
    await until(lambda: dispatch.rows("select status from dispatch.action order by created_at")[1]["status"] == "SUCCEEDED")
    assert dispatch.rows("select status from dispatch.action order by created_at")[0]["status"] == "FAILED"


async def test_an_unknown_attempt_is_settled_by_a_later_one_that_a_killed_process_began(
    dispatch: DispatchProcess, adapter: Adapter
) -> None:
    async def lost(request: Any) -> adapter_service_pb2.InvokeToolResponse:
        return LOST

    adapter[0].behaviour = lost
    assert (await dispatch.click(BOOK, booking(), key="click-1"))["error"]["code"] == "OUTCOME_UNKNOWN"
    gate = Gate()
    adapter[0].behaviour = gate
    click = asyncio.create_task(dispatch.click(BOOK, booking(), key="click-1"))
    await asyncio.wait_for(gate.reached.wait(), 10)
    dispatch.kill()
    with pytest.raises(grpc.aio.AioRpcError):
        await click
    gate.opened.set()
    await dispatch.start()
    await until(lambda: {row["status"] for row in dispatch.rows("select status from dispatch.action")} == {"SUCCEEDED"}, 30)
    first, second = dispatch.rows("select * from dispatch.action order by created_at")
    assert second["retry_of"] == first["id"]
    assert second["external_id"] == first["external_id"] != ""


async def test_a_new_use_of_a_key_that_was_made_up_settles_no_earlier_one(dispatch: DispatchProcess, adapter: Adapter) -> None:
    """After its window a repeated click means another booking, and what became of the first is as unknown as before."""
    await dispatch.stop()
    await dispatch.start(derived_window_seconds="0")

    async def lost(request: Any) -> adapter_service_pb2.InvokeToolResponse:
        return LOST

    adapter[0].behaviour, working = lost, adapter[0].behaviour
    await dispatch.click(BOOK, booking())
    adapter[0].behaviour = working
    assert (await dispatch.click(BOOK, booking()))["ok"] is True
    assert len({call.idempotency_key for call in adapter[0].calls}) == 2
    first, second = dispatch.rows("select status, retry_of from dispatch.action order by created_at")
    assert (first["status"], second["status"], second["retry_of"]) == ("OUTCOME_UNKNOWN", "SUCCEEDED", "")


async def test_an_intent_that_may_have_been_written_is_not_said_to_come_to_nothing(
    dispatch: DispatchProcess, adapter: Adapter
) -> None:
    """Should the process end before it has taken it back, another one carries it out."""
    await dispatch.click(BOOK, booking(), key="before")
    doors = Doors(dispatch)
    holder = psycopg.connect(dispatch.database.owner_url)
    holder.execute("select 1 from dispatch.chain for update")
    click = asyncio.create_task(dispatch.click(BOOK, booking(), key="click-1"))
    held_up = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'write_journal'"
    await until(lambda: bool(dispatch.rows(held_up)))
    doors.shut()
    holder.close()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await click
    doors.shut(shut=False)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert ("x-switchboard-error-code", "OUTCOME_UNKNOWN") in tuple(caught.value.trailing_metadata() or ())

    async def books() -> bool:
        try:
            return bool((await dispatch.click(BOOK, booking(), key="click-1"))["ok"])
        except grpc.aio.AioRpcError:
            return False

    async with asyncio.timeout(20):
        while not await books():
            pass
    assert len(adapter[0].calls) == 2
