"""InvokeTool: what reaches the tool, and what is said of each way that a call can end."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import jwt
import orjson
import pytest
from switchboard.adapter.v1 import adapter_service_pb2 as pb

from tests.integration.adapter.calls import BOOK, LOOK, Stub, call
from tests.integration.adapter.processes import TOKEN, ToolProcess, eventually


def seen(response: pb.InvokeToolResponse) -> dict[str, Any]:
    """What the tool server was sent, of a call that succeeded."""
    assert response.outcome == pb.TOOL_OUTCOME_SUCCEEDED, response
    document: dict[str, Any] = orjson.loads(response.result_json)
    return document


def arguments(behave: str) -> bytes:
    """Arguments with a service of the mapping and a wish for how the tool shall behave."""
    return orjson.dumps({"serviceHcpId": "drain-cleaning", "behave": behave})


@pytest.mark.requirement("S0.54", "S0.55")
async def test_the_vendors_values_replace_our_service_id_and_what_a_caller_put_beside_it(stub: Stub) -> None:
    sent = orjson.dumps({"serviceHcpId": "ac-tune-up", "service": {"name": "free of charge"}, "notes": "Ünïcode"})
    received = seen(await stub.InvokeTool(call("housecall_pro", BOOK, sent)))["arguments"]
    assert received == {
        "serviceHcpId": "svc_00000000000000000000000000000002",
        "service": {
            "name": "AC tune-up",
            "jobTypeId": "jbt_00000000000000000000000000000002",
            "durationMinutes": 90,
            "unitPriceCents": 12900,
            "leadSource": "Website",
        },
        "notes": "Ünïcode",
    }
    assert isinstance(received["service"]["durationMinutes"], int)


@pytest.mark.parametrize("service", [b'"roofing"', b'"svc_00000000000000000000000000000002"', b"7", b"null"])
async def test_a_service_that_is_not_ours_is_refused_and_nothing_is_called(stub: Stub, tool: ToolProcess, service: bytes) -> None:
    before = tool.state().get("begun", 0)
    response = await stub.InvokeTool(call("housecall_pro", BOOK, b'{"serviceHcpId":' + service + b"}"))
    assert response.outcome == pb.TOOL_OUTCOME_REFUSED
    assert (response.error_code, response.error_field) == ("NOT_FOUND", "serviceHcpId")
    assert response.effect == pb.EFFECT_CERTAINTY_NONE
    assert response.attempts == 0
    assert tool.state().get("begun", 0) == before


async def test_another_tenants_service_is_not_found(stub: Stub) -> None:
    stranger = pb.Principal(tenant="another", subject="s", kind="human", role="customer")
    response = await stub.InvokeTool(call("housecall_pro", BOOK, b'{"serviceHcpId":"ac-tune-up"}', principal=stranger))
    assert response.error_code == "NOT_FOUND"


async def test_an_unknown_server_is_refused(stub: Stub) -> None:
    response = await stub.InvokeTool(call("nobody", "x"))
    assert (response.outcome, response.error_code) == (pb.TOOL_OUTCOME_REFUSED, "NOT_FOUND")


@pytest.mark.requirement("S0.45", "S0.46", "S0.47", "S0.79")
async def test_key_correlation_id_deadline_and_signed_principal_travel_to_our_own_server(stub: Stub) -> None:
    request = call("housecall_pro", BOOK, arguments(""), idempotency_key="key-1", correlation_id="corr-1")
    meta = seen(await stub.InvokeTool(request, timeout=5))["meta"]
    assert meta["switchboard.dev/idempotency-key"] == "key-1"
    assert meta["switchboard.dev/correlation-id"] == "corr-1"
    assert 4000 < meta["switchboard.dev/deadline-ms"] < 5000
    claims = jwt.decode(meta["switchboard.dev/principal"], TOKEN, algorithms=["HS256"])
    assert {name: claims[name] for name in ("tenant", "sub", "kind", "role")} == {
        "tenant": "demo",
        "sub": "someone",
        "kind": "human",
        "role": "customer",
    }
    assert claims["exp"] - claims["iat"] == 120


@pytest.mark.requirement("S3.7")
async def test_whose_data_a_principal_is_limited_to_is_signed_and_only_where_it_is_limited(stub: Stub) -> None:
    async def claims(**limits: Any) -> dict[str, Any]:
        principal = pb.Principal(tenant="demo", subject="ada", kind="human", role="customer", **limits)
        meta = seen(await stub.InvokeTool(call("housecall_pro", BOOK, arguments(""), principal=principal)))["meta"]
        found: dict[str, Any] = jwt.decode(meta["switchboard.dev/principal"], TOKEN, algorithms=["HS256"])
        return {name: found[name] for name in ("tier", "owner", "buildings", "resident") if name in found}

    everything = {"tier": "T2", "owner": "owner-1", "buildings": ["b-1", "b-2"], "resident": "r-1"}
    assert await claims(**everything) == everything
    for name, value in everything.items():
        assert await claims(**{name: value}) == {name: value}
    assert await claims() == {}
    assert await claims(buildings=["b-1"]) == {"buildings": ["b-1"]}


async def test_a_principal_is_signed_once_for_many_calls_and_never_for_another(stub: Stub) -> None:
    async def token(subject: str) -> str:
        principal = pb.Principal(tenant="demo", subject=subject, kind="human", role="customer")
        meta = seen(await stub.InvokeTool(call("housecall_pro", BOOK, arguments(""), principal=principal)))["meta"]
        return str(meta["switchboard.dev/principal"])

    ada, again, ben = await token("ada"), await token("ada"), await token("ben")
    assert ada == again
    assert ada != ben


async def test_a_foreign_server_is_not_told_on_whose_behalf(stub: Stub) -> None:
    meta = seen(await stub.InvokeTool(call("foreign", "echo")))["meta"]
    assert "switchboard.dev/principal" not in meta


async def test_arguments_of_a_foreign_tool_arrive_as_they_were_sent(stub: Stub) -> None:
    received = seen(await stub.InvokeTool(call("foreign", "echo", b'{"a":[1,2.50,null],"b":"\\u00e9"}')))["arguments"]
    assert received == {"a": [1, 2.5, None], "b": "é"}


@pytest.mark.requirement("S0.49")
async def test_what_our_own_tool_says_of_its_error_is_passed_on(stub: Stub) -> None:
    response = await stub.InvokeTool(call("housecall_pro", BOOK, arguments("refuse")))
    assert response.outcome == pb.TOOL_OUTCOME_TOOL_ERROR
    assert response.effect == pb.EFFECT_CERTAINTY_NONE
    assert response.error_code == "CONFLICT"
    assert response.error_message == "That time is taken."
    assert response.error_field == "slot.startTime"
    assert not response.retryable


@pytest.mark.parametrize("behave", ["fail", "refuse"])
async def test_a_foreign_tools_error_text_is_not_passed_on_and_its_effect_is_not_believed(stub: Stub, behave: str) -> None:
    response = await stub.InvokeTool(call("foreign", "write", orjson.dumps({"behave": behave})))
    assert (response.outcome, response.error_code) == (pb.TOOL_OUTCOME_TOOL_ERROR, "TOOL_ERROR")
    assert response.effect == pb.EFFECT_CERTAINTY_POSSIBLE
    assert "customer" not in response.error_message


@pytest.mark.parametrize("behave", ["list", "text"])
async def test_a_tool_of_the_contract_has_to_answer_with_an_object(stub: Stub, behave: str) -> None:
    response = await stub.InvokeTool(call("housecall_pro", BOOK, arguments(behave)))
    assert (response.outcome, response.error_code) == (pb.TOOL_OUTCOME_PROTOCOL_ERROR, "PROTOCOL_ERROR")
    assert response.effect == pb.EFFECT_CERTAINTY_POSSIBLE


async def test_a_result_that_does_not_fit_a_message_is_an_error_and_may_have_had_its_effect(stub: Stub) -> None:
    response = await stub.InvokeTool(call("foreign", "write", b'{"behave":"swell"}'))
    assert (response.outcome, response.error_code) == (pb.TOOL_OUTCOME_PROTOCOL_ERROR, "PROTOCOL_ERROR")
    assert response.effect == pb.EFFECT_CERTAINTY_POSSIBLE


async def test_a_foreign_tool_without_a_structured_result_gives_its_content(stub: Stub) -> None:
    response = await stub.InvokeTool(call("foreign", "echo", b'{"behave":"text"}'))
    assert seen(response)["content"][0]["text"] == "a customer's name"


async def test_a_tool_that_does_not_answer_is_a_timeout_before_the_callers_own_deadline(stub: Stub) -> None:
    response = await stub.InvokeTool(call("housecall_pro", BOOK, arguments("hold")), timeout=0.6)
    assert (response.outcome, response.error_code) == (pb.TOOL_OUTCOME_TIMEOUT, "TIMEOUT")
    assert response.effect == pb.EFFECT_CERTAINTY_POSSIBLE
    assert response.attempts == 1
    assert response.latency_ms < 600


@pytest.mark.parametrize(("server", "tool_name"), [("housecall_pro", LOOK), ("foreign", "read")])
async def test_a_read_that_is_not_answered_changed_nothing(stub: Stub, server: str, tool_name: str) -> None:
    response = await stub.InvokeTool(call(server, tool_name, arguments("hold")), timeout=0.4)
    assert response.error_code == "TIMEOUT"
    assert response.effect == pb.EFFECT_CERTAINTY_NONE
    assert response.retryable


async def test_a_call_without_time_left_is_refused(stub: Stub) -> None:
    response = await stub.InvokeTool(call("foreign", "echo"), timeout=0.04)
    assert (response.outcome, response.error_code) == (pb.TOOL_OUTCOME_REFUSED, "TIMEOUT")
    assert response.effect == pb.EFFECT_CERTAINTY_NONE


async def test_cancelling_the_rpc_cancels_the_tools_work_and_no_other_call(stub: Stub, tool: ToolProcess) -> None:
    before = tool.state()

    async def counted(name: str, more: int) -> bool:
        return (await asyncio.to_thread(tool.state)).get(name, 0) >= before.get(name, 0) + more

    held = [stub.InvokeTool(call("foreign", "echo", b'{"behave":"hold"}'), timeout=20) for _ in range(2)]
    await eventually(lambda: counted("begun", 2), 5)
    held[0].cancel()
    await eventually(lambda: counted("cancelled", 1), 5)
    assert not held[1].done()
    assert seen(await stub.InvokeTool(call("foreign", "echo")))["tool"] == "echo"
    held[1].cancel()
    await eventually(lambda: counted("cancelled", 2), 5)


@pytest.mark.parametrize("broken", [b"[]", b"{", b'"x"', b'{"a":}'])
async def test_arguments_that_are_no_json_object_are_an_invalid_request(stub: Stub, broken: bytes) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.InvokeTool(call("housecall_pro", BOOK, broken))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    trailing = dict(refused.value.trailing_metadata())
    assert trailing["x-switchboard-error-code"] == "INVALID_ARGUMENT"


async def test_many_calls_at_once_each_get_their_own_answer(stub: Stub) -> None:
    responses = await asyncio.gather(
        *(stub.InvokeTool(call("foreign", "echo", orjson.dumps({"n": number}))) for number in range(100))
    )
    assert [seen(response)["arguments"]["n"] for response in responses] == list(range(100))
