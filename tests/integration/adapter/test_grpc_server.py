"""The server and the errors that every service shares: what a raised error looks like to a client."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from service_kit import errors
from service_kit.contract.problems import Problem
from service_kit.grpc_server import CannotListen, build_server, error_interceptor
from service_kit.postgres import DatabaseUnavailable
from service_kit.tls import TlsSettings


def plain(listen: str) -> TlsSettings:
    """Settings of a server without certificates."""
    return TlsSettings(listen=listen, tls="off")


@asynccontextmanager
async def serving(folder: Path, behaviour: Callable[..., Any]) -> AsyncIterator[grpc.aio.Channel]:
    """A server with one method `/test.Test/Do`, unary or streaming as `behaviour` is."""
    import inspect

    streams = inspect.isasyncgenfunction(behaviour)
    make = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
    handler = make(behaviour, StringValue.FromString, StringValue.SerializeToString)
    target = f"unix:{folder}/grpc.sock"
    server = build_server(plain(target), (error_interceptor(),), services=("test.Test",))
    server.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", {"Do": handler}),))
    await server.start()
    try:
        async with grpc.aio.insecure_channel(target) as channel:
            yield channel
    finally:
        await server.stop(0)


async def ask(channel: grpc.aio.Channel) -> str:
    do = channel.unary_unary("/test.Test/Do", StringValue.SerializeToString, StringValue.FromString)
    return str((await do(StringValue())).value)


async def read(channel: grpc.aio.Channel) -> list[str]:
    do = channel.unary_stream("/test.Test/Do", StringValue.SerializeToString, StringValue.FromString)
    return [reply.value async for reply in do(StringValue())]


@pytest.mark.parametrize(("error", "status"), errors.STATUS_OF.items())
async def test_every_error_of_the_tree_has_its_status_and_carries_its_code(
    folder: Path, error: type[errors.ServiceError], status: grpc.StatusCode
) -> None:
    async def fail(request: StringValue, context: Any) -> StringValue:
        raise error("SOME_CODE", "One clear line.")

    async with serving(folder, fail) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await ask(channel)
    assert (raised.value.code(), raised.value.details()) == (status, "One clear line.")
    assert dict(raised.value.trailing_metadata())["x-switchboard-error-code"] == "SOME_CODE"
    info = error_details_pb2.ErrorInfo()
    rpc_status.from_call(raised.value).details[0].Unpack(info)
    assert (info.reason, info.domain) == ("SOME_CODE", "switchboard")


async def test_problems_travel_as_field_violations_and_a_message_stays_ascii(folder: Path) -> None:
    async def fail(request: StringValue, context: Any) -> StringValue:
        problem = Problem(path="customer.phone", rule="phone", message="This is not a number.")
        raise errors.InvalidArgument("INVALID_ARGUMENT", "Naïve\nline", problems=[problem])

    async with serving(folder, fail) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await ask(channel)
    assert raised.value.details() == "Na?ve?line"
    bad = error_details_pb2.BadRequest()
    rpc_status.from_call(raised.value).details[1].Unpack(bad)
    assert [(item.field, item.reason) for item in bad.field_violations] == [("customer.phone", "phone")]


@pytest.mark.requirement("S3.18")
async def test_an_unforeseen_error_is_internal_its_text_reaches_no_client_and_it_is_logged_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: StringValue, context: Any) -> StringValue:
        raise KeyError("a customer's name")

    with caplog.at_level(logging.ERROR):
        async with serving(folder, fail) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await ask(channel)
    assert raised.value.code() == grpc.StatusCode.INTERNAL
    assert raised.value.details() == "Something broke on our side."
    (record,) = [record for record in caplog.records if record.name.startswith("service_kit")]
    assert record.getMessage() == "unhandled error in a call"


async def test_a_database_that_is_away_is_unavailable(folder: Path) -> None:
    async def fail(request: StringValue, context: Any) -> StringValue:
        raise DatabaseUnavailable("host db.internal")

    async with serving(folder, fail) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await ask(channel)
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "db.internal" not in str(raised.value)
    assert dict(raised.value.trailing_metadata())["x-switchboard-error-code"] == "INTEGRATION_DOWN"


async def test_an_error_in_the_middle_of_a_stream_keeps_what_was_sent_and_its_code(folder: Path) -> None:
    async def fail(request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        yield StringValue(value="one")
        raise errors.NotFound("NOT_FOUND", "No more.")

    async with serving(folder, fail) as channel:
        do = channel.unary_stream("/test.Test/Do", StringValue.SerializeToString, StringValue.FromString)
        replies = do(StringValue())
        assert await replies.read() == StringValue(value="one")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await replies.read()
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


async def test_an_abort_of_the_servicers_own_passes_as_it_is(folder: Path) -> None:
    async def fail(request: StringValue, context: Any) -> StringValue:
        await context.abort(grpc.StatusCode.OUT_OF_RANGE, "as said")
        return StringValue()

    async with serving(folder, fail) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await ask(channel)
    assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.OUT_OF_RANGE, "as said")


async def test_calls_and_streams_without_errors_pass_and_health_is_serving_then_not(folder: Path) -> None:
    async def answer(request: StringValue, context: Any) -> StringValue:
        return StringValue(value="fine")

    async def stream(request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        for word in ("one", "two"):
            yield StringValue(value=word)

    async with serving(folder, answer) as channel:
        assert await ask(channel) == "fine"
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "test.Test"):
            checked = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert checked.status == health_pb2.HealthCheckResponse.SERVING
        unknown = channel.unary_unary("/test.Test/Undone", StringValue.SerializeToString, StringValue.FromString)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await unknown(StringValue())
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
    async with serving(folder, stream) as channel:
        assert await read(channel) == ["one", "two"]


async def test_a_port_in_use_is_one_clear_line() -> None:
    first = build_server(plain("127.0.0.1:0"), (), services=())
    await first.start()
    with pytest.raises(CannotListen, match="cannot listen on"):
        build_server(plain(first.listen), (), services=())
    await first.stop(0)
