"""Third-party tools when something breaks: an adapter that answers as told, in front of a real dispatch process."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from switchboard.adapter.v1 import adapter_service_pb2 as adapter_pb
from switchboard.adapter.v1 import adapter_service_pb2_grpc, service_mapping_service_pb2_grpc
from switchboard.audit.v1 import action_log_service_pb2, action_log_service_pb2_grpc
from switchboard.options.v1 import options_pb2
from switchboard.registry.v1 import server_registry_service_pb2 as pb
from switchboard.registry.v1 import server_registry_service_pb2_grpc as pb_grpc

from dispatch_service.verify_log import main as verify_log
from tests.fix_dispatch import OWNER, DispatchProcess, ScriptedAdapter, succeeded
from tests.fix_postgres import MigratedDatabase
from tests.integration.adapter.processes import eventually
from tests.integration.foreign.company import AGENT, OPERATOR, SECONDS, Company

Settlement = action_log_service_pb2.Settlement
CHANGED = "This tool is not what it was when it was approved; an operator has to look at it."


class ScriptedRegister(pb_grpc.ServerRegistryServiceServicer):
    """A register with one server, which remembers who asked."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.lost = False
        self.tools = [_tool("deploy"), _tool("retry", idempotent=True)]

    def _server(self) -> pb.RegisteredServer:
        return pb.RegisteredServer(name="ops", version=1)

    async def ListRegisteredServers(self, request: Any, context: Any) -> pb.ListRegisteredServersResponse:
        """The one server."""
        self.seen.append(dict(context.invocation_metadata()))
        return pb.ListRegisteredServersResponse(servers=[self._server()])

    async def GetRegisteredServer(self, request: Any, context: Any) -> pb.RegisteredServer:
        """The one server with its tools."""
        server = self._server()
        server.tools.extend(self.tools)
        return server

    async def RemoveServer(self, request: Any, context: Any) -> pb.RemoveServerResponse:
        """Answers when it is let, or never."""
        await self.hold.wait()
        if self.lost:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        return pb.RemoveServerResponse()

    async def _nobody_asks(self, request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no test asks for this")

    RegisterServer = RepinServer = ConfigureTool = EnableTool = _nobody_asks


def _tool(name: str, *, idempotent: bool = False) -> pb.RegisteredTool:
    tool = pb.RegisteredTool(
        name=name,
        pin=f"sha256:{name}",
        drift=pb.DRIFT_NONE,
        effect=options_pb2.EFFECT_WRITE,
        permission=options_pb2.PERMISSION_LEVEL_UNRESTRICTED,
        idempotent=idempotent,
        enabled_for_all=True,
    )
    tool.input_schema.update({"type": "object"})
    return tool


def _answer(outcome: adapter_pb.ToolOutcome.ValueType, effect: adapter_pb.EffectCertainty.ValueType, code: str) -> Any:
    async def answer(request: Any) -> adapter_pb.InvokeToolResponse:
        return adapter_pb.InvokeToolResponse(outcome=outcome, effect=effect, error_code=code)

    return answer


LOST = _answer(adapter_pb.TOOL_OUTCOME_CONNECTION_LOST, adapter_pb.EFFECT_CERTAINTY_POSSIBLE, "CONNECTION_LOST")
NOT_AS_PINNED = _answer(adapter_pb.TOOL_OUTCOME_REFUSED, adapter_pb.EFFECT_CERTAINTY_NONE, "TOOL_CHANGED")
FAILED = _answer(adapter_pb.TOOL_OUTCOME_TOOL_ERROR, adapter_pb.EFFECT_CERTAINTY_POSSIBLE, "TOOL_ERROR")


class Scripted(Company):
    """A company behind a scripted adapter."""

    def __init__(self, dispatch: DispatchProcess, adapter: ScriptedAdapter, register: ScriptedRegister) -> None:
        super().__init__(dispatch)
        self.adapter = adapter
        self.register_ = register

    async def known(self) -> None:
        """Wait until the server's tools are there."""

        async def there() -> bool:
            return "ops" in {one["server"] for one in await self.listed(AGENT)}

        await eventually(there, SECONDS)


@pytest.fixture
async def ops(fresh_database: Callable[..., MigratedDatabase]) -> AsyncIterator[Scripted]:
    """A company with a third-party server `ops`, whose adapter is the test's."""
    with tempfile.TemporaryDirectory(prefix="fs-") as name:
        adapter, register, server = ScriptedAdapter(), ScriptedRegister(), grpc.aio.server()
        adapter_service_pb2_grpc.add_AdapterServiceServicer_to_server(adapter, server)
        service_mapping_service_pb2_grpc.add_ServiceMappingServiceServicer_to_server(adapter, server)
        pb_grpc.add_ServerRegistryServiceServicer_to_server(register, server)
        target = f"unix:{name}/a.sock"
        server.add_insecure_port(target)
        await server.start()

        async def done(request: Any) -> adapter_pb.InvokeToolResponse:
            return succeeded({"deployed": True})

        adapter.behaviour = done
        process = DispatchProcess(Path(name), fresh_database(OWNER), target)
        await process.start()
        scripted = Scripted(process, adapter, register)
        await scripted.known()
        yield scripted
        register.hold.set()
        await process.stop()
        await server.stop(0)


async def test_the_adapter_is_told_whose_servers_are_meant_and_what_the_tool_was(ops: Scripted) -> None:
    await ops.call("ops", "deploy", {"to": "production"}, idempotencyKey="k-1")
    [request] = ops.adapter.calls
    assert (request.server, request.tool, request.pin) == ("ops", "deploy", "sha256:deploy")
    assert request.idempotency_key
    assert request.principal.subject == "the-agent"
    await ops.servers()
    readers = {(one["x-switchboard-tenant"], one["x-switchboard-actor"]) for one in ops.register_.seen}
    assert readers == {("demo", "dispatch"), ("demo", "the-operator")}


@pytest.mark.requirement("S4.4")
async def test_a_lost_answer_of_a_tool_that_is_not_idempotent_stays_unknown_until_a_person_settles_it(ops: Scripted) -> None:
    ops.adapter.behaviour = LOST
    first = await ops.call("ops", "deploy", {"to": "production"}, idempotencyKey="k-1")
    assert first["error"]["code"] == "OUTCOME_UNKNOWN"
    assert await ops.call("ops", "deploy", {"to": "production"}, idempotencyKey="k-1") == first
    assert len(ops.adapter.calls) == 1
    [row] = ops.actions("ops/deploy")
    assert ops.dispatch.channel is not None
    settle = action_log_service_pb2.SettleActionRequest(id=row["id"], settlement=Settlement.DONE)
    stub = action_log_service_pb2_grpc.ActionLogServiceStub(ops.dispatch.channel)
    await stub.SettleAction(settle, metadata=OPERATOR, timeout=SECONDS)
    assert (await ops.call("ops", "deploy", {"to": "production"}, idempotencyKey="k-1"))["ok"] is True
    assert len(ops.adapter.calls) == 1


async def test_a_retry_that_the_adapter_refuses_leaves_unknown_what_was_unknown(ops: Scripted) -> None:
    ops.adapter.behaviour = LOST
    await ops.call("ops", "deploy", {"to": "production"}, idempotencyKey="k-1")
    ops.adapter.behaviour = NOT_AS_PINNED
    [row] = ops.actions("ops/deploy")
    assert ops.dispatch.channel is not None
    stub = action_log_service_pb2_grpc.ActionLogServiceStub(ops.dispatch.channel)
    retry = action_log_service_pb2.SettleActionRequest(id=row["id"], settlement=Settlement.RETRY)
    await stub.SettleAction(retry, metadata=OPERATOR, timeout=SECONDS)
    assert len(ops.adapter.calls) == 2
    assert [row["status"] for row in ops.actions("ops/deploy")] == ["OUTCOME_UNKNOWN"]


async def test_one_that_we_configured_as_idempotent_is_called_again_with_the_same_key(ops: Scripted) -> None:
    ops.adapter.behaviour = LOST
    first = await ops.call("ops", "retry", {}, idempotencyKey="k-1")
    assert first["error"]["code"] == "OUTCOME_UNKNOWN"

    async def done(request: Any) -> adapter_pb.InvokeToolResponse:
        return succeeded({"deployed": True})

    ops.adapter.behaviour = done
    assert (await ops.call("ops", "retry", {}, idempotencyKey="k-1"))["ok"] is True
    assert len({request.idempotency_key for request in ops.adapter.calls}) == 1


async def test_a_tool_that_says_that_it_failed_may_have_acted(ops: Scripted) -> None:
    ops.adapter.behaviour = FAILED
    assert (await ops.call("ops", "deploy", {}))["error"]["code"] == "OUTCOME_UNKNOWN"


async def test_a_tool_that_changes_under_way_is_refused_with_the_reason(ops: Scripted) -> None:
    ops.adapter.behaviour = NOT_AS_PINNED
    answer = await ops.call("ops", "deploy", {})
    assert (answer["error"]["code"], answer["error"]["details"]) == ("FORBIDDEN", CHANGED)
    [row] = ops.actions("ops/deploy")
    assert (row["status"], row["error_code"]) == ("FAILED", "FORBIDDEN")
    assert "[TOOL_CHANGED]" in row["error_details"]


@pytest.mark.parametrize(("tool", "calls", "status"), [("deploy", 1, "OUTCOME_UNKNOWN"), ("retry", 2, "SUCCEEDED")])
async def test_what_a_dead_process_was_doing_is_repeated_only_where_we_said_that_it_may_be(
    ops: Scripted, tool: str, calls: int, status: str
) -> None:
    never = asyncio.Event()

    async def hang(request: Any) -> adapter_pb.InvokeToolResponse:
        if len(ops.adapter.calls) == 1:
            await never.wait()
        return succeeded({"deployed": True})

    ops.adapter.behaviour = hang
    lost = asyncio.create_task(ops.call("ops", tool, {"to": "production"}, idempotencyKey="k-1"))

    async def called() -> bool:
        return len(ops.adapter.calls) == 1

    await eventually(called, SECONDS)
    ops.dispatch.kill()
    with pytest.raises(grpc.aio.AioRpcError):
        await lost
    await ops.dispatch.start()

    async def settled() -> bool:
        return [row["status"] for row in ops.actions(f"ops/{tool}")] == [status]

    await eventually(settled, SECONDS)
    assert len(ops.adapter.calls) == calls
    assert verify_log(ops.dispatch.database.owner_url) == 0
    never.set()


async def test_a_change_of_the_register_whose_answer_is_lost_is_unknown(ops: Scripted) -> None:
    ops.register_.lost = True
    with pytest.raises(grpc.aio.AioRpcError) as lost:
        await ops.registry.RemoveServer(pb.RemoveServerRequest(name="ops"), metadata=OPERATOR, timeout=SECONDS)
    assert lost.value.code() is grpc.StatusCode.UNAVAILABLE
    [row] = ops.actions("registry/RemoveServer")
    assert (row["status"], row["error_code"]) == ("OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN")


async def test_a_change_that_a_dead_process_was_making_is_unknown_and_can_be_settled(ops: Scripted) -> None:
    ops.register_.hold.clear()
    call = ops.registry.RemoveServer(pb.RemoveServerRequest(name="ops"), metadata=OPERATOR, timeout=SECONDS)
    waiting = asyncio.ensure_future(call)

    async def begun() -> bool:
        return bool(ops.actions("registry/RemoveServer"))

    await eventually(begun, SECONDS)
    ops.dispatch.kill()
    with pytest.raises(grpc.aio.AioRpcError):
        await waiting
    await ops.dispatch.start()

    async def unknown() -> bool:
        return [row["status"] for row in ops.actions("registry/RemoveServer")] == ["OUTCOME_UNKNOWN"]

    await eventually(unknown, SECONDS)
    [row] = ops.actions("registry/RemoveServer")
    assert ops.dispatch.channel is not None
    stub = action_log_service_pb2_grpc.ActionLogServiceStub(ops.dispatch.channel)
    again = action_log_service_pb2.SettleActionRequest(id=row["id"], settlement=Settlement.RETRY)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.SettleAction(again, metadata=OPERATOR, timeout=SECONDS)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    done = action_log_service_pb2.SettleActionRequest(id=row["id"], settlement=Settlement.DONE)
    await stub.SettleAction(done, metadata=OPERATOR, timeout=SECONDS)
    assert ops.actions("registry/RemoveServer")[0]["status"] == "SUCCEEDED"
