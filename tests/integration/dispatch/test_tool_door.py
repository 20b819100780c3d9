"""Tools by their name and as typed RPCs: one journey, answered in-band or as a gRPC status."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from switchboard.tool.v1 import tool_service_pb2, tool_service_pb2_grpc

from tests.callers import caller
from tests.fix_dispatch import DispatchProcess
from tests.fix_proving import ProvingServer

OPERATOR, AGENT = caller("operator"), caller("agent")


async def call(
    dispatch: DispatchProcess, tool: str, arguments: dict[str, Any], who: Any = OPERATOR, **envelope: Any
) -> dict[str, Any]:
    """Call a proving tool by its name and return the answer's JSON."""
    assert dispatch.channel is not None
    stub = tool_service_pb2_grpc.ToolServiceStub(dispatch.channel)
    document = {"server": "proving", "tool": f"proving.{tool}", "arguments": arguments, **envelope}
    request = ParseDict(document, tool_service_pb2.CallToolRequest())
    answer: dict[str, Any] = MessageToDict(await stub.CallTool(request, timeout=20, metadata=who))
    return answer


async def typed(dispatch: DispatchProcess, proving_messages: ModuleType, method: str, request: Any, *metadata: Any) -> Any:
    """Call a proving tool as the RPC that it is."""
    assert dispatch.channel is not None
    descriptor = proving_messages.DESCRIPTOR.services_by_name["ProvingService"].methods_by_name[method]
    invoke = dispatch.channel.unary_unary(
        f"/{descriptor.containing_service.full_name}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=getattr(proving_messages, descriptor.output_type.name).FromString,
    )
    return await invoke(request, timeout=20, metadata=metadata)


def details_of(problem: grpc.aio.AioRpcError) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest]:
    """The details of a refusal: what it is called, and every problem."""
    status = rpc_status.from_call(problem)  # type: ignore[arg-type]
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details if status is not None else ():
        detail.Unpack(info)
        detail.Unpack(bad)
    return info, bad


