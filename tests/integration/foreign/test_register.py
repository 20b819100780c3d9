"""The public register of third-party servers: for operators of the company, handed on to the adapter, every change in the log."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from switchboard.registry.v1 import server_registry_service_pb2 as pb

from tests.callers import caller
from tests.integration.adapter.processes import eventually
from tests.integration.foreign.company import AGENT, OPERATOR, READ, SECONDS, SERVICE, Company
from tests.integration.registry.third_party import ThirdParty

CUSTOMER = caller("customer")
REQUESTS: dict[str, Any] = {
    "ListRegisteredServers": pb.ListRegisteredServersRequest(),
    "GetRegisteredServer": pb.GetRegisteredServerRequest(name="jira"),
    "RepinServer": pb.RepinServerRequest(name="jira", listing_hash="x"),
    "ConfigureTool": pb.ConfigureToolRequest(server="jira", tool="find_ticket", **READ),
    "EnableTool": pb.EnableToolRequest(server="jira", tool="find_ticket", enabled=True),
    "RemoveServer": pb.RemoveServerRequest(name="jira"),
}


async def test_only_operators_of_the_company_get_at_the_register(jira: Company) -> None:
    stranger = caller("operator", tenant="another")
    for who, expected in (
        ((), grpc.StatusCode.UNAUTHENTICATED),
        (CUSTOMER, grpc.StatusCode.PERMISSION_DENIED),
        (AGENT, grpc.StatusCode.PERMISSION_DENIED),
        (SERVICE, grpc.StatusCode.PERMISSION_DENIED),
        (stranger, grpc.StatusCode.PERMISSION_DENIED),
    ):
        for rpc, request in REQUESTS.items():
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await getattr(jira.registry, rpc)(request, metadata=who, timeout=SECONDS)
            assert refused.value.code() is expected, rpc
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await jira.register("other", "http://127.0.0.1:1/mcp", who)
        assert refused.value.code() is expected
    assert [one.name for one in (await jira.servers())] == ["jira"]


@pytest.mark.requirement("S4.23")
async def test_every_change_is_in_the_action_log_with_who_made_it(jira: Company, server: ThirdParty) -> None:
    await jira.configure("jira", "find_ticket", **READ)
    await jira.enable("jira", "find_ticket", subject="the-agent")
    pinned = pb.RepinServerRequest(name="jira", listing_hash=(await jira.server("jira")).listing_hash)
    await jira.registry.RepinServer(pinned, metadata=OPERATOR, timeout=SECONDS)
    await jira.registry.RemoveServer(pb.RemoveServerRequest(name="jira"), metadata=OPERATOR, timeout=SECONDS)
    rows = jira.dispatch.rows("select * from dispatch.action where action like 'registry/%%' order by created_at, id")
    assert [row["action"] for row in rows] == [
        "registry/RegisterServer",
        "registry/ConfigureTool",
        "registry/EnableTool",
        "registry/RepinServer",
        "registry/RemoveServer",
    ]
    assert {(row["status"], row["actor"], row["origin"], row["tenant"]) for row in rows} == {
        ("SUCCEEDED", "the-operator", "OPERATOR", "demo")
    }
    assert rows[0]["payload_redacted"] == {"name": "jira", "url": server.url}
    assert rows[2]["payload_redacted"] == {"server": "jira", "tool": "find_ticket", "subject": "the-agent", "enabled": True}
    assert all(row["input_hash"] and row["output_hash"] for row in rows)


async def test_a_refused_change_is_logged_and_answered_as_the_adapter_says_it(jira: Company, server: ThirdParty) -> None:
    for rpc, request, status, code in (
        ("EnableTool", pb.EnableToolRequest(server="jira", tool="nothing", enabled=True), grpc.StatusCode.NOT_FOUND, "NOT_FOUND"),
        ("RepinServer", pb.RepinServerRequest(name="jira", listing_hash="sha256:other"), grpc.StatusCode.ABORTED, "CONFLICT"),
        ("RemoveServer", pb.RemoveServerRequest(name="nobody"), grpc.StatusCode.NOT_FOUND, "NOT_FOUND"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await getattr(jira.registry, rpc)(request, metadata=OPERATOR, timeout=SECONDS)
        assert refused.value.code() is status
        [row] = jira.actions(f"registry/{rpc}")
        assert (row["status"], row["error_code"]) == ("FAILED", code)
    with pytest.raises(grpc.aio.AioRpcError) as twice:
        await jira.register("jira", server.url)
    assert twice.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert jira.actions("registry/RegisterServer")[-1]["error_code"] == "CONFLICT"


async def test_a_server_that_cannot_be_used_is_told_step_by_step_and_logged(company: Company) -> None:
    steps = await company.register("away", "http://127.0.0.1:1/mcp")
    assert len(steps) > 1
    assert steps[-1].done
    assert "refused the connection" in steps[-1].error
    [row] = company.actions("registry/RegisterServer")
    assert (row["status"], row["error_code"]) == ("FAILED", "INTEGRATION_DOWN")
    assert await company.servers() == []


async def test_a_servers_token_stays_out_of_the_journal(company: Company, server: ThirdParty) -> None:
    server.token = "a-vendor-token-that-nobody-may-see"
    steps = await company.register("jira", server.url, token=server.token)
    assert steps[-1].server.has_token
    [row] = company.actions("registry/RegisterServer")
    assert row["payload_redacted"]["token"] == "[SECRET]"
    assert server.token not in company.everything()


async def test_a_registration_whose_caller_goes_away_is_finished_and_logged(company: Company, server: ThirdParty) -> None:
    request = pb.RegisterServerRequest(name="jira", url=server.url)
    call = company.registry.RegisterServer(request, metadata=OPERATOR, timeout=SECONDS)
    assert (await call.read()).step
    call.cancel()

    async def over() -> bool:
        return [row["status"] for row in company.actions("registry/RegisterServer")] == ["SUCCEEDED"]

    await eventually(over, SECONDS)
    assert [one.name for one in await company.servers()] == ["jira"]


async def test_what_is_not_as_the_contract_says_is_refused_before_anybody_is_asked(company: Company) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await company.register("Not A Name", "http://127.0.0.1:1/mcp")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert company.actions("registry/RegisterServer") == []
