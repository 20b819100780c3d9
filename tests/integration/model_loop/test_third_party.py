"""The loop with other people's MCP servers behind the stack: a ticket, a contact, a deployment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from model_loop import Answered, Gateway, OpenAiCompatible, Outcome, ToolLoop, Waiting
from tests.e2e.clicks import Operator
from tests.fix_model import KEY, MODEL, Body, ScriptedModel, calls
from tests.fix_sandbox import wait_until
from tests.fix_stack import RunningStack
from tests.integration.registry.third_party import ThirdParty, third_party, tool

ME = "support-agent"
TEXT = {"type": "string"}
TICKET = {
    "type": "object",
    "properties": {"title": {**TEXT, "minLength": 1, "maxLength": 80}, "priority": {"enum": ["low", "high"]}, "component": TEXT},
    "required": ["title"],
}
CONTACT = {"type": "object", "properties": {"name": TEXT, "email": {**TEXT, "format": "email"}}, "required": ["name", "email"]}
DEPLOY = {"type": "object", "properties": {"environment": {"enum": ["staging", "production"]}}, "required": ["environment"]}
# What the operator says of each tool: what it does, and what it asks for first.
TOOLS: dict[str, tuple[str, Body, Body]] = {
    "jira": ("jira_create_ticket", TICKET, {"effect": "EFFECT_WRITE", "permission": "PERMISSION_LEVEL_UNRESTRICTED"}),
    "crm": ("update_contact", CONTACT, {"effect": "EFFECT_WRITE", "permission": "PERMISSION_LEVEL_REQUIRES_AUTHORIZATION"}),
    "deployment": (
        "deploy",
        DEPLOY,
        {"effect": "EFFECT_DESTRUCTIVE", "permission": "PERMISSION_LEVEL_UNRESTRICTED", "sensitive": True},
    ),
}


@pytest.fixture(scope="module")
def servers(stack: RunningStack) -> Iterator[dict[str, ThirdParty]]:
    """Three third-party servers that an operator has registered, whose tools are enabled for one person."""
    http = Operator(stack).http
    with ExitStack() as running:
        started = {name: running.enter_context(third_party()) for name in TOOLS}
        started["jira"].answers = {"jira_create_ticket": {"key": "JIRA-123"}}
        for name, (what, schema, configured) in TOOLS.items():
            started[name].tools = [tool(what, input_schema=schema)]
            with http.stream("POST", "/api/servers", json={"name": name, "url": started[name].url}) as steps:
                last = [line for line in steps.iter_lines() if line][-1]
            assert json.loads(last.removeprefix("data: ")).get("server"), last
            http.post(f"/api/servers/{name}/tools:configure", json={"tool": what, **configured}).raise_for_status()
            body = {"tool": what, "subject": ME, "enabled": True}
            http.post(f"/api/servers/{name}/tools:enable", json=body).raise_for_status()
        wait_until(lambda: len(offered(stack, ME)) == len(TOOLS), 20, "third-party tools are not offered")
        yield started
        for name in TOOLS:
            http.delete(f"/api/servers/{name}").raise_for_status()


def offered(stack: RunningStack, subject: str) -> list[str]:
    """The third-party functions that somebody's model is offered."""
    answer = Operator(stack, "agent", subject=subject).http.get("/api/tools", params={"format": "openai"}).json()
    names = [entry["function"]["name"] for entry in answer["tools"]]
    return [name for name in names if name.split("__")[0] in TOOLS]


async def say(stack: RunningStack, model: ScriptedModel, text: str, thread: str) -> tuple[ToolLoop, Outcome]:
    """Say something to the model, as the person for whom the tools are enabled."""
    gateway = Gateway(stack.front_door, stack.token(role="agent", subject=ME))
    loop = ToolLoop(OpenAiCompatible(model.base_url, KEY, MODEL), gateway)
    return loop, await loop.run([{"role": "user", "content": text}], thread_id=thread, actions=True)


def last_result(body: Body) -> Any:
    """The result that the model was just told."""
    return json.loads(body["messages"][-1]["content"])["result"]


@pytest.mark.requirement("S4.1", "S4.2", "S4.8")
async def test_a_ticket_is_created_for_this_bug(
    stack: RunningStack, model: ScriptedModel, servers: dict[str, ThirdParty]
) -> None:
    arguments = {"title": "Printer on fire", "priority": "high", "component": None}
    model.says(calls(("jira__jira_create_ticket", arguments)), lambda body: f"Ticket {last_result(body)['key']} created.")
    _, outcome = await say(stack, model, "Create a ticket for this bug.", "t-jira")
    assert isinstance(outcome, Answered)
    assert outcome.text == "Ticket JIRA-123 created."
    assert [name for name, _, _ in servers["jira"].seen] == ["jira_create_ticket"]
    parameters = model.functions()["jira__jira_create_ticket"]["parameters"]
    assert parameters["properties"]["component"]["type"] == ["string", "null"]
    [entry] = Operator(stack).log(thread_id="t-jira")
    assert (entry["mcpTool"], entry["actor"], entry["status"]) == ("jira_create_ticket", ME, "SUCCEEDED")
    assert "Printer" not in json.dumps(entry)


