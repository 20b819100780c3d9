"""Dry runs: which tools are asked what a call would do, what is sent, and what is believed of the answer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from switchboard.adapter.v1 import adapter_service_pb2 as pb

from tests.integration.adapter.calls import BOOK, LOOK, Stub, call
from tests.integration.adapter.processes import ToolProcess


def wish(behave: str) -> bytes:
    """Arguments with a service of the mapping and a wish for how the tool shall behave."""
    return orjson.dumps({"serviceHcpId": "drain-cleaning", "behave": behave})


async def ask(stub: Stub, behave: str, **fields: Any) -> pb.InvokeToolResponse:
    """Ask what a booking would do."""
    return await stub.InvokeTool(call("housecall_pro", BOOK, wish(behave), dry_run=True, **fields))


async def test_a_dry_run_is_marked_has_no_key_and_the_vendors_values_as_the_call_would(stub: Stub) -> None:
    response = await ask(stub, "preview", idempotency_key="the-real-calls-key", correlation_id="corr-1")
    assert (response.outcome, response.effect) == (pb.TOOL_OUTCOME_SUCCEEDED, pb.EFFECT_CERTAINTY_NONE)
    sent = orjson.loads(response.result_json)
    assert sent["meta"]["switchboard.dev/dry-run"] is True
    assert "switchboard.dev/idempotency-key" not in sent["meta"]
    assert sent["meta"]["switchboard.dev/correlation-id"] == "corr-1"
    assert sent["arguments"]["serviceHcpId"] == "svc_00000000000000000000000000000001"


async def test_a_call_that_is_no_dry_run_is_not_marked_as_one(stub: Stub) -> None:
    response = await stub.InvokeTool(call("housecall_pro", BOOK, wish(""), idempotency_key="k"))
    assert "switchboard.dev/dry-run" not in orjson.loads(response.result_json)["meta"]


@pytest.mark.parametrize(("server", "name"), [("housecall_pro", LOOK), ("housecall_pro", "unheard-of"), ("foreign", "echo")])
async def test_a_tool_that_only_reads_or_is_not_of_the_contract_is_not_asked(
    stub: Stub, tool: ToolProcess, server: str, name: str
) -> None:
    before = tool.state().get("begun", 0)
    response = await stub.InvokeTool(call(server, name, wish("preview"), dry_run=True))
    assert (response.outcome, response.error_code) == (pb.TOOL_OUTCOME_REFUSED, "PREVIEW_UNAVAILABLE")
    assert response.effect == pb.EFFECT_CERTAINTY_NONE
    assert tool.state().get("begun", 0) == before


@pytest.mark.parametrize("behave", ["", "fail", "text"])
async def test_an_answer_without_the_mark_is_of_a_server_that_may_have_done_it(stub: Stub, behave: str) -> None:
    response = await ask(stub, behave)
    assert (response.outcome, response.error_code) == (pb.TOOL_OUTCOME_PROTOCOL_ERROR, "PROTOCOL_ERROR")
    assert response.effect == pb.EFFECT_CERTAINTY_POSSIBLE
    assert not response.result_json
    assert not response.retryable


async def test_a_refusal_of_our_own_tool_is_passed_on(stub: Stub) -> None:
    response = await ask(stub, "refuse")
    assert (response.outcome, response.error_code) == (pb.TOOL_OUTCOME_TOOL_ERROR, "CONFLICT")
    assert response.effect == pb.EFFECT_CERTAINTY_NONE
    assert response.error_field == "slot.startTime"


async def test_a_dry_run_that_is_not_answered_changed_nothing_and_may_be_repeated(stub: Stub) -> None:
    response = await stub.InvokeTool(call("housecall_pro", BOOK, wish("hold"), dry_run=True), timeout=0.4)
    assert (response.outcome, response.effect) == (pb.TOOL_OUTCOME_TIMEOUT, pb.EFFECT_CERTAINTY_NONE)
    assert response.retryable
