"""The dispatch service's client of the adapter: calls share messages, a lost stream is said for what it is, others take over."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from switchboard.adapter.v1 import adapter_service_pb2 as pb
from switchboard.adapter.v1 import adapter_service_pb2_grpc as pb_grpc

from dispatch_service.adapter import AdapterAway, AdapterClient
from dispatch_service.call import ToolAnswer
from dispatch_service.principal import Principal
from service_kit.contract.tools import tools
from service_kit.tls import TlsSettings
from tests.fix_sandbox import free_port
from tests.integration.adapter.calls import BOOK, LOOK
from tests.integration.adapter.conftest import Adapters
from tests.integration.adapter.processes import AdapterProcess, ToolProcess, eventually

PRINCIPAL = Principal(tenant="demo", subject="someone", kind="human", role="customer", tier="T1", buildings=("b-1",))


class Client:
    """A client of adapters, and calls through it."""

    def __init__(self, *targets: str) -> None:
        self.adapter = AdapterClient(",".join(targets), "demo", TlsSettings(listen="unix:unused", tls="off"))

    async def book(self, behave: str = "", *, seconds: float = 20, **options: Any) -> ToolAnswer:
        """Call the tool that books."""
        return await self._call(BOOK, behave, seconds, **options)

    async def look(self, behave: str = "", *, seconds: float = 20, **options: Any) -> ToolAnswer:
        """Call the tool that reads."""
        return await self._call(LOOK, behave, seconds, **options)

    async def _call(self, name: str, behave: str, seconds: float, **options: Any) -> ToolAnswer:
        arguments = {"serviceHcpId": "drain-cleaning", "behave": behave, **options.pop("arguments", {})}
        return await self.adapter.call(
            tools()["housecall_pro", name],
            arguments,
            principal=PRINCIPAL,
            correlation_id="corr-1",
            key="key-1",
            seconds=seconds,
            **options,
        )


@asynccontextmanager
async def client_of(*targets: str) -> AsyncIterator[Client]:
    """A client, closed at the end."""
    client = Client(*targets)
    try:
        yield client
    finally:
        await client.adapter.close()


@pytest.fixture
async def client(adapter: AdapterProcess) -> AsyncIterator[Client]:
    """A client of the module's adapter."""
    async with client_of(adapter.target) as opened:
        yield opened


class Echoing(pb_grpc.AdapterServiceServicer):
    """An adapter that answers every call at once, and keeps the messages that it was sent."""

    def __init__(self) -> None:
        self.messages: list[pb.InvokeToolsRequest] = []

    async def InvokeTools(self, requests: Any, context: Any) -> None:  # type: ignore[override]
        await context.send_initial_metadata((("x-switchboard-stream", "open"),))
        while (message := await context.read()) is not grpc.aio.EOF:
            self.messages.append(message)
            done = pb.InvokeToolResponse(outcome=pb.TOOL_OUTCOME_SUCCEEDED)
            answers = [pb.NumberedAnswer(number=call.number, answer=done) for call in message.calls]
            await context.write(pb.InvokeToolsResponse(answers=answers))


