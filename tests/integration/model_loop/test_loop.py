"""The loop on the whole stack, with a scripted model: it looks, it asks to act, a person decides, and it says what came of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from model_loop import (
    Answered,
    Gateway,
    GatewayRefused,
    GatewayUnavailable,
    LoopState,
    OpenAiCompatible,
    OutOfRounds,
    ToolLoop,
    Waiting,
)
from model_loop.http import Patience
from tests.e2e.clicks import Operator, Vendor, Visitor, open_day
from tests.fix_model import KEY, MODEL, Body, ScriptedModel, calls
from tests.fix_sandbox import free_port
from tests.fix_stack import RunningStack

SYSTEM = {"role": "system", "content": "You take calls for a plumber."}
WHY = "The caller on the phone wants it."


def alias(word: str, body: Body) -> str:
    """The one function of a request whose name holds `word`."""
    [name] = [tool["function"]["name"] for tool in body["tools"] if word in tool["function"]["name"]]
    return str(name)


def told(body: Body) -> Body:
    """What the last tool message says."""
    message: Body = json.loads(body["messages"][-1]["content"])
    return message


def user(text: str) -> list[Body]:
    """A conversation that begins."""
    return [SYSTEM, {"role": "user", "content": text}]


def booking(stack: RunningStack) -> tuple[Body, str]:
    """The arguments of a booking, as a strict function has them, and the customer's last name."""
    payload = Visitor(stack).booking()
    customer, address = payload["customer"] | {"email": None}, payload["address"] | {"line2": None}
    preferred = {"date1": open_day(), "date2": None, "timeWindow": None}
    absent = dict.fromkeys(("notes", "marketing", "slot"))
    arguments = {"serviceHcpId": payload["serviceId"], "customer": customer, "address": address, "preferred": preferred}
    return {**arguments, **absent, "reasoning": WHY}, customer["lastName"]


@pytest.fixture
async def loop(stack: RunningStack, model: ScriptedModel) -> AsyncIterator[ToolLoop]:
    """A loop between the scripted model and the stack, for an agent."""
    provider = OpenAiCompatible(model.base_url, KEY, MODEL)
    gateway = Gateway(stack.front_door, stack.token(role="agent", subject="agent-of-the-loop"))
    yield ToolLoop(provider, gateway)
    await provider.aclose()
    await gateway.aclose()


def of(outcome: Any, expected: type[Any]) -> Any:
    """The outcome, which is of a type."""
    assert isinstance(outcome, expected), outcome
    return outcome


async def waits_for_a_booking(stack: RunningStack, loop: ToolLoop, model: ScriptedModel, thread: str) -> tuple[Waiting, str]:
    """Let the model ask for a booking, which waits for a person. Returns the outcome and the customer's last name."""
    arguments, last_name = booking(stack)
    model.says(lambda body: calls((alias("create_booking", body), arguments)))
    outcome = of(await loop.run(user("Book me in."), thread_id=thread, actions=True), Waiting)
    assert Vendor(stack).jobs_of(last_name) == []
    return outcome, last_name


