"""SettleAction: an operator says what became of an action of unknown outcome, or has it called again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from switchboard.audit.v1 import action_log_service_pb2, action_log_service_pb2_grpc

from dispatch_service.verify_log import main as verify_log
from tests.callers import caller
from tests.fix_dispatch import BOOKED, DispatchProcess, booking, succeeded
from tests.integration.dispatch.test_exactly_once import BOOK, LOST, Adapter, Gate, until

DONE, NOT_DONE, RETRY = "DONE", "NOT_DONE", "RETRY"
OPERATOR = caller("operator", subject="olga")
NOTES = "Wilhelmina Oddfellow says on (608) 555-0177 that the van came"


async def settle(
    dispatch: DispatchProcess, action_id: str, settlement: str, *, notes: str = "", metadata: Any = OPERATOR
) -> dict[str, Any]:
    """Settle an action and return its entry's JSON."""
    assert dispatch.channel is not None
    stub = action_log_service_pb2_grpc.ActionLogServiceStub(dispatch.channel)
    request = action_log_service_pb2.SettleActionRequest(
        id=action_id, settlement=action_log_service_pb2.Settlement.Value(settlement), notes=notes
    )
    entry: dict[str, Any] = MessageToDict(await stub.SettleAction(request, timeout=30, metadata=metadata))
    return entry