async def test_a_tool_is_called_by_its_name_and_answers_with_its_structured_result(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    answer = await call(proving_dispatch, "note", {"thingId": "t-1", "text": "hello"}, idempotencyKey="k-1")
    assert answer["ok"] is True
    assert answer["tool"] == "proving.note"
    assert answer["correlationId"]
    assert answer["result"]["data"]["effectId"] == proving.effects(tool="note")[0].id


async def test_a_typed_call_is_the_same_call(
    proving_dispatch: DispatchProcess, proving: ProvingServer, proving_messages: ModuleType
) -> None:
    request = proving_messages.NoteRequest(thing_id="t-1", text="hello")
    key = ("idempotency-key", "k-2")
    first = await typed(proving_dispatch, proving_messages, "Note", request, *OPERATOR, key)
    by_name = await call(proving_dispatch, "note", {"thingId": "t-1", "text": "hello"}, idempotencyKey="k-2")
    assert by_name["result"]["data"]["effectId"] == first.effect_id
    assert len(proving.effects()) == 1
    row = proving_dispatch.rows("select * from dispatch.action")[0]
    assert (row["action"], row["mcp_tool"], row["server"]) == ("proving/proving.note", "proving.note", "proving")
    assert row["origin"] == "OPERATOR"
    assert "hello" not in str(row)


async def test_everything_that_is_wrong_with_the_arguments_is_said_at_once(proving_dispatch: DispatchProcess) -> None:
    answer = await call(proving_dispatch, "note", {"text": 7, "colour": "red"})
    assert answer["ok"] is False
    assert answer["error"]["code"] == "MISSING_FIELDS"
    assert answer["error"]["missingFields"] == ["arguments.thingId"]
    assert {violation["field"] for violation in answer["error"]["fieldViolations"]} == {"arguments.text", "arguments.colour"}


async def test_a_typed_refusal_is_a_status_with_every_problem_in_its_details(
    proving_dispatch: DispatchProcess, proving_messages: ModuleType
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await typed(proving_dispatch, proving_messages, "Note", proving_messages.NoteRequest(text="x" * 600), *OPERATOR)
    info, bad = details_of(refused.value)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert info.reason == "MISSING_FIELDS"
    assert info.metadata["correlationId"]
    assert {violation.field for violation in bad.field_violations} == {"thingId", "text"}


async def test_a_tool_that_is_not_there_is_not_found_whoever_asks(proving_dispatch: DispatchProcess) -> None:
    for who in (OPERATOR, AGENT):
        answer = await call(proving_dispatch, "nothing", {}, who)
        assert answer["error"]["code"] == "NOT_FOUND"
        assert answer["tool"] == "proving.nothing"


async def test_without_a_token_no_tool_is_called(proving_dispatch: DispatchProcess, proving: ProvingServer) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(proving_dispatch, "note", {"thingId": "t-1"}, ())
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert proving.calls() == []


@pytest.mark.requirement("S1.47")
async def test_a_soft_limit_asks_for_reasoning_and_runs_with_it(
    proving_dispatch: DispatchProcess, proving: ProvingServer, proving_messages: ModuleType
) -> None:
    proving.put("t-1", state="open")
    without = await call(proving_dispatch, "cancel", {"thingId": "t-1"}, AGENT)
    assert without["error"]["code"] == "REASONING_REQUIRED"
    assert without["error"]["missingFields"] == ["reasoning"]
    assert (await call(proving_dispatch, "cancel", {"thingId": "t-1"}, AGENT, reasoning="The customer asked."))["ok"] is True
    request = proving_messages.CancelRequest(thing_id="t-1")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await typed(proving_dispatch, proving_messages, "Cancel", request, *AGENT)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    reason = ("x-switchboard-reasoning", "It rains.")
    assert (await typed(proving_dispatch, proving_messages, "Cancel", request, *AGENT, reason)).effect_id


async def test_reasoning_is_kept_for_people_and_never_in_clear(proving_dispatch: DispatchProcess, proving: ProvingServer) -> None:
    proving.put("t-1", state="open")
    await call(proving_dispatch, "cancel", {"thingId": "t-1"}, AGENT, reasoning="Mrs Zimmermann-Okonkwo wants it")
    for table in ("action", "event", "claim"):
        rows = proving_dispatch.rows(f"select row_to_json(t)::text as text from dispatch.{table} t")
        assert rows
        assert not any("Okonkwo" in row["text"] for row in rows)
    assert "Okonkwo" not in proving_dispatch.log


@pytest.mark.requirement("S1.48", "S1.57", "S1.58")
async def test_a_restricted_call_waits_for_a_person_and_a_repetition_waits_in_the_same_place(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    proving.put("t-1", related_records=15, amount_cents=450_000, state="open")
    first = await call(proving_dispatch, "remove", {"thingId": "t-1"}, AGENT, idempotencyKey="r-1", reasoning="A duplicate.")
    again = await call(proving_dispatch, "remove", {"thingId": "t-1"}, AGENT, idempotencyKey="r-1", reasoning="A duplicate.")
    assert first == again
    assert first["error"]["code"] == "AUTHORIZATION_REQUIRED"
    waiting = first["authorization"]
    assert waiting["status"] == "authorization_required"
    assert waiting["queue_id"].startswith("auth_")
    assert waiting["reason"]
    assert waiting["message"]
    assert first["result"]["card"]["type"] == "authorization_required"
    assert proving.effects() == []
    row = proving_dispatch.rows("select status, authorization_id from dispatch.action")[0]
    assert row == {"status": "PENDING_AUTHORIZATION", "authorization_id": waiting["queue_id"]}


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    proving.put("t-1", related_records=15, amount_cents=450_000, state="open")
    answer = await call(proving_dispatch, "remove", {"thingId": "t-1"}, AGENT, dryRun=True)
    assert answer["ok"] is True
    assert answer["result"]["data"]["facts"]["relatedRecords"] == 15
    assert proving.effects() == []
    assert not any(thing.state == "removed" for thing in proving.things())
    looked = await call(proving_dispatch, "look", {"thingId": "t-1"}, AGENT, dryRun=True)
    assert looked["error"]["code"] == "INVALID_ARGUMENT"


@pytest.mark.requirement("S3.8")
@pytest.mark.parametrize(
    "arguments",
    [{"buildingId": "b-2"}, {"ownerId": "o-2"}, {"residentId": "r-2"}, {"organizationId": "other"}, {"createdByUserId": "u-2"}],
    ids=lambda arguments: next(iter(arguments)),
)
async def test_what_is_somebody_elses_is_answered_like_what_is_not_there(
    proving_dispatch: DispatchProcess, proving: ProvingServer, arguments: dict[str, Any]
) -> None:
    resident = caller("resident", tier="T3", appOwnerId="o-1", buildingIds=["b-1"], residentId="r-1")
    proving.put("t-1", building="b-2")
    foreign = await call(proving_dispatch, "look", {"thingId": "t-1", **arguments}, resident)
    absent = await call(proving_dispatch, "look", {"thingId": "t-404"}, resident)
    for answer in (foreign, absent):
        answer.pop("correlationId")
    assert foreign["error"]["code"] == absent["error"]["code"] == "NOT_FOUND"
    assert foreign["error"].get("details") == absent["error"].get("details")
    assert foreign == absent


async def test_a_card_action_is_not_for_models_and_says_so(dispatch: DispatchProcess) -> None:
    payload = {"threadId": "thread-1", "serviceId": "drain-cleaning", "zip": "78701"}
    metadata = {name.replace("-", "_"): value for name, value in AGENT}
    answer = await dispatch.click("HOUSECALL_PRO_AVAILABILITY_LOOKUP", payload, **{"x-jwt-payload": metadata["x_jwt_payload"]})
    assert answer["error"]["code"] == "FORBIDDEN"
    assert "model" in answer["error"]["details"]


@pytest.mark.requirement("S1.77", "S1.78")
async def test_the_listing_is_what_the_caller_may_do_with_what_it_would_meet(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    assert proving_dispatch.channel is not None
    stub = tool_service_pb2_grpc.ToolServiceStub(proving_dispatch.channel)
    listed = (await stub.ListTools(tool_service_pb2.ListToolsRequest(), metadata=AGENT)).tools
    permissions = {tool.name: tool.permission for tool in listed}
    assert permissions["proving.look"] == "unrestricted"
    assert permissions["proving.cancel"] == "soft_limit"
    assert permissions["proving.remove"] == permissions["proving.send"] == "requires_authorization"
    assert all(tool.server == "proving" for tool in listed), "only servers that the adapter knows"
    assert all(tool.description and "properties" in tool.input_schema.fields for tool in listed)
    nobody = (await stub.ListTools(tool_service_pb2.ListToolsRequest(), metadata=caller("stranger"))).tools
    assert list(nobody) == []
    document = MessageToDict(await stub.GetCapabilities(tool_service_pb2.GetCapabilitiesRequest(), metadata=AGENT))
    assert document["success"] is True
    assert document["data"]["version"] == "1.0"
    domain = document["data"]["domains"][0]
    assert domain["domain"] == "proving"
    assert domain["description"]
    assert {action["name"]: action["permission"] for action in domain["actions"]}["cancel"] == "soft_limit"
    assert all(action["parameters"]["type"] == "object" for action in domain["actions"])


@pytest.mark.requirement("S3.19", "S4.23")
async def test_the_log_says_who_did_what_to_whose_data_when_and_with_what_result(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    owner = caller("owner", subject="u-1", tier="T1", appOwnerId="o-1", buildingIds=["b-1"])
    answer = await call(proving_dispatch, "note", {"thingId": "t-1", "text": "for Zimmermann", "buildingId": "b-1"}, owner)
    [row] = proving_dispatch.rows("select * from dispatch.action where correlation_id = %s", answer["correlationId"])
    assert (row["mcp_tool"], row["server"], row["actor"], row["tier"]) == ("proving.note", "proving", "u-1", "T1")
    assert row["scope"] == {"owner": "o-1", "building": "b-1"}
    assert row["status"] == "SUCCEEDED"
    assert row["latency_ms"] >= 0
    assert row["input_hash"].startswith("hmac-sha256:")
    assert row["output_hash"].startswith("hmac-sha256:")
    assert row["redactions"] == ["text"]
    assert row["policy_ids"] == ["proving.callers"]


@pytest.mark.requirement("S3.13", "S3.14", "S3.15", "S3.16")
async def test_a_typed_call_says_each_published_code_as_its_own_status(
    proving_dispatch: DispatchProcess, proving: ProvingServer, proving_messages: ModuleType
) -> None:
    note, look = proving_messages.NoteRequest, proving_messages.LookRequest
    key = ("idempotency-key", "k-c")
    await typed(proving_dispatch, proving_messages, "Note", note(thing_id="t-1", text="one"), *OPERATOR, key)
    expected = [
        ("FORBIDDEN", grpc.StatusCode.PERMISSION_DENIED, "Look", look(thing_id="t-1"), caller("stranger")),
        ("MISSING_FIELDS", grpc.StatusCode.INVALID_ARGUMENT, "Look", look(), OPERATOR),
        ("INVALID_ARGUMENT", grpc.StatusCode.INVALID_ARGUMENT, "Look", look(thing_id="x" * 101), OPERATOR),
        ("NOT_FOUND", grpc.StatusCode.NOT_FOUND, "Look", look(thing_id="t-404"), OPERATOR),
        ("CONFLICT", grpc.StatusCode.ABORTED, "Note", note(thing_id="t-1", text="two"), (*OPERATOR, key)),
    ]
    for code, status, method, request, metadata in expected:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await typed(proving_dispatch, proving_messages, method, request, *metadata)
        assert refused.value.code() is status, code
        assert details_of(refused.value)[0].reason == code


async def test_a_tool_server_that_is_down_is_said_to_be_down_and_a_lost_reply_to_be_unknown(
    proving_dispatch: DispatchProcess, proving: ProvingServer, proving_messages: ModuleType
) -> None:
    proving.switch("send", "drop_after")
    request = proving_messages.SendRequest(to="a@example.org", text="hello")
    with pytest.raises(grpc.aio.AioRpcError) as lost:
        await typed(proving_dispatch, proving_messages, "Send", request, *OPERATOR)
    assert (lost.value.code(), details_of(lost.value)[0].reason) == (grpc.StatusCode.UNKNOWN, "OUTCOME_UNKNOWN")
    proving.kill()
    with pytest.raises(grpc.aio.AioRpcError) as down:
        await typed(proving_dispatch, proving_messages, "Look", proving_messages.LookRequest(thing_id="t-1"), *OPERATOR)
    assert (down.value.code(), details_of(down.value)[0].reason) == (grpc.StatusCode.UNAVAILABLE, "INTEGRATION_DOWN")
