"""Authorizations in real processes, in front of a real tool server: nothing that was allowed happens twice, or is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from switchboard.authorization.v1 import authorization_service_pb2, authorization_service_pb2_grpc

from dispatch_service.verify_log import main as verify_log
from tests.callers import caller
from tests.fix_dispatch import DispatchProcess
from tests.fix_proving import ProvingServer
from tests.integration.adapter.processes import AdapterProcess
from tests.integration.dispatch.authorization_parts import until
from tests.integration.dispatch.test_tool_door import call

AGENT, OPERATOR = caller("agent"), caller("operator")


@pytest.fixture
async def other_dispatch(
    proving_dispatch: DispatchProcess, proving: ProvingServer, proving_adapter: AdapterProcess
) -> AsyncIterator[DispatchProcess]:
    """A second process beside `proving_dispatch`."""
    process = DispatchProcess(proving_dispatch.folder, proving_dispatch.database, proving_adapter.target, proving.environment)
    await process.start()
    yield process
    await process.stop()


async def asked(dispatch: DispatchProcess, thing: str) -> str:
    """Let the agent ask for a removal, and return where that waits."""
    answer = await call(dispatch, "remove", {"thingId": thing}, AGENT, reasoning="It is not needed any more")
    assert answer["error"]["code"] == "AUTHORIZATION_REQUIRED", answer
    return str(answer["authorization"]["queue_id"])


async def allow(dispatch: DispatchProcess, authorization_id: str) -> dict[str, Any]:
    """Let an operator allow it."""
    assert dispatch.channel is not None
    stub = authorization_service_pb2_grpc.AuthorizationServiceStub(dispatch.channel)
    request = ParseDict(
        {"id": authorization_id, "decision": "authorized"}, authorization_service_pb2.DecideAuthorizationRequest()
    )
    answer: dict[str, Any] = MessageToDict(await stub.DecideAuthorization(request, timeout=20, metadata=OPERATOR))
    return answer


def statuses(dispatch: DispatchProcess) -> set[str]:
    """How the authorizations stand."""
    return {row["status"] for row in dispatch.rows("select status from dispatch.authorization")}


async def test_replicas_carry_out_what_either_of_them_was_told_to_once(
    proving_dispatch: DispatchProcess, other_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    things = [f"thing-{number}" for number in range(8)]
    for thing in things:
        proving.put(thing)
    waiting = [await asked(proving_dispatch, thing) for thing in things]
    replicas = [proving_dispatch, other_dispatch] * 4
    await asyncio.gather(*(allow(replica, one) for replica, one in zip(replicas, waiting, strict=True)))
    await until(lambda: statuses(proving_dispatch) == {"EXECUTED"})
    assert len(proving.effects(tool="remove")) == len(things)
    assert verify_log(proving_dispatch.database.owner_url) == 0


@pytest.mark.parametrize("moment", ["hold", "hold_after"])
async def test_what_a_killed_process_was_carrying_out_happens_once(
    proving_dispatch: DispatchProcess, proving: ProvingServer, moment: str
) -> None:
    proving.put("thing-1")
    proving.switch("remove", moment)
    waiting = await asked(proving_dispatch, "thing-1")
    await allow(proving_dispatch, waiting)
    await until(lambda: proving_dispatch.rows("select 1 from dispatch.authorization where called_at is not null"))
    await until(lambda: proving.calls(tool="remove"))
    proving_dispatch.kill()
    proving.switches_off()
    await proving_dispatch.start()
    await until(lambda: statuses(proving_dispatch) == {"EXECUTED"}, 60)
    assert len(proving.effects(tool="remove")) == 1
    assert verify_log(proving_dispatch.database.owner_url) == 0


async def test_a_stop_signal_lets_what_is_being_carried_out_finish(
    proving_dispatch: DispatchProcess, proving: ProvingServer
) -> None:
    proving.put("thing-1")
    proving.switch("remove", "hold")
    await allow(proving_dispatch, await asked(proving_dispatch, "thing-1"))
    await until(lambda: proving_dispatch.rows("select 1 from dispatch.authorization where called_at is not null"))
    process = proving_dispatch.process
    assert process is not None
    process.terminate()
    await until(lambda: '"message":"stopped"' in proving_dispatch.log)
    proving.switches_off()
    assert await asyncio.to_thread(process.wait, 20) == 0
    assert statuses(proving_dispatch) == {"EXECUTED"}
    [row] = proving_dispatch.rows("select status from dispatch.action")
    assert row["status"] == "SUCCEEDED"