@pytest.mark.requirement("S4.7", "S4.9", "S4.19")
async def test_a_model_looks_something_up_and_answers_with_what_it_found(
    stack: RunningStack, loop: ToolLoop, model: ScriptedModel
) -> None:
    looked = {"serviceHcpId": "drain-cleaning", "zip": "53703", "preferredDates": [open_day()], "timeWindow": "AM"}
    model.says(
        lambda body: calls((alias("get_availability", body), looked)),
        lambda body: f"There are {len(told(body)['result']['slots'])} open times.",
    )
    outcome = of(await loop.run(user("When can you come?"), thread_id="t-look", actions=True), Answered)
    assert outcome.text.startswith("There are ")
    slots = model.told()[0]["result"]["slots"]
    assert outcome.text == f"There are {len(slots)} open times."
    assert [message["role"] for message in outcome.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert all(tool["strict"] is True for tool in model.functions().values())


async def test_the_published_list_of_functions_holds_nothing_else(stack: RunningStack) -> None:
    answer = Operator(stack, "agent").http.get("/api/tools", params={"format": "openai"}).raise_for_status().json()
    assert list(answer) == ["tools"]
    assert len(answer["tools"]) >= 3
    for tool in answer["tools"]:
        assert set(tool) == {"type", "function"}
        assert set(tool["function"]) == {"name", "description", "parameters", "strict"}
    assert httpx.Client(base_url=stack.front_door).get("/api/tools?format=openai").status_code == 401
    assert Operator(stack, "agent").http.get("/api/tools", params={"format": "other"}).status_code == 400


@pytest.mark.requirement("S4.7")
async def test_without_actions_enabled_a_model_is_offered_nothing_and_nothing_is_called(
    stack: RunningStack, loop: ToolLoop, model: ScriptedModel
) -> None:
    arguments, last_name = booking(stack)
    model.says(
        calls(("housecall_pro__create_booking", arguments)),
        lambda body: f"I cannot: {told(body)['error']['code']}",
    )
    outcome = of(await loop.run(user("Book me in."), thread_id="t-off", actions=False), Answered)
    assert outcome.text == "I cannot: FORBIDDEN"
    assert not any("tools" in request for request in model.requests)
    assert Vendor(stack).jobs_of(last_name) == []
    assert Operator(stack).log(thread_id="t-off") == []


@pytest.mark.requirement("S4.5", "S4.9", "S4.14", "S4.15", "S4.16", "S4.19", "S4.20")
async def test_a_model_asks_to_book_a_person_approves_and_the_model_says_that_it_is_done(
    stack: RunningStack, loop: ToolLoop, model: ScriptedModel
) -> None:
    outcome, last_name = await waits_for_a_booking(stack, loop, model, "t-book")
    [confirmation] = outcome.state.confirmations
    assert confirmation.card["text"].startswith("Call housecall_pro.create_booking with args {")
    assert [button["label"] for button in confirmation.card["actions"]] == ["Approve", "Edit", "Deny"]
    kept = outcome.state.model_dump_json()

    # The page asks too early, and nothing happens.
    early = of(await loop.resume(LoopState.model_validate_json(kept)), Waiting)
    assert early.state == outcome.state

    approve = confirmation.card["actions"][0]["decide"]
    body = {"decision": approve["decision"]}
    Operator(stack).http.post(f"/api/authorizations/{approve['authorizationId']}", json=body).raise_for_status()
    model.says(lambda body: f"Done: {told(body)['result']['status']}")
    done = of(await loop.resume(LoopState.model_validate_json(kept)), Answered)
    assert done.text.startswith("Done: BOOKING_STATUS_")
    assert "jobId" not in model.told()[0]["result"], "the vendor's identifiers stay on our side"
    assert len(Vendor(stack).jobs_of(last_name)) == 1

    # A page that was reloaded resumes once more: the model is asked again, and nothing is done again.
    model.says("As I said, it is done.")
    assert of(await loop.resume(LoopState.model_validate_json(kept)), Answered).text == "As I said, it is done."
    assert len(Vendor(stack).jobs_of(last_name)) == 1


@pytest.mark.requirement("S4.23")
async def test_the_log_says_who_had_a_model_do_what_and_what_came_of_it(
    stack: RunningStack, loop: ToolLoop, model: ScriptedModel
) -> None:
    outcome, last_name = await waits_for_a_booking(stack, loop, model, "t-log")
    queue_id = outcome.state.confirmations[0].authorization.queue_id
    operator = Operator(stack)
    operator.http.post(f"/api/authorizations/{queue_id}", json={"decision": "authorized"}).raise_for_status()
    of(await loop.resume(outcome.state), Answered)
    [entry] = operator.log(thread_id="t-log")
    assert (entry["mcpTool"], entry["status"], entry["origin"]) == ("housecall_pro.create_booking", "SUCCEEDED", "MODEL")
    assert entry["actor"] == "agent-of-the-loop"
    assert entry["createdAt"]
    assert last_name not in json.dumps(entry)


@pytest.mark.requirement("S4.15", "S4.16")
async def test_a_denial_is_told_to_the_model_with_the_persons_note(
    stack: RunningStack, loop: ToolLoop, model: ScriptedModel
) -> None:
    outcome, last_name = await waits_for_a_booking(stack, loop, model, "t-deny")
    queue_id = outcome.state.confirmations[0].authorization.queue_id
    body = {"decision": "denied", "notes": "Call them back first."}
    Operator(stack).http.post(f"/api/authorizations/{queue_id}", json=body).raise_for_status()
    model.says(lambda body: f"{told(body)['error']['code']}: {told(body)['error']['message']}")
    denied = of(await loop.resume(outcome.state), Answered)
    assert denied.text == "DENIED: A person said no: Call them back first."
    assert Vendor(stack).jobs_of(last_name) == []


async def test_an_edited_call_is_done_as_edited(stack: RunningStack, loop: ToolLoop, model: ScriptedModel) -> None:
    outcome, last_name = await waits_for_a_booking(stack, loop, model, "t-edit")
    path = f"/api/authorizations/{outcome.state.confirmations[0].authorization.queue_id}"
    operator = Operator(stack).http
    changed = operator.get(path).json()["arguments"] | {"notes": "Ring twice."}
    operator.post(path, json={"decision": "edited", "edited_arguments": changed}).raise_for_status()
    operator.post(path, json={"decision": "authorized"}).raise_for_status()
    of(await loop.resume(outcome.state), Answered)
    [job] = Vendor(stack).jobs_of(last_name)
    assert "Ring twice." in str(job["notes"])


async def test_a_model_corrects_broken_arguments_and_a_function_that_is_not_there(
    stack: RunningStack, loop: ToolLoop, model: ScriptedModel
) -> None:
    right = {"serviceHcpId": "drain-cleaning", "zip": "53703", "preferredDates": None, "timeWindow": None}
    model.says(
        lambda body: calls((alias("get_availability", body), '{"serviceHcpId": "drain-cleaning", "zip":'), ("weather", {})),
        lambda body: calls((alias("get_availability", body), right | {"zip": ""})),
        lambda body: calls((alias("get_availability", body), right)),
        "Tomorrow.",
    )
    outcome = of(await loop.run(user("When?"), thread_id="t-mend", actions=True), Answered)
    assert outcome.text == "Tomorrow."
    broken, unknown, missing, found = model.told()
    assert broken["error"]["fieldViolations"][0]["message"].startswith("This is not JSON: look at line 1")
    assert unknown["error"]["code"] == "NOT_FOUND"
    assert missing["error"]["missingFields"] == ["zip"]
    assert found["result"]["served"] is True


async def test_a_model_that_only_calls_functions_is_stopped(stack: RunningStack, loop: ToolLoop, model: ScriptedModel) -> None:
    model.says(*[lambda body: calls(("weather", {}))] * 20)
    outcome = of(await loop.run(user("When?"), thread_id="t-bound", actions=True), OutOfRounds)
    assert len(model.requests) == 8
    assert outcome.messages[-1]["role"] == "tool"


async def test_whoever_may_do_nothing_has_a_model_that_is_offered_nothing(stack: RunningStack, model: ScriptedModel) -> None:
    gateway = Gateway(stack.front_door, lambda: stack.token(role="customer"))
    model.says(lambda body: "nothing" if "tools" not in body else "something")
    provider = OpenAiCompatible(model.base_url, KEY, MODEL)
    outcome = of(await ToolLoop(provider, gateway).run(user("Hi"), thread_id="t-none", actions=True), Answered)
    assert outcome.text == "nothing"


async def test_no_words_of_the_conversation_are_in_a_log(
    stack: RunningStack, loop: ToolLoop, model: ScriptedModel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="model_loop")
    model.says(lambda body: calls((alias("get_availability", body), '{"zip": "Xanthippe"')), "Sorry, Xanthippe.")
    of(await loop.run(user("I am Xanthippe."), thread_id="t-quiet", actions=True), Answered)
    assert caplog.records
    assert "Xanthippe" not in "".join(str(record.__dict__) for record in caplog.records)
    assert "Xanthippe" not in stack.logs()


async def test_what_is_wrong_between_the_loop_and_the_gateway_has_a_name_and_says_no_token(
    stack: RunningStack, model: ScriptedModel
) -> None:
    provider = OpenAiCompatible(model.base_url, KEY, MODEL)
    forged = stack.token(role="agent")[:-4] + "AAAA"
    with pytest.raises(GatewayRefused) as refused:
        await ToolLoop(provider, Gateway(stack.front_door, forged)).run(user("Hi"), thread_id="t-401", actions=True)
    assert (refused.value.status, refused.value.code) == (401, "UNAUTHENTICATED")
    assert forged not in str(refused.value)
    with pytest.raises(GatewayRefused) as nothing:
        await Gateway(stack.front_door, stack.token(role="agent")).execute([], "t-400")
    assert (nothing.value.status, nothing.value.code) == (400, "INVALID_ARGUMENT")
    absent = Gateway(f"http://127.0.0.1:{free_port()}", "token", patience=Patience(attempts=2, longest_pause=0.01))
    with pytest.raises(GatewayUnavailable):
        await absent.functions()
    assert model.requests == []


async def test_a_decision_on_one_of_two_leaves_the_other_waiting(
    stack: RunningStack, loop: ToolLoop, model: ScriptedModel
) -> None:
    (first, first_name), (second, second_name) = booking(stack), booking(stack)
    model.says(lambda body: calls((alias("create_booking", body), first), (alias("create_booking", body), second)))
    outcome = of(await loop.run(user("Book us both in."), thread_id="t-two", actions=True), Waiting)
    one, two = (confirmation.authorization.queue_id for confirmation in outcome.state.confirmations)
    operator = Operator(stack).http
    operator.post(f"/api/authorizations/{two}", json={"decision": "denied"}).raise_for_status()
    still = of(await loop.resume(outcome.state), Waiting)
    assert [confirmation.authorization.queue_id for confirmation in still.state.confirmations] == [one]
    operator.post(f"/api/authorizations/{one}", json={"decision": "authorized"}).raise_for_status()
    of(await loop.resume(still.state), Answered)
    done, denied = model.told()
    assert done["result"]["status"]
    assert denied["error"]["code"] == "DENIED"
    assert len(Vendor(stack).jobs_of(first_name)) == 1
    assert Vendor(stack).jobs_of(second_name) == []