@pytest.mark.requirement("S4.3", "S4.15", "S4.16")
async def test_a_contact_is_updated_once_a_person_allows_it(
    stack: RunningStack, model: ScriptedModel, servers: dict[str, ThirdParty]
) -> None:
    arguments = {"name": "John Doe", "email": "john@new.example.org", "reasoning": "He wrote from a new address."}
    model.says(calls(("crm__update_contact", arguments)), "John's address is updated.")
    loop, outcome = await say(stack, model, "Update contact John Doe with new email john@new.example.org.", "t-crm")
    assert isinstance(outcome, Waiting)
    assert servers["crm"].seen == []
    queue_id = outcome.state.confirmations[0].authorization.queue_id
    Operator(stack).http.post(f"/api/authorizations/{queue_id}", json={"decision": "authorized"}).raise_for_status()
    done = await loop.resume(outcome.state)
    assert isinstance(done, Answered)
    assert done.text == "John's address is updated."
    assert len(servers["crm"].seen) == 1


@pytest.mark.requirement("S4.4", "S4.13", "S4.22")
async def test_a_deployment_is_sensitive_and_waits_every_time(
    stack: RunningStack, model: ScriptedModel, servers: dict[str, ThirdParty]
) -> None:
    for thread in ("t-deploy-1", "t-deploy-2"):
        done_before = len(servers["deployment"].seen)
        model.says(calls(("deployment__deploy", {"environment": "production", "reasoning": "Asked to."})), "Deployed.")
        loop, outcome = await say(stack, model, "Deploy to production.", thread)
        assert isinstance(outcome, Waiting)
        assert len(servers["deployment"].seen) == done_before
        path = f"/api/authorizations/{outcome.state.confirmations[0].authorization.queue_id}"
        operator = Operator(stack).http
        assert operator.get(path).json().get("offersAlways") is False
        assert operator.post(path, json={"decision": "authorized", "upgrade_permission": True}).status_code == 400
        operator.post(path, json={"decision": "authorized"}).raise_for_status()
        assert isinstance(await loop.resume(outcome.state), Answered)
        assert len(servers["deployment"].seen) == done_before + 1


@pytest.mark.requirement("S4.13")
async def test_what_the_prompt_calls_sensitive_waits_in_the_loop_too(
    stack: RunningStack, model: ScriptedModel, servers: dict[str, ThirdParty]
) -> None:
    before = len(servers["jira"].seen)
    loop = ToolLoop(
        OpenAiCompatible(model.base_url, KEY, MODEL), Gateway(stack.front_door, stack.token(role="agent", subject=ME))
    )
    model.says(calls(("jira__jira_create_ticket", {"title": "T", "priority": None, "component": None})), "Created.")
    outcome = await loop.run(
        [{"role": "user", "content": "A ticket."}], thread_id="t-confirm", actions=True, confirm={"jira__jira_create_ticket"}
    )
    assert isinstance(outcome, Waiting)
    assert len(servers["jira"].seen) == before
    queue_id = outcome.state.confirmations[0].authorization.queue_id
    Operator(stack).http.post(f"/api/authorizations/{queue_id}", json={"decision": "authorized"}).raise_for_status()
    assert isinstance(await loop.resume(outcome.state), Answered)
    assert len(servers["jira"].seen) == before + 1


@pytest.mark.requirement("S4.21", "S4.24")
async def test_a_tool_is_offered_to_and_found_for_those_only_for_whom_it_was_enabled(
    stack: RunningStack, servers: dict[str, ThirdParty]
) -> None:
    assert offered(stack, ME) == ["crm__update_contact", "deployment__deploy", "jira__jira_create_ticket"]
    assert offered(stack, "somebody-else") == []
    call = {"id": "c-1", "type": "function", "function": {"name": "jira__jira_create_ticket", "arguments": '{"title": "Mine"}'}}
    before = len(servers["jira"].seen)
    stranger = Operator(stack, "agent", subject="somebody-else").http
    answer = stranger.post("/api/tools/execute", json={"tool_calls": [call], "threadId": "t-other"}).raise_for_status().json()
    assert json.loads(answer["messages"][0]["content"])["error"]["code"] == "NOT_FOUND"
    assert len(servers["jira"].seen) == before
