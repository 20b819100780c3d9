"""Two dispatch processes on one database: they share keys, outcomes and what one of them leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from dispatch_service.verify_log import main as verify_log
from tests.fix_dispatch import DispatchProcess, ScriptedAdapter, booking
from tests.integration.dispatch.test_exactly_once import BOOK, Adapter, Gate


@pytest.fixture
async def other(dispatch: DispatchProcess, adapter: tuple[ScriptedAdapter, str]) -> AsyncIterator[DispatchProcess]:
    """A second process beside `dispatch`."""
    process = DispatchProcess(dispatch.folder, dispatch.database, adapter[1])
    await process.start()
    yield process
    await process.stop()


async def test_identical_clicks_at_two_replicas_book_once_and_get_equal_answers(
    dispatch: DispatchProcess, other: DispatchProcess, adapter: Adapter
) -> None:
    clicks = [replica.click(BOOK, booking(), key="shared") for _ in range(50) for replica in (dispatch, other)]
    answers = await asyncio.gather(*clicks)
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["ok"] is True
    assert len(adapter[0].calls) == 1


async def test_a_repetition_at_the_other_replica_waits_for_the_outcome_of_the_first(
    dispatch: DispatchProcess, other: DispatchProcess, adapter: Adapter
) -> None:
    gate = Gate()
    adapter[0].behaviour = gate
    first = asyncio.create_task(dispatch.click(BOOK, booking(), key="shared"))
    await asyncio.wait_for(gate.reached.wait(), 10)
    second = asyncio.create_task(other.click(BOOK, booking(), key="shared"))
    conflict = await other.click(BOOK, booking(notes="Another"), key="shared")
    assert conflict["error"]["code"] == "CONFLICT"
    assert not second.done()
    gate.opened.set()
    assert await first == await second
    assert len(adapter[0].calls) == 1


async def test_what_a_killed_replica_left_is_finished_by_the_other_and_its_waiting_callers_hear_of_it(
    dispatch: DispatchProcess, other: DispatchProcess, adapter: Adapter
) -> None:
    gate = Gate()
    adapter[0].behaviour = gate
    lost = asyncio.create_task(dispatch.click(BOOK, booking(), key="shared"))
    await asyncio.wait_for(gate.reached.wait(), 10)
    waiting = asyncio.create_task(other.click(BOOK, booking(), key="shared"))
    dispatch.kill()
    gate.opened.set()
    with pytest.raises(grpc.aio.AioRpcError):
        await lost
    answer = await waiting
    assert answer["ok"] is True
    assert len({call.idempotency_key for call in adapter[0].calls}) == 1
    assert {row["status"] for row in dispatch.rows("select status from dispatch.action where error_code <> 'CONFLICT'")} == {
        "SUCCEEDED"
    }


async def test_the_journal_of_two_writers_verifies(
    dispatch: DispatchProcess, other: DispatchProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.gather(*(replica.click(BOOK, booking(), key=f"k{n}") for n in range(20) for replica in (dispatch, other)))
    assert verify_log(dispatch.database.owner_url) == 0, capsys.readouterr().out