async def refused(dispatch: DispatchProcess, action_id: str, settlement: str, metadata: Any = OPERATOR) -> grpc.StatusCode:
    """Settle an action that is not to be settled, and return the status."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await settle(dispatch, action_id, settlement, metadata=metadata)
    return caught.value.code()


async def unknown(dispatch: DispatchProcess, adapter: Adapter, key: str = "click-1") -> str:
    """Book with a reply that is lost, and return the action."""

    async def lost(request: Any) -> Any:
        return LOST

    adapter[0].behaviour, working = lost, adapter[0].behaviour
    answer = await dispatch.click(BOOK, booking(), key=key)
    adapter[0].behaviour = working
    assert answer["error"]["code"] == "OUTCOME_UNKNOWN"
    [row] = dispatch.rows("select id from dispatch.action order by created_at desc limit 1")
    return str(row["id"])


def types(entry: dict[str, Any]) -> list[str]:
    return [event["type"] for event in entry["events"]]


async def test_what_was_done_is_settled_and_a_repetition_is_told_so_without_another_call(
    dispatch: DispatchProcess, adapter: Adapter
) -> None:
    action_id = await unknown(dispatch, adapter)
    entry = await settle(dispatch, action_id, DONE)
    assert entry["status"] == "SUCCEEDED"
    assert types(entry) == ["intent", "outcome", "settled"]
    again = await dispatch.click(BOOK, booking(), key="click-1")
    assert again["ok"] is True
    assert len(adapter[0].calls) == 1
    assert verify_log(dispatch.database.owner_url) == 0


async def test_what_was_not_done_has_failed_and_the_key_may_be_used_again(dispatch: DispatchProcess, adapter: Adapter) -> None:
    action_id = await unknown(dispatch, adapter)
    entry = await settle(dispatch, action_id, NOT_DONE)
    assert entry["status"] == "FAILED"
    again = await dispatch.click(BOOK, booking(), key="click-1")
    assert again["ok"] is True
    assert len({call.idempotency_key for call in adapter[0].calls}) == 1
    assert verify_log(dispatch.database.owner_url) == 0


async def test_a_retry_calls_with_the_same_key_and_takes_the_tools_answer(dispatch: DispatchProcess, adapter: Adapter) -> None:
    action_id = await unknown(dispatch, adapter)
    entry = await settle(dispatch, action_id, RETRY)
    assert entry["status"] == "SUCCEEDED"
    assert entry["vendorReference"] == BOOKED["jobId"]
    assert types(entry) == ["intent", "outcome", "retried", "outcome"]
    first, second = adapter[0].calls
    assert first.idempotency_key == second.idempotency_key
    assert first.arguments_json == second.arguments_json
    again = await dispatch.click(BOOK, booking(), key="click-1")
    assert again["ok"] is True
    assert again["result"]["externalId"] == entry["externalId"]
    assert len(adapter[0].calls) == 2
    assert verify_log(dispatch.database.owner_url) == 0


async def test_a_retry_whose_reply_is_lost_too_can_be_settled_again(dispatch: DispatchProcess, adapter: Adapter) -> None:
    action_id = await unknown(dispatch, adapter)

    async def lost(request: Any) -> Any:
        return LOST

    adapter[0].behaviour, working = lost, adapter[0].behaviour
    assert (await settle(dispatch, action_id, RETRY))["status"] == "OUTCOME_UNKNOWN"
    adapter[0].behaviour = working
    assert (await settle(dispatch, action_id, RETRY))["status"] == "SUCCEEDED"
    assert len({call.idempotency_key for call in adapter[0].calls}) == 1
    assert verify_log(dispatch.database.owner_url) == 0


@pytest.mark.parametrize("settlements", [(DONE, NOT_DONE), (RETRY, RETRY), (NOT_DONE, RETRY)])
async def test_of_many_that_settle_at_once_one_does(
    dispatch: DispatchProcess, adapter: Adapter, settlements: tuple[str, str]
) -> None:
    action_id = await unknown(dispatch, adapter)
    attempts = [settle(dispatch, action_id, settlements[n % 2]) for n in range(12)]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    problems = [result for result in results if isinstance(result, grpc.aio.AioRpcError)]
    assert len(problems) == 11
    assert {problem.code() for problem in problems} == {grpc.StatusCode.FAILED_PRECONDITION}
    assert len(adapter[0].calls) <= 2
    assert await refused(dispatch, action_id, DONE) is grpc.StatusCode.FAILED_PRECONDITION


async def test_while_it_is_called_again_nobody_settles_it_and_a_repetition_waits(
    dispatch: DispatchProcess, adapter: Adapter
) -> None:
    action_id = await unknown(dispatch, adapter)
    gate = Gate()
    adapter[0].behaviour = gate
    retry = asyncio.create_task(settle(dispatch, action_id, RETRY))
    await asyncio.wait_for(gate.reached.wait(), 10)
    for settlement in (DONE, NOT_DONE, RETRY):
        assert await refused(dispatch, action_id, settlement) is grpc.StatusCode.FAILED_PRECONDITION
    click = asyncio.create_task(dispatch.click(BOOK, booking(), key="click-1"))
    gate.opened.set()
    assert (await retry)["status"] == "SUCCEEDED"
    assert (await click)["ok"] is True
    assert len(adapter[0].calls) == 2


async def test_a_retry_whose_process_dies_is_finished_by_the_next(dispatch: DispatchProcess, adapter: Adapter) -> None:
    action_id = await unknown(dispatch, adapter)
    gate = Gate()
    adapter[0].behaviour = gate
    retry = asyncio.create_task(settle(dispatch, action_id, RETRY))
    await asyncio.wait_for(gate.reached.wait(), 10)
    dispatch.kill()
    with pytest.raises(grpc.aio.AioRpcError):
        await retry
    gate.opened.set()
    await dispatch.start()
    await until(lambda: dispatch.rows("select status from dispatch.action")[0]["status"] == "SUCCEEDED")
    assert len({call.idempotency_key for call in adapter[0].calls}) == 1
    assert verify_log(dispatch.database.owner_url) == 0


async def test_what_was_done_was_done_for_every_attempt_with_the_key(dispatch: DispatchProcess, adapter: Adapter) -> None:
    first, second = await unknown(dispatch, adapter), await unknown(dispatch, adapter)
    assert await refused(dispatch, first, RETRY) is grpc.StatusCode.FAILED_PRECONDITION
    await settle(dispatch, second, DONE)
    assert {row["status"] for row in dispatch.rows("select status from dispatch.action")} == {"SUCCEEDED"}
    assert dispatch.rows("select 1 from dispatch.waiting") == []
    assert await refused(dispatch, first, NOT_DONE) is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_forgotten_key_can_be_settled_and_not_called_again(dispatch: DispatchProcess, adapter: Adapter) -> None:
    action_id = await unknown(dispatch, adapter)
    dispatch.rows("delete from dispatch.claim")
    assert await refused(dispatch, action_id, RETRY) is grpc.StatusCode.FAILED_PRECONDITION
    assert (await settle(dispatch, action_id, NOT_DONE))["status"] == "FAILED"


async def test_an_action_whose_outcome_is_known_is_not_settled(dispatch: DispatchProcess) -> None:
    await dispatch.click(BOOK, booking(), key="click-1")
    [row] = dispatch.rows("select id from dispatch.action")
    for settlement in (DONE, NOT_DONE, RETRY):
        assert await refused(dispatch, row["id"], settlement) is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ((), grpc.StatusCode.UNAUTHENTICATED),
        (caller("customer"), grpc.StatusCode.PERMISSION_DENIED),
        (caller("agent"), grpc.StatusCode.PERMISSION_DENIED),
        (caller("service"), grpc.StatusCode.PERMISSION_DENIED),
        (caller("operator", tenant="acme"), grpc.StatusCode.NOT_FOUND),
    ],
)
async def test_only_the_companys_own_operators_settle(
    dispatch: DispatchProcess, adapter: Adapter, metadata: Any, code: grpc.StatusCode
) -> None:
    action_id = await unknown(dispatch, adapter)
    for settlement in (DONE, RETRY):
        assert await refused(dispatch, action_id, settlement, metadata) is code
    assert dispatch.rows("select status from dispatch.action")[0]["status"] == "OUTCOME_UNKNOWN"
    assert len(adapter[0].calls) == 1


@pytest.mark.requirement("S4.23")
async def test_the_journal_says_who_settled_and_keeps_the_notes_sealed(dispatch: DispatchProcess, adapter: Adapter) -> None:
    action_id = await unknown(dispatch, adapter)
    await settle(dispatch, action_id, DONE, notes=NOTES)
    [event] = dispatch.rows("select body from dispatch.event where type = 'settled'")
    details = json.loads(event["body"])["details"]
    assert (details["by"], details["settlement"]) == ("olga", DONE)
    assert details["notes"]
    everything = json.dumps(
        dispatch.rows("select * from dispatch.action") + dispatch.rows("select body from dispatch.event"), default=str
    )
    for said in ("Wilhelmina", "555-0177", "the van came"):
        assert said not in everything
        assert said not in dispatch.log


async def test_a_settlement_without_meaning_is_refused(dispatch: DispatchProcess) -> None:
    assert await refused(dispatch, "act_x", "SETTLEMENT_UNSPECIFIED") is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_dead_process_leaves_a_retry_whose_success_settles_the_attempts_before_it(
    dispatch: DispatchProcess, adapter: Adapter
) -> None:
    for _ in range(2):
        await unknown(dispatch, adapter)
    gate = Gate()
    adapter[0].behaviour = gate
    third = asyncio.create_task(dispatch.click(BOOK, booking(), key="click-1"))
    await asyncio.wait_for(gate.reached.wait(), 10)
    dispatch.kill()
    with pytest.raises(grpc.aio.AioRpcError):
        await third

    async def booked(request: Any) -> Any:
        return succeeded(BOOKED)

    adapter[0].behaviour = booked
    gate.opened.set()
    await dispatch.start()
    await until(lambda: {row["status"] for row in dispatch.rows("select status from dispatch.action")} == {"SUCCEEDED"})
    [adopted] = dispatch.rows("select 1 from dispatch.event where type = 'adopted'")
    assert adopted
    assert verify_log(dispatch.database.owner_url) == 0
