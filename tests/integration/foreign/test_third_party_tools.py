"""A third party's tools are called like ours: only where enabled, only past a person who has to allow it, and never twice."""

from __future__ import annotations

import grpc
import pytest
from switchboard.adapter.v1 import adapter_service_pb2, adapter_service_pb2_grpc
from switchboard.options.v1 import options_pb2
from switchboard.registry.v1 import server_registry_service_pb2 as pb

from tests.callers import caller
from tests.integration.adapter.processes import AdapterProcess, eventually
from tests.integration.foreign.company import AGENT, OPERATOR, OTHER_AGENT, READ, SECONDS, SERVICE, WRITE, Company
from tests.integration.registry.third_party import ThirdParty, tool

TICKET = {"title": "The printer is on fire", "reporter": {"email": "wilma@oddfellow.example"}}
CHANGED = "This tool is not what it was when it was approved; an operator has to look at it."


@pytest.mark.requirement("S4.21")
async def test_nothing_of_a_registered_server_is_callable_before_it_is_enabled(jira: Company, server: ThirdParty) -> None:
    for who in (OPERATOR, AGENT, SERVICE):
        answer = await jira.call("jira", "create_ticket", TICKET, who)
        assert answer["error"]["code"] == "NOT_FOUND"
        assert answer == {**answer, "ok": False, "server": "jira", "tool": "create_ticket"}
        assert "jira" not in {one["server"] for one in await jira.listed(who)}
    assert server.seen == []


@pytest.mark.requirement("S4.21", "S4.24")
async def test_a_tool_that_is_enabled_for_one_subject_is_there_for_nobody_else(jira: Company, server: ThirdParty) -> None:
    await jira.configure("jira", "find_ticket", **READ)
    await jira.enable("jira", "find_ticket", subject="the-agent")
    assert (await jira.call("jira", "find_ticket", {"id": "1"}))["ok"] is True
    for who in (OPERATOR, OTHER_AGENT, SERVICE, caller("customer", subject="the-agent")):
        # Wrong arguments are told to nobody to whom the tool does not exist.
        for arguments in ({"id": "1"}, {}):
            answer = await jira.call("jira", "find_ticket", arguments, who)
            assert (answer["ok"], answer["error"]["code"]) == (False, "NOT_FOUND") or answer["error"]["code"] in (
                "FORBIDDEN",
                "MISSING_FIELDS",
            )
        assert "jira" not in {one["server"] for one in await jira.listed(who)}
    assert len(server.seen) == 1
    await jira.enable("jira", "find_ticket", subject="the-agent", enabled=False)
    assert (await jira.call("jira", "find_ticket", {"id": "1"}))["error"]["code"] == "NOT_FOUND"
    assert len(server.seen) == 1


@pytest.mark.requirement("S4.2", "S4.22", "S4.23")
async def test_a_tool_that_nobody_configured_waits_for_a_person_and_runs_once(jira: Company, server: ThirdParty) -> None:
    await jira.enable("jira", "create_ticket", subject="the-agent")
    answer = await jira.call("jira", "create_ticket", TICKET, reasoning="She asked for it.", idempotencyKey="k-1")
    assert answer["error"]["code"] == "AUTHORIZATION_REQUIRED"
    waits = answer["authorization"]["queue_id"]
    shown = await jira.waiting(waits)
    assert shown["arguments"] == TICKET
    assert "cannot tell what it would do" in shown["preview"]["summary"]
    assert not shown.get("offersAlways")
    assert server.seen == []
    await jira.decide(waits)
    done = await jira.decided(waits)
    assert done["status"] == "EXECUTED"
    assert done["result"]["result"]["data"] == {"key": "JIRA-123"}
    again = await jira.call("jira", "create_ticket", TICKET, reasoning="She asked for it.", idempotencyKey="k-1")
    assert again["result"]["data"] == {"key": "JIRA-123"}
    assert [name for name, _, _ in server.seen] == ["create_ticket"]
    [row] = jira.actions("jira/create_ticket")
    assert (row["status"], row["mcp_tool"], row["server"], row["actor"], row["origin"]) == (
        "SUCCEEDED",
        "create_ticket",
        "jira",
        "the-agent",
        "MODEL",
    )
    assert row["input_hash"]
    assert row["output_hash"]


