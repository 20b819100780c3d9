"""ExecuteToolCalls on a real dispatch process and a real tool server: what a model's reply becomes."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from switchboard.authorization.v1 import authorization_service_pb2, authorization_service_pb2_grpc
from switchboard.tool.v1 import tool_service_pb2, tool_service_pb2_grpc

from tests.callers import caller
from tests.fix_dispatch import DispatchProcess
from tests.fix_proving import ProvingServer
from tests.integration.dispatch.authorization_parts import until
from tests.strict_rules import problems_of_tool

AGENT, OPERATOR = caller("agent"), caller("operator")


def stub_of(dispatch: DispatchProcess) -> Any:
    """A client of ToolService."""
    assert dispatch.channel is not None
    return tool_service_pb2_grpc.ToolServiceStub(dispatch.channel)


async def names(dispatch: DispatchProcess, who: Any = AGENT) -> dict[str, str]:
    """The functions that a caller is offered, by the tool's own last word."""
    listed = (await stub_of(dispatch).ListTools(tool_service_pb2.ListToolsRequest(), metadata=who)).tools
    return {tool.name.removeprefix("proving."): tool.alias for tool in listed}


async def execute(
    dispatch: DispatchProcess, *calls: tuple[str, str, Any], who: Any = AGENT, thread: str = "thread-1", **more: Any
) -> dict[str, Any]:
    """Send tool calls of (id, function, arguments as an object or as text) and return the answer's JSON."""
    document = {
        "tool_calls": [
            {
                "id": call_id,
                "type": "function",
                "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
            }
            for call_id, name, given in calls
        ],
        "threadId": thread,
        **more,
    }
    request = ParseDict(document, tool_service_pb2.ExecuteToolCallsRequest())
    answer = await stub_of(dispatch).ExecuteToolCalls(request, timeout=30, metadata=who)
    made: dict[str, Any] = MessageToDict(answer)
    return {"messages": [], "confirmations": [], **made}


