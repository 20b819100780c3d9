"""The journey of a card action, seen from its gRPC door and in the journal."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.fix_dispatch import BOOKED, DispatchProcess, ScriptedAdapter, booking, succeeded

BOOK = "HOUSECALL_PRO_BOOKING"


async def test_a_booking_is_carried_out_and_answered_with_a_confirmation_card(
    dispatch: DispatchProcess, adapter: tuple[ScriptedAdapter, str]
) -> None:
    answer = await dispatch.click(BOOK, booking())
    assert answer["ok"] is True
    assert answer["action"] == BOOK
    card = answer["result"]["card"]
    assert card["type"] == "booking_confirmation"
    assert card["bookingConfirmation"]["reference"] == answer["result"]["externalId"]
    assert answer["result"]["externalId"].startswith("bkg_")
    [call] = adapter[0].calls
    sent = json.loads(call.arguments_json)
    assert sent["serviceHcpId"] == "drain-cleaning"
    assert sent["customer"]["phone"] == "+16085550177"
    assert call.idempotency_key.startswith("act_")
    assert call.correlation_id == answer["correlationId"]


async def test_the_journal_holds_intent_and_outcome_and_no_personal_data(dispatch: DispatchProcess) -> None:
    answer = await dispatch.click(BOOK, booking())
    [row] = dispatch.rows("select * from dispatch.action")
    assert row["status"] == "SUCCEEDED"
    assert row["correlation_id"] == answer["correlationId"]
    assert row["external_id"] == answer["result"]["externalId"]
    assert row["vendor_reference"] == BOOKED["jobId"]
    assert row["payload_redacted"]["customer"]["phone"] == "[PHONE]"
    assert "customer.phone" in row["redactions"]
    events = dispatch.rows("select type from dispatch.event where action_id = %s order by sequence", row["id"])
    assert [event["type"] for event in events] == ["intent", "outcome"]
    everything = json.dumps(
        dispatch.rows("select * from dispatch.action") + dispatch.rows("select body from dispatch.event"), default=str
    )
    for secret in ("Wilhelmina", "Oddfellow", "6085550177", "555-0177", "wilma@", "Quince", "Biscuit", "53703"):
        assert secret not in everything
        assert secret not in dispatch.log


@pytest.mark.parametrize(
    "result",
    [{"startTime": "soon", "endTime": "later"}, {"startTime": 5, "endTime": []}, {"timeZone": {}}, {"jobId": "job\x00\x1b[31m"}],
)
async def test_a_result_that_cannot_be_shown_is_still_done_and_journalled(
    dispatch: DispatchProcess, adapter: tuple[ScriptedAdapter, str], result: dict[str, Any]
) -> None:
    async def odd(request: Any) -> Any:
        return succeeded(BOOKED | result)

    adapter[0].behaviour = odd
    answer = await dispatch.click(BOOK, booking(), key="odd")
    assert answer["ok"] is True
    assert [row["status"] for row in dispatch.rows("select status from dispatch.action")] == ["SUCCEEDED"]


async def test_an_answer_of_the_adapter_that_cannot_be_read_leaves_the_outcome_unknown(
    dispatch: DispatchProcess, adapter: tuple[ScriptedAdapter, str]
) -> None:
    async def garbled(request: Any) -> Any:
        reply = succeeded(BOOKED)
        reply.result_json = b"{not json"
        return reply

    adapter[0].behaviour = garbled
    answer = await dispatch.click(BOOK, booking(), key="garbled")
    assert answer["error"]["code"] == "OUTCOME_UNKNOWN"
    assert [row["status"] for row in dispatch.rows("select status from dispatch.action")] == ["OUTCOME_UNKNOWN"]


async def test_an_outcome_whose_details_postgres_refuses_is_written_without_them(
    dispatch: DispatchProcess, adapter: tuple[ScriptedAdapter, str]
) -> None:
    dispatch.rows("alter table dispatch.action add constraint no_reference check (vendor_reference = '')")
    answer = await dispatch.click(BOOK, booking(), key="refused")
    assert answer["ok"] is True
    async with asyncio.timeout(10):
        while dispatch.rows("select status from dispatch.action")[0]["status"] != "SUCCEEDED":
            await asyncio.to_thread(lambda: None)
    assert await dispatch.click(BOOK, booking(), key="refused") == answer
    assert len(adapter[0].calls) == 1