@pytest.mark.requirement("S4.3")
async def test_what_is_configured_to_read_or_to_write_freely_runs_at_once(jira: Company, server: ThirdParty) -> None:
    for name in ("find_ticket", "create_ticket"):
        await jira.configure("jira", name, **(READ if name == "find_ticket" else WRITE))
        await jira.enable("jira", name)
    found = await jira.call("jira", "find_ticket", {"id": "1"})
    assert found["result"]["data"] == {"title": "Printer of Wilhelmina Oddfellow"}
    made = await jira.call("jira", "create_ticket", {**TICKET, "points": 3}, idempotencyKey="k-2")
    assert made["result"]["data"] == {"key": "JIRA-123"}
    assert await jira.call("jira", "create_ticket", {**TICKET, "points": 3}, idempotencyKey="k-2") == made
    other = await jira.call("jira", "create_ticket", {**TICKET, "points": 5}, idempotencyKey="k-2")
    assert other["error"]["code"] == "CONFLICT"
    assert [name for name, _, _ in server.seen] == ["find_ticket", "create_ticket"]


@pytest.mark.requirement("S4.4", "S4.22")
async def test_a_sensitive_tool_waits_for_a_person_every_time(jira: Company, server: ThirdParty) -> None:
    await jira.enable("jira", "create_ticket")
    await jira.configure("jira", "create_ticket", **WRITE, sensitive=True)
    for number in range(2):
        answer = await jira.call("jira", "create_ticket", TICKET, OPERATOR, idempotencyKey=f"k-{number}")
        assert answer["error"]["code"] == "AUTHORIZATION_REQUIRED"
        assert not (await jira.waiting(answer["authorization"]["queue_id"])).get("offersAlways")
    assert server.seen == []


async def test_a_standing_permission_covers_a_third_party_tool_that_only_writes(jira: Company, server: ThirdParty) -> None:
    await jira.enable("jira", "create_ticket")
    strict = {"effect": options_pb2.EFFECT_WRITE, "permission": options_pb2.PERMISSION_LEVEL_REQUIRES_AUTHORIZATION}
    await jira.configure("jira", "create_ticket", **strict)
    answer = await jira.call("jira", "create_ticket", TICKET, idempotencyKey="k-1")
    waits = answer["authorization"]["queue_id"]
    assert (await jira.waiting(waits))["offersAlways"] is True
    await jira.decide(waits, upgradePermission=True)
    await jira.decided(waits)
    assert (await jira.call("jira", "create_ticket", TICKET, idempotencyKey="k-2"))["ok"] is True
    waits = (await jira.call("jira", "create_ticket", TICKET, OTHER_AGENT))["authorization"]["queue_id"]
    assert waits
    assert len(server.seen) == 2


async def test_everything_that_the_pinned_schema_refuses_is_said_at_once(jira: Company, server: ThirdParty) -> None:
    await jira.enable("jira", "create_ticket")
    wrong = {"priority": "urgent", "points": 2.5, "reporter": {}, "labels": ["a", 7], "colour": "red"}
    answer = await jira.call("jira", "create_ticket", wrong)
    assert answer["error"]["code"] == "MISSING_FIELDS"
    assert set(answer["error"]["missingFields"]) == {"arguments.title", "arguments.reporter.email"}
    found = {one["field"]: one["message"] for one in answer["error"]["fieldViolations"]}
    assert found == {
        "arguments.priority": "This is not one of the choices.",
        "arguments.points": "This must be a whole number.",
        "arguments.labels[1]": "This must be text.",
        "arguments.colour": "There is no such field.",
    }
    blank = await jira.call("jira", "create_ticket", {**TICKET, "title": ""})
    assert blank["error"]["missingFields"] == ["arguments.title"]
    long = await jira.call("jira", "create_ticket", {**TICKET, "title": "x" * 81, "points": 14})
    assert {one["message"] for one in long["error"]["fieldViolations"]} == {
        "This is too long: at most 80 characters.",
        "This must be 13 or less.",
    }
    assert server.seen == []
    [row, *_] = jira.actions("jira/create_ticket")
    assert row["status"] == "REJECTED"
    assert "arguments.reporter.email" in row["error_details"]
    assert "colour" not in row["error_details"]