def contents(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """What the messages hold."""
    return [json.loads(message["content"]) for message in answer["messages"]]


async def decide(dispatch: DispatchProcess, confirmation: dict[str, Any], **said: Any) -> None:
    """Decide on a confirmation, as an operator."""
    assert dispatch.channel is not None
    stub = authorization_service_pb2_grpc.AuthorizationServiceStub(dispatch.channel)
    document = {"id": confirmation["authorization"]["queue_id"], **said}
    request = ParseDict(document, authorization_service_pb2.DecideAuthorizationRequest())
    await stub.DecideAuthorization(request, timeout=20, metadata=OPERATOR)


@pytest.mark.requirement("S4.10", "S4.11", "S4.12")
async def test_calls_are_mapped_carried_out_and_answered_in_the_models_order(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    proving.put("t-1", amount_cents=4200, state="open")
    known = await names(proving_dispatch)
    answer = await execute(
        proving_dispatch,
        ("c-1", known["note"], {"thingId": "t-1", "text": "first", "buildingId": None}),
        ("c-2", known["look"], {"thingId": "t-1"}),
        ("c-3", known["note"], {"thingId": "t-1", "text": "second"}),
    )
    assert answer["complete"] is True
    assert [(one["role"], one["tool_call_id"], one["name"]) for one in answer["messages"]] == [
        ("tool", "c-1", known["note"]),
        ("tool", "c-2", known["look"]),
        ("tool", "c-3", known["note"]),
    ]
    first, looked, second = contents(answer)
    assert looked["result"]["amountCents"] == 4200
    assert answer["messages"][1]["content"].startswith('{"result":{"amountCents":4200,'), (
        "whole numbers are written as people write them"
    )
    assert [effect.id for effect in proving.effects(tool="note")] == [first["result"]["effectId"], second["result"]["effectId"]]


async def test_the_same_request_again_acts_no_second_time(proving_dispatch: DispatchProcess, proving: ProvingServer) -> None:
    note = (await names(proving_dispatch))["note"]
    call = ("c-1", note, {"thingId": "t-1", "text": "once"})
    first = await execute(proving_dispatch, call)
    assert await execute(proving_dispatch, call) == first
    other_thread = await execute(proving_dispatch, call, thread="thread-2")
    assert contents(other_thread) != contents(first)
    changed = await execute(proving_dispatch, ("c-1", note, {"thingId": "t-1", "text": "something else"}))
    assert contents(changed)[0]["error"]["code"] == "CONFLICT"
    assert len(proving.effects(tool="note")) == 2


@pytest.mark.parametrize(
    "arguments", ['{"thingId": "t-1"', "[]", '"t-1"', "{'thingId': 't-1'}", "{" * 500 + "}" * 500, '{"a":' * 90 + "1" + "}" * 90]
)
async def test_arguments_that_are_no_json_object_are_said_to_the_model(
    proving_dispatch: DispatchProcess, proving: ProvingServer, arguments: str
) -> None:
    answer = await execute(proving_dispatch, ("c-1", (await names(proving_dispatch))["note"], arguments))
    assert answer["complete"] is True
    [content] = contents(answer)
    assert content["error"]["code"] == "INVALID_ARGUMENT"
    assert content["error"]["fieldViolations"][0]["field"] == "arguments"
    assert "call again" in content["error"]["whatToDo"]
    assert proving.calls() == []
    [row] = proving_dispatch.rows("select status, error_code from dispatch.action")
    assert (row["status"], row["error_code"]) == ("REJECTED", "INVALID_ARGUMENT"), "refusals are journalled, too"


async def test_every_problem_is_named_as_the_functions_parameters_are(proving_dispatch: DispatchProcess) -> None:
    answer = await execute(proving_dispatch, ("c-1", (await names(proving_dispatch))["note"], {"text": 5, "colour": "red"}))
    [content] = contents(answer)
    assert content["error"]["missingFields"] == ["thingId"]
    assert {violation["field"] for violation in content["error"]["fieldViolations"]} == {"text", "colour"}


async def test_a_function_that_nobody_offered_is_said_to_the_model(proving_dispatch: DispatchProcess) -> None:
    for name in ("proving.note", "note", "proving__nothing", "housecall_pro__book"):
        [content] = contents(await execute(proving_dispatch, ("c-1", name, {"thingId": "t-1"})))
        assert content["error"]["code"] == "NOT_FOUND"
        assert "functions that you were given" in content["error"]["whatToDo"]


async def test_what_policy_refuses_is_a_message_too(proving_dispatch: DispatchProcess, proving: ProvingServer) -> None:
    look = (await names(proving_dispatch))["look"]
    [content] = contents(await execute(proving_dispatch, ("c-1", look, {"thingId": "t-1"}), who=caller("stranger")))
    assert content["error"]["code"] == "FORBIDDEN"
    assert content["error"]["whatToDo"]
    assert proving.calls() == []


async def test_reasoning_is_a_parameter_where_it_is_needed_and_is_taken_out_before_the_tool(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    proving.put("t-1", state="open")
    known = await names(proving_dispatch)
    listed = await stub_of(proving_dispatch).ListTools(tool_service_pb2.ListToolsRequest(format="openai"), metadata=AGENT)
    parameters = {tool.function.name: MessageToDict(tool.function.parameters) for tool in listed.tools}
    assert "reasoning" in parameters[known["cancel"]]["properties"]
    assert "reasoning" not in parameters[known["look"]]["properties"]
    without = await execute(proving_dispatch, ("c-1", known["cancel"], {"thingId": "t-1", "reasoning": None}))
    [content] = contents(without)
    assert content["error"]["code"] == "REASONING_REQUIRED"
    assert content["error"]["missingFields"] == ["reasoning"]
    given = await execute(proving_dispatch, ("c-2", known["cancel"], {"thingId": "t-1", "reasoning": "She moved away."}))
    assert "result" in contents(given)[0]
    proving.put("t-2", state="open")
    for_all = await execute(proving_dispatch, ("c-3", known["cancel"], {"thingId": "t-2"}), reasoning="She moved away.")
    assert "result" in contents(for_all)[0]


@pytest.mark.requirement("S4.13", "S4.14", "S4.22")
async def test_what_is_sensitive_waits_every_time_and_is_never_offered_to_be_allowed_always(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    proving.put("t-1")
    proving.put("t-2")
    wipe = (await names(proving_dispatch))["wipe"]
    first = ("c-1", wipe, {"thingId": "t-1", "reasoning": "Asked to."})
    answer = await execute(proving_dispatch, first)
    assert answer["complete"] is False
    assert answer["messages"] == []
    [confirmation] = answer["confirmations"]
    assert confirmation["tool_call_id"] == "c-1"
    assert confirmation["arguments"] == {"thingId": "t-1"}
    with pytest.raises(grpc.aio.AioRpcError):
        await decide(proving_dispatch, confirmation, decision="authorized", upgrade_permission=True)
    await decide(proving_dispatch, confirmation, decision="authorized")
    await until(lambda: proving.effects(tool="wipe"))
    await until(lambda: proving_dispatch.rows("select 1 from dispatch.authorization where status = 'EXECUTED'"))
    done = await execute(proving_dispatch, first)
    assert done["complete"] is True
    assert contents(done)[0]["result"]["effectId"] == proving.effects(tool="wipe")[0].id
    second = await execute(proving_dispatch, ("c-2", wipe, {"thingId": "t-2", "reasoning": "Asked to."}))
    assert len(second["confirmations"]) == 1
    assert len(proving.effects(tool="wipe")) == 1


async def test_a_confirmation_shows_the_call_and_three_buttons_and_no_table_or_log_shows_it(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    send = (await names(proving_dispatch))["send"]
    arguments = {"to": "ada.quetzalcoatlova@example.org", "text": "Hello"}
    [confirmation] = (await execute(proving_dispatch, ("c-1", send, arguments)))["confirmations"]
    card = confirmation["card"]
    assert card["text"] == f"Call proving.send with args {json.dumps(arguments, separators=(',', ':'))}?"
    assert [(button["label"], button["decide"]["decision"]) for button in card["actions"]] == [
        ("Approve", "authorized"),
        ("Edit", "edited"),
        ("Deny", "denied"),
    ]
    for table in ("action", "event", "claim", "authorization"):
        rows = proving_dispatch.rows(f"select row_to_json(t)::text as text from dispatch.{table} t")
        assert not any("quetzalcoatlova" in row["text"] for row in rows)
    assert "quetzalcoatlova" not in proving_dispatch.log


@pytest.mark.requirement("S4.13")
async def test_what_the_prompt_calls_sensitive_waits_though_policy_would_let_it_go(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    proving.put("t-1", state="open")
    known = await names(proving_dispatch)
    calls = (("c-1", known["note"], {"thingId": "t-1", "text": "noted"}), ("c-2", known["look"], {"thingId": "t-1"}))
    confirm = [known["note"], known["look"]]
    answer = await execute(proving_dispatch, *calls, confirm=confirm)
    assert answer["messages"] == []
    noted, looked = answer["confirmations"]
    assert "confirm" in noted["authorization"]["reason"]
    assert proving.effects() == []
    changed = {"thingId": "t-1", "text": "noted otherwise"}
    await decide(proving_dispatch, noted, decision="edited", edited_arguments=changed)
    for confirmation in (noted, looked):
        await decide(proving_dispatch, confirmation, decision="authorized")
    await until(lambda: len(proving_dispatch.rows("select 1 from dispatch.authorization where status = 'EXECUTED'")) == 2)
    done = await execute(proving_dispatch, *calls, confirm=confirm)
    assert done["complete"] is True
    assert contents(done)[1]["result"]["state"] == "open"
    assert len(proving.effects(tool="note")) == 1
    # It takes nothing away: what policy has a person decide waits without it, too.
    assert (await execute(proving_dispatch, ("c-3", known["send"], {"to": "a@example.org", "text": "Hi"})))["confirmations"]


async def test_what_waits_does_not_hold_up_the_rest_and_an_edited_call_answers_for_the_first(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    known = await names(proving_dispatch)
    calls = (
        ("c-1", known["send"], {"to": "a@example.org", "text": "Hello"}),
        ("c-2", known["note"], {"thingId": "t-1", "text": "noted"}),
    )
    answer = await execute(proving_dispatch, *calls)
    assert [message["tool_call_id"] for message in answer["messages"]] == ["c-2"]
    [confirmation] = answer["confirmations"]
    await decide(
        proving_dispatch, confirmation, decision="edited", edited_arguments={"to": "b@example.org", "text": "Hello there"}
    )
    await decide(proving_dispatch, confirmation, decision="authorized")
    await until(lambda: proving_dispatch.rows("select 1 from dispatch.authorization where status = 'EXECUTED'"))
    done = await execute(proving_dispatch, *calls)
    assert done["complete"] is True
    assert [message["tool_call_id"] for message in done["messages"]] == ["c-1", "c-2"]
    assert len(proving.effects(tool="send")) == 1
    assert len(proving.effects(tool="note")) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"tool_calls": []},
        {"threadId": ""},
        {"tool_calls": [{"id": "", "function": {"name": "x", "arguments": "{}"}}]},
        {"tool_calls": [{"id": "c-1", "function": {"name": "x"}}, {"id": "c-1", "function": {"name": "x"}}]},
    ],
    ids=["no calls", "no thread", "no id", "one id twice"],
)
async def test_a_request_that_is_not_a_models_reply_is_refused(proving_dispatch: DispatchProcess, broken: dict[str, Any]) -> None:
    whole = {"tool_calls": [{"id": "c-1", "type": "function", "function": {"name": "x", "arguments": "{}"}}], "threadId": "t"}
    request = ParseDict(whole | broken, tool_service_pb2.ExecuteToolCallsRequest())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub_of(proving_dispatch).ExecuteToolCalls(request, timeout=20, metadata=AGENT)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.requirement("S4.24")
async def test_functions_are_those_of_the_caller_and_vendors_take_each(proving_dispatch: DispatchProcess) -> None:
    request = tool_service_pb2.ListToolsRequest(format="openai")
    listed = (await stub_of(proving_dispatch).ListTools(request, metadata=AGENT)).tools
    documents = [MessageToDict(tool, preserving_proto_field_name=True) for tool in listed]
    assert documents
    assert [problem for document in documents for problem in problems_of_tool(document)] == []
    nobody = (await stub_of(proving_dispatch).ListTools(request, metadata=caller("stranger"))).tools
    assert list(nobody) == []


async def test_names_only_leaves_out_what_a_revision_stands_for(proving_dispatch: DispatchProcess) -> None:
    short = (await stub_of(proving_dispatch).ListTools(tool_service_pb2.ListToolsRequest(names_only=True), metadata=AGENT)).tools
    long = (await stub_of(proving_dispatch).ListTools(tool_service_pb2.ListToolsRequest(), metadata=AGENT)).tools
    told = {field.name for field, _ in short[0].ListFields()}
    assert told == {"server", "name", "alias", "revision", "permission", "effect"}
    assert [(tool.alias, tool.revision, tool.permission) for tool in short] == [
        (tool.alias, tool.revision, tool.permission) for tool in long
    ]
