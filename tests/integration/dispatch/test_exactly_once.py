"""One effect per key: repetitions, concurrency, crashes, lost callers, a database that goes away."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import pytest
from switchboard.adapter.v1 import adapter_service_pb2

from tests.fix_dispatch import BOOKED, DispatchProcess, ScriptedAdapter, booking, succeeded

BOOK = "HOUSECALL_PRO_BOOKING"
Adapter = tuple[ScriptedAdapter, str]


def answer_of(outcome: int, effect: int, code: str, *, retryable: bool = False) -> adapter_service_pb2.InvokeToolResponse:
    return adapter_service_pb2.InvokeToolResponse(outcome=outcome, effect=effect, error_code=code, retryable=retryable)


LOST = answer_of(
    adapter_service_pb2.TOOL_OUTCOME_CONNECTION_LOST,
    adapter_service_pb2.EFFECT_CERTAINTY_POSSIBLE,
    "CONNECTION_LOST",
    retryable=True,
)
DOWN = answer_of(
    adapter_service_pb2.TOOL_OUTCOME_REFUSED, adapter_service_pb2.EFFECT_CERTAINTY_NONE, "SERVER_DOWN", retryable=True
)


class Gate:
    """A tool call that a test holds: `reached` once it is there, until `opened`."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self, request: Any) -> adapter_service_pb2.InvokeToolResponse:
        self.reached.set()
        await self.opened.wait()
        return succeeded(BOOKED)