async def test_whole_numbers_reach_the_server_as_whole_numbers(jira: Company, server: ThirdParty) -> None:
    await jira.configure("jira", "create_ticket", **WRITE)
    await jira.enable("jira", "create_ticket")
    assert (await jira.call("jira", "create_ticket", {**TICKET, "points": 3.0}))["ok"] is True


async def test_a_third_party_tool_has_no_preview_and_says_so(jira: Company, server: ThirdParty) -> None:
    await jira.enable("jira", "create_ticket")
    answer = await jira.call("jira", "create_ticket", TICKET, dryRun=True)
    assert answer["error"]["fieldViolations"][0]["message"] == "This tool cannot tell what it would do."
    assert server.seen == []


@pytest.mark.requirement("S4.23")
async def test_nothing_that_was_sent_or_answered_is_anywhere_in_clear(jira: Company, server: ThirdParty) -> None:
    for name in ("find_ticket", "create_ticket"):
        await jira.enable("jira", name)
    await jira.configure("jira", "find_ticket", **READ)
    await jira.call("jira", "find_ticket", {"id": "Quillfeather-77"})
    waits = (await jira.call("jira", "create_ticket", TICKET, reasoning="Mrs Okonkwo asked"))["authorization"]["queue_id"]
    await jira.call("jira", "create_ticket", {"title": 7, "Quillfeather": "Okonkwo"})
    before = jira.everything()
    await jira.decide(waits)
    await jira.decided(waits)
    for text in (before, jira.everything()):
        for secret in ("Quillfeather", "printer", "oddfellow", "Oddfellow", "Okonkwo", "JIRA-123"):
            assert secret not in text, secret
    rows = jira.actions("jira/create_ticket")
    assert rows[0]["payload_redacted"] == {"[FIELD]": "[REDACTED]", "[FIELD 2]": "[REDACTED]"}
    assert rows[0]["redactions"] == ["[REDACTED]"]


@pytest.mark.requirement("S4.21")
async def test_a_changed_tool_is_refused_until_an_operator_has_looked_at_it(jira: Company, server: ThirdParty) -> None:
    await jira.configure("jira", "find_ticket", **READ)
    await jira.enable("jira", "find_ticket")
    server.change("find_ticket", description="Finds tickets, and tells somebody else of them.")

    async def refused() -> bool:
        answer = await jira.call("jira", "find_ticket", {"id": "1"})
        return bool(answer.get("error", {}).get("code") == "FORBIDDEN" and answer["error"]["details"] == CHANGED)

    await eventually(refused, SECONDS)

    async def unavailable() -> bool:
        return [one["permission"] for one in await jira.listed(AGENT) if one["server"] == "jira"] == ["unavailable"]

    await eventually(unavailable, SECONDS)
    assert not [one for one in await jira.listed(AGENT, format="openai") if "jira" in one["function"]["name"]]
    seen = len(server.seen)
    assert await refused()
    assert len(server.seen) == seen
    listing = (await jira.server("jira")).listing_hash
    request = pb.RepinServerRequest(name="jira", listing_hash=listing)
    await jira.registry.RepinServer(request, metadata=OPERATOR, timeout=SECONDS)

    async def back() -> bool:
        return bool((await jira.call("jira", "find_ticket", {"id": "1"}))["ok"])

    await eventually(back, SECONDS)


async def test_what_was_allowed_of_a_tool_is_not_done_by_what_took_its_place(jira: Company, server: ThirdParty) -> None:
    await jira.enable("jira", "create_ticket")
    waits = (await jira.call("jira", "create_ticket", TICKET))["authorization"]["queue_id"]
    server.change("create_ticket", description="Creates a ticket for everybody to see.")

    async def drifted() -> bool:
        return bool((await jira.server("jira")).drifted)

    await eventually(drifted, SECONDS)
    request = pb.RepinServerRequest(name="jira", listing_hash=(await jira.server("jira")).listing_hash)
    pinned = (await jira.registry.RepinServer(request, metadata=OPERATOR, timeout=SECONDS)).tools[0].pin

    async def taken_up() -> bool:
        [listed] = [one for one in await jira.listed(AGENT) if one["server"] == "jira"]
        return bool(listed["permission"] != "unavailable" and listed["description"].endswith("to see."))

    assert pinned
    await eventually(taken_up, SECONDS)
    await jira.decide(waits)
    over = await jira.decided(waits)
    assert over["status"] == "FAILED"
    assert over["result"]["error"]["code"] == "CONFLICT"
    assert server.seen == []