@asynccontextmanager
async def serving(folder: Path, servicer: pb_grpc.AdapterServiceServicer) -> AsyncIterator[str]:
    """A gRPC server with `servicer`, and its target."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 8 * 1024 * 1024)])
    pb_grpc.add_AdapterServiceServicer_to_server(servicer, server)
    target = f"unix:{folder}/scripted-{free_port()}.sock"
    server.add_insecure_port(target)
    await server.start()
    yield target
    await server.stop(0)


def counting(tool: ToolProcess, name: str, more: int) -> Callable[[], Any]:
    """A condition: the tool server counted `more` of something from now on."""
    before = tool.state().get(name, 0)

    async def enough() -> bool:
        return (await asyncio.to_thread(tool.state)).get(name, 0) >= before + more

    return enough


def is_away(answer: ToolAnswer, *, possible_effect: bool) -> bool:
    """Whether an answer says that the adapter is away, and as much of the effect."""
    return (answer.code, answer.possible_effect, answer.retryable) == ("ADAPTER_AWAY", possible_effect, True)


async def test_calls_that_are_made_together_share_a_message(folder: Path) -> None:
    servicer = Echoing()
    async with serving(folder, servicer) as target, client_of(target) as client:
        assert (await client.book()).succeeded
        answers = await asyncio.gather(*(client.book() for _ in range(40)))
    assert all(answer.succeeded for answer in answers)
    assert [len(message.calls) for message in servicer.messages] == [1, 40]


async def test_large_calls_are_spread_over_messages_and_one_that_fits_none_hurts_no_other(folder: Path) -> None:
    servicer = Echoing()
    async with serving(folder, servicer) as target, client_of(target) as client:
        large = [client.book(arguments={"notes": "x" * 900_000}) for _ in range(12)]
        *answers, refused = await asyncio.gather(*large, client.book(arguments={"notes": "x" * 9_000_000}))
        assert all(answer.succeeded for answer in answers)
        assert is_away(refused, possible_effect=False)
    assert max(len(message.calls) for message in servicer.messages) == 1


async def test_each_of_many_calls_gets_its_own_answer(client: Client) -> None:
    answers = await asyncio.gather(*(client.book(arguments={"n": number}) for number in range(200)))
    assert [answer.result["arguments"]["n"] for answer in answers] == list(range(200))


async def test_a_slow_call_does_not_delay_the_others(client: Client) -> None:
    held = asyncio.create_task(client.book("hold", seconds=3))
    began = time.monotonic()
    for _ in range(20):
        assert (await client.book()).succeeded
    assert time.monotonic() - began < 2.5
    assert not held.done()
    assert (await held).code == "TIMEOUT"


@pytest.mark.requirement("S3.7")
async def test_the_principal_travels_with_what_it_is_limited_to(client: Client) -> None:
    token = (await client.book()).result["meta"]["switchboard.dev/principal"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["tier"], claims["buildings"]) == ("someone", "T1", ["b-1"])


async def test_a_dry_run_brings_the_preview_and_one_that_was_not_understood_a_possible_effect(client: Client) -> None:
    preview = await client.book("preview", dry_run=True)
    assert preview.succeeded
    assert not preview.possible_effect
    assert "switchboard.dev/idempotency-key" not in preview.result["meta"]
    misunderstood = await client.book("", dry_run=True)
    assert (misunderstood.succeeded, misunderstood.code, misunderstood.possible_effect) == (False, "PROTOCOL_ERROR", True)
    assert (await client.look("preview", dry_run=True)).code == "PREVIEW_UNAVAILABLE"


async def test_a_waiter_that_goes_away_hurts_no_other(client: Client, tool: ToolProcess) -> None:
    begun = counting(tool, "begun", 2)
    leaving, staying = (asyncio.create_task(client.book("hold", seconds=1.5)) for _ in range(2))
    await eventually(begun, 5)
    leaving.cancel()
    unsent = asyncio.create_task(client.book())
    asyncio.get_running_loop().call_soon(unsent.cancel)
    assert (await client.book()).succeeded
    assert (await staying).code == "TIMEOUT"
    assert leaving.cancelled()
    assert unsent.cancelled()


async def test_an_adapter_that_is_away_did_nothing(folder: Path) -> None:
    async with client_of(f"unix:{folder}/nobody.sock") as client:
        assert is_away(await client.book(), possible_effect=False)
        assert await client.adapter.check("housecall_pro") == "The adapter does not answer."
        with pytest.raises(AdapterAway):
            await client.adapter.services()


async def test_an_adapter_without_streams_did_nothing(folder: Path) -> None:
    async with serving(folder, pb_grpc.AdapterServiceServicer()) as target, client_of(target) as client:
        assert is_away(await client.book(), possible_effect=False)


async def test_an_adapter_that_dies_ends_what_is_under_way_and_the_next_call_finds_its_successor(
    adapters: Adapters, tool: ToolProcess
) -> None:
    process = adapters()
    async with client_of(process.target) as client:
        begun = counting(tool, "begun", 3)
        calls = [client.book("hold"), client.look("hold"), client.book("hold", dry_run=True)]
        under_way = asyncio.gather(*calls)
        await eventually(begun, 5)
        os.kill(process.pid, signal.SIGKILL)
        write, read, dry_run = await under_way
        assert is_away(write, possible_effect=True)
        assert is_away(read, possible_effect=False)
        assert is_away(dry_run, possible_effect=False)
        assert is_away(await client.book(), possible_effect=False)
        await asyncio.to_thread(process.start)

        async def back() -> bool:
            return (await client.book()).succeeded

        await eventually(back, 10)


async def test_an_adapter_that_is_stopped_and_started_under_load_loses_no_call_that_it_took(
    adapters: Adapters,
) -> None:
    process = adapters()
    async with client_of(process.target) as client:
        stopped = asyncio.Event()

        async def caller() -> list[ToolAnswer]:
            answers = []
            while not stopped.is_set():
                answers.append(await client.book())
            return answers

        callers = [asyncio.create_task(caller()) for _ in range(8)]
        await client.book()
        assert await asyncio.to_thread(process.terminate) == 0
        stopped.set()
        answers = [answer for made in await asyncio.gather(*callers) for answer in made]
    assert any(answer.succeeded for answer in answers)
    assert all(answer.succeeded or is_away(answer, possible_effect=False) for answer in answers)


async def test_a_frozen_adapter_holds_nobody_past_the_deadline_and_is_used_again_when_it_goes_on(adapters: Adapters) -> None:
    process = adapters()
    async with client_of(process.target) as client:
        assert (await client.book()).succeeded
        os.kill(process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert is_away(await client.book(seconds=0.5), possible_effect=True)
            assert is_away(await client.book(seconds=0.5), possible_effect=False), "the second was never sent"
            assert time.monotonic() - began < 3
        finally:
            os.kill(process.pid, signal.SIGCONT)
        assert (await client.book(seconds=10)).succeeded


async def test_another_adapter_takes_over_from_one_that_is_away_dies_or_freezes(adapters: Adapters, folder: Path) -> None:
    first, second = adapters(), adapters()
    async with client_of(f"unix:{folder}/nobody.sock", first.target, second.target) as client:
        assert (await client.book()).succeeded
        os.kill(first.pid, signal.SIGKILL)
        answers = await asyncio.gather(*(client.book() for _ in range(20)))
        answers += [await client.book() for _ in range(20)]
        assert sum(answer.succeeded for answer in answers) >= 20
        assert await client.adapter.check("housecall_pro") == ""
        assert await client.adapter.services()
    async with client_of(second.target, adapters().target) as client:
        assert (await client.book()).succeeded
        os.kill(second.pid, signal.SIGSTOP)
        try:
            assert is_away(await client.book(seconds=0.5), possible_effect=True)
            assert (await client.book(seconds=10)).succeeded
        finally:
            os.kill(second.pid, signal.SIGCONT)
