"""CheckServer: how a server is, asked at most once a second."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from switchboard.adapter.v1 import adapter_service_pb2 as pb

from tests.integration.adapter.calls import Stub
from tests.integration.adapter.processes import ToolProcess, eventually


async def test_many_checks_cost_the_server_one_request(stub: Stub, tool: ToolProcess) -> None:
    before = tool.state().get("health", 0)
    answers = await asyncio.gather(*(stub.CheckServer(pb.CheckServerRequest(server="housecall_pro")) for _ in range(20)))
    assert all(answer.healthy and answer.breaker == "closed" for answer in answers)
    assert tool.state()["health"] - before <= 1


async def test_a_server_whose_vendor_does_not_answer_is_not_healthy_and_soon_is_again(stub: Stub, tool: ToolProcess) -> None:
    async def answers(healthy: bool) -> bool:
        return (await stub.CheckServer(pb.CheckServerRequest(server="housecall_pro"))).healthy is healthy

    tool.state(healthy=False)
    await eventually(lambda: answers(False), 5)
    message = (await stub.CheckServer(pb.CheckServerRequest(server="housecall_pro"))).message
    assert message == "The tool server 'housecall_pro' runs, and something behind it does not answer."
    tool.state(healthy=True)
    await eventually(lambda: answers(True), 5)


async def test_a_foreign_server_is_asked_over_mcp(stub: Stub) -> None:
    assert (await stub.CheckServer(pb.CheckServerRequest(server="foreign"))).healthy


async def test_a_server_that_is_not_configured_is_not_found(stub: Stub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.CheckServer(pb.CheckServerRequest(server="nobody"))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_the_configured_servers_are_listed_in_alphabetical_order(stub: Stub) -> None:
    listed = (await stub.ListServers(pb.ListServersRequest())).servers
    assert [(server.name, server.breaker) for server in listed] == [("foreign", "closed"), ("housecall_pro", "closed")]