async def test_what_was_allowed_is_not_done_where_the_tool_was_taken_back_meanwhile(jira: Company, server: ThirdParty) -> None:
    await jira.enable("jira", "create_ticket", subject="the-agent")
    waits = (await jira.call("jira", "create_ticket", TICKET))["authorization"]["queue_id"]
    await jira.enable("jira", "create_ticket", subject="the-agent", enabled=False)
    await jira.decide(waits)
    assert (await jira.decided(waits))["status"] == "FAILED"
    assert server.seen == []


async def test_edited_arguments_are_held_to_the_pinned_schema_too(jira: Company, server: ThirdParty) -> None:
    await jira.enable("jira", "create_ticket")
    waits = (await jira.call("jira", "create_ticket", TICKET))["authorization"]["queue_id"]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await jira.decide(waits, "edited", editedArguments={"title": "Less"})
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    edited = await jira.decide(waits, "edited", editedArguments={**TICKET, "title": "The printer smokes", "points": 2})
    assert edited["arguments"]["title"] == "The printer smokes"
    await jira.decide(waits)
    assert (await jira.decided(waits))["status"] == "EXECUTED"
    assert len(server.seen) == 1


async def test_many_things_at_once_wait_for_a_person(jira: Company, server: ThirdParty) -> None:
    await jira.configure("jira", "create_ticket", **WRITE)
    await jira.enable("jira", "create_ticket")
    answer = await jira.call("jira", "create_ticket", {**TICKET, "labels": list("abcdef")})
    assert answer["error"]["code"] == "AUTHORIZATION_REQUIRED"
    assert (await jira.call("jira", "create_ticket", {**TICKET, "labels": list("abcde")}))["ok"] is True


async def test_the_listing_has_third_party_tools_with_their_pinned_schemas(jira: Company, server: ThirdParty) -> None:
    server.tools.append(tool("odd"))
    await jira.configure("jira", "find_ticket", **READ)
    await jira.enable("jira", "find_ticket")
    await jira.enable("jira", "create_ticket")
    found = {one["name"]: one for one in await jira.listed(AGENT) if one["server"] == "jira"}
    assert set(found) == {"create_ticket", "find_ticket"}
    assert (found["create_ticket"]["permission"], found["create_ticket"]["effect"]) == ("requires_authorization", "destructive")
    assert (found["find_ticket"]["permission"], found["find_ticket"]["effect"]) == ("unrestricted", "read")
    assert found["create_ticket"]["title"] == "Create a ticket"
    assert found["create_ticket"]["inputSchema"]["properties"]["points"]["maximum"] == 13
    assert found["create_ticket"]["alias"] == "jira__create_ticket"
    assert [one["server"] for one in await jira.listed(AGENT)] == sorted(one["server"] for one in await jira.listed(AGENT))
    functions = [one["function"]["name"] for one in await jira.listed(AGENT, format="openai")]
    assert "jira__find_ticket" in functions
    domains = {one["domain"]: one for one in (await jira.capabilities(AGENT))["data"]["domains"]}
    assert [action["name"] for action in domains["jira"]["actions"]] == ["create_ticket", "find_ticket"]


async def test_a_call_for_another_pin_never_reaches_the_server(
    jira: Company, server: ThirdParty, adapter_process: AdapterProcess
) -> None:
    pin = (await jira.server("jira")).tools[0].pin
    async with grpc.aio.insecure_channel(adapter_process.target) as channel:
        stub = adapter_service_pb2_grpc.AdapterServiceStub(channel)
        for given, code in (("sha256:another", "TOOL_CHANGED"), (pin, "")):
            request = adapter_service_pb2.InvokeToolRequest(
                server="jira",
                tool="create_ticket",
                arguments_json=b"{}",
                principal=adapter_service_pb2.Principal(tenant="demo", subject="somebody", kind="human", role="operator"),
                pin=given,
            )
            answer = await stub.InvokeTool(request, timeout=SECONDS)
            assert answer.error_code == code
            assert len(server.seen) == (0 if code else 1)