async def until(condition: Any, seconds: float = 15.0) -> None:
    """Wait until `condition()` is true, within a bound."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.to_thread(lambda: None)


async def test_two_hundred_identical_clicks_book_once_and_get_equal_answers(dispatch: DispatchProcess, adapter: Adapter) -> None:
    answers = await asyncio.gather(*(dispatch.click(BOOK, booking(), key="click-1") for _ in range(200)))
    assert len(adapter[0].calls) == 1
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["ok"] is True


async def test_a_later_repetition_gets_the_first_answer_without_another_call(dispatch: DispatchProcess, adapter: Adapter) -> None:
    first = await dispatch.click(BOOK, booking(), key="click-1")
    again = await dispatch.click(BOOK, booking(), key="click-1")
    assert again == first
    assert len(adapter[0].calls) == 1


async def test_the_same_key_for_another_payload_is_a_conflict(dispatch: DispatchProcess, adapter: Adapter) -> None:
    await dispatch.click(BOOK, booking(), key="click-1")
    other = await dispatch.click(BOOK, booking(notes="Another thing altogether"), key="click-1")
    assert other["error"]["code"] == "CONFLICT"
    assert len(adapter[0].calls) == 1
    statuses = [row["status"] for row in dispatch.rows("select status from dispatch.action order by created_at")]
    assert statuses == ["SUCCEEDED", "REJECTED"]


async def test_a_double_click_without_a_key_books_once(dispatch: DispatchProcess, adapter: Adapter) -> None:
    first, second = await asyncio.gather(dispatch.click(BOOK, booking()), dispatch.click(BOOK, booking()))
    third = await dispatch.click(BOOK, booking())
    assert first == second == third
    assert len(adapter[0].calls) == 1


async def test_without_a_key_the_same_wish_after_the_window_is_a_new_booking(dispatch: DispatchProcess, adapter: Adapter) -> None:
    first = await dispatch.click(BOOK, booking())
    dispatch.rows("update dispatch.claim set created_at = created_at - interval '3 minutes'")
    second = await dispatch.click(BOOK, booking())
    assert first["result"]["externalId"] != second["result"]["externalId"]
    keys = {call.idempotency_key for call in adapter[0].calls}
    assert len(keys) == 2


async def test_after_a_failure_without_effect_the_same_key_tries_again(dispatch: DispatchProcess, adapter: Adapter) -> None:
    async def down(request: Any) -> adapter_service_pb2.InvokeToolResponse:
        return DOWN

    adapter[0].behaviour, working = down, adapter[0].behaviour
    failed = await dispatch.click(BOOK, booking(), key="click-1")
    assert failed["error"] == {"code": "INTEGRATION_DOWN", "details": failed["error"]["details"], "retryable": True}
    assert failed["result"]["card"]["title"] == "We can book you by phone in 60 seconds"
    adapter[0].behaviour = working
    done = await dispatch.click(BOOK, booking(), key="click-1")
    assert done["ok"] is True
    assert len({call.idempotency_key for call in adapter[0].calls}) == 1


async def test_a_lost_reply_is_an_unknown_outcome_and_the_retry_settles_it(dispatch: DispatchProcess, adapter: Adapter) -> None:
    async def lost(request: Any) -> adapter_service_pb2.InvokeToolResponse:
        return LOST

    adapter[0].behaviour, working = lost, adapter[0].behaviour
    unknown = await dispatch.click(BOOK, booking(), key="click-1")
    assert unknown["error"]["code"] == "OUTCOME_UNKNOWN"
    [row] = dispatch.rows("select status from dispatch.action")
    assert row["status"] == "OUTCOME_UNKNOWN"
    adapter[0].behaviour = working
    done = await dispatch.click(BOOK, booking(), key="click-1")
    assert done["ok"] is True
    assert len({call.idempotency_key for call in adapter[0].calls}) == 1
    first, second = dispatch.rows("select * from dispatch.action order by created_at")
    assert (first["status"], second["status"]) == ("SUCCEEDED", "SUCCEEDED")
    assert first["external_id"] == second["external_id"] == done["result"]["externalId"]
    assert second["retry_of"] == first["id"]


async def test_a_process_that_dies_between_intent_and_outcome_is_finished_by_the_next(
    dispatch: DispatchProcess, adapter: Adapter
) -> None:
    gate = Gate()
    adapter[0].behaviour = gate
    click = asyncio.create_task(dispatch.click(BOOK, booking(), key="click-1"))
    await asyncio.wait_for(gate.reached.wait(), 10)
    dispatch.kill()
    with pytest.raises(grpc.aio.AioRpcError):
        await click
    [row] = dispatch.rows("select status from dispatch.action")
    assert row["status"] == "EXECUTING"
    gate.opened.set()
    await dispatch.start()
    await until(lambda: dispatch.rows("select status from dispatch.action")[0]["status"] == "SUCCEEDED")
    assert len({call.idempotency_key for call in adapter[0].calls}) == 1
    answer = await dispatch.click(BOOK, booking(), key="click-1")
    assert answer["ok"] is True
    assert len(adapter[0].calls) == 2


@pytest.mark.parametrize("moment", ["at once", "while the tool works"])
async def test_a_caller_that_goes_away_loses_nothing_and_finds_its_answer_by_the_key(
    dispatch: DispatchProcess, adapter: Adapter, moment: str
) -> None:
    gate = Gate()
    adapter[0].behaviour = gate
    click = asyncio.create_task(dispatch.click(BOOK, booking(), key="click-1"))
    if moment == "while the tool works":
        await asyncio.wait_for(gate.reached.wait(), 10)
    else:
        await until(lambda: True)
    click.cancel()
    gate.opened.set()
    answer = await dispatch.click(BOOK, booking(), key="click-1")
    assert answer["ok"] is True
    assert len(adapter[0].calls) == 1
    assert [row["status"] for row in dispatch.rows("select status from dispatch.action")] == ["SUCCEEDED"]


async def test_hundreds_of_callers_that_go_away_wedge_nothing(dispatch: DispatchProcess, adapter: Adapter) -> None:
    clicks = [asyncio.create_task(dispatch.click(BOOK, booking(notes=f"Note {n}"), key=f"key-{n}")) for n in range(300)]
    await until(lambda: len(adapter[0].calls) >= 20)
    for click in clicks:
        click.cancel()
    await asyncio.gather(*clicks, return_exceptions=True)
    answer = await dispatch.click(BOOK, booking(), key="after")
    assert answer["ok"] is True
    await until(lambda: not dispatch.rows("select 1 from dispatch.action where status = 'EXECUTING'"))
    keys = [json.loads(call.arguments_json)["notes"] for call in adapter[0].calls]
    assert len(keys) == len(set(keys))


async def test_without_a_database_nothing_is_called_and_afterwards_it_works_again(
    dispatch: DispatchProcess, adapter: Adapter
) -> None:
    await dispatch.click(BOOK, booking(), key="before")
    [name] = dispatch.rows("select current_database() as name")
    database = name["name"]
    url = dispatch.database.owner_url.replace(database, "postgres")
    import psycopg

    def shut(allowed: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'alter database "{database}" allow_connections {allowed}'.encode())
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (database,))

    shut("false")
    for number in range(3):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await dispatch.click(BOOK, booking(), key=f"during-{number}")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert len(adapter[0].calls) == 1
    shut("true")

    async def works() -> bool:
        try:
            return bool((await dispatch.click(BOOK, booking(), key="after"))["ok"])
        except grpc.aio.AioRpcError:
            return False

    async with asyncio.timeout(20):
        while not await works():
            pass
    assert len(adapter[0].calls) == 2


async def test_an_outcome_that_cannot_be_written_at_once_is_written_later(dispatch: DispatchProcess, adapter: Adapter) -> None:
    import psycopg

    gate = Gate()
    adapter[0].behaviour = gate
    click = asyncio.create_task(dispatch.click(BOOK, booking(), key="click-1"))
    await asyncio.wait_for(gate.reached.wait(), 10)
    [name] = dispatch.rows("select current_database() as name")
    database = name["name"]
    url = dispatch.database.owner_url.replace(database, "postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'alter database "{database}" allow_connections false'.encode())
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (database,))
        gate.opened.set()
        answer = await click
        assert answer["ok"] is True
        connection.execute(f'alter database "{database}" allow_connections true'.encode())
    await until(lambda: dispatch.rows("select status from dispatch.action")[0]["status"] == "SUCCEEDED")
    assert len(adapter[0].calls) == 1


async def test_a_stop_signal_lets_what_is_under_way_finish(dispatch: DispatchProcess, adapter: Adapter) -> None:
    gate = Gate()
    adapter[0].behaviour = gate
    click = asyncio.create_task(dispatch.click(BOOK, booking(), key="click-1"))
    await asyncio.wait_for(gate.reached.wait(), 10)
    assert dispatch.process is not None
    dispatch.process.terminate()
    gate.opened.set()
    answer = await click
    assert answer["ok"] is True
    assert [row["status"] for row in dispatch.rows("select status from dispatch.action")] == ["SUCCEEDED"]


async def test_the_retry_that_succeeds_settles_every_attempt_before_it(dispatch: DispatchProcess, adapter: Adapter) -> None:
    async def lost(request: Any) -> adapter_service_pb2.InvokeToolResponse:
        return LOST

    adapter[0].behaviour, working = lost, adapter[0].behaviour
    for _ in range(3):
        await dispatch.click(BOOK, booking(), key="click-1")
    adapter[0].behaviour = working
    assert (await dispatch.click(BOOK, booking(), key="click-1"))["ok"] is True
    await until(lambda: {row["status"] for row in dispatch.rows("select status from dispatch.action")} == {"SUCCEEDED"})
    assert len(dispatch.rows("select 1 from dispatch.action")) == 4
