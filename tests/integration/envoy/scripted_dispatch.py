"""A grpc.aio server in the place of dispatch_service: it serves every public RPC of the contract and answers as told.

Above: the front door's tests. Below: the contract's descriptor image, grpc.aio in a thread with its own event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

_START_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How the next calls are answered: with a message (given as JSON), or with a status.

    `begin_early` sends the initial metadata first, so that the status comes in trailers; `messages_first` are sent on a stream
    before it ends. `wait` holds the answer back until it is set.
    """

    message: dict[str, Any] = field(default_factory=dict)
    status: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""
    trailers: tuple[tuple[str, str | bytes], ...] = ()
    begin_early: bool = False
    messages_first: int = 1
    wait: threading.Event | None = None


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call as it arrived."""

    method: str
    request: dict[str, Any]
    metadata: dict[str, str]


class ScriptedDispatch:
    """Serves on a unix socket until closed. Set `answer`; read `calls`."""

    def __init__(self, image: Path, socket: Path) -> None:
        self.address = f"unix:{socket}"
        self.answer = Answer()
        self.calls: list[Call] = []
        self._image = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        if not self._started.wait(_START_SECONDS):
            raise TimeoutError("the scripted dispatch server did not start")

    def close(self) -> None:
        """Stop serving at once, breaking the calls under way."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_START_SECONDS)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", 8 * 1024 * 1024)])
        server.add_generic_rpc_handlers(tuple(self._handlers()))
        readiness = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(readiness, server)
        await readiness.set("", health_pb2.HealthCheckResponse.SERVING)
        server.add_insecure_port(self.address)
        await server.start()
        self._started.set()
        await self._stopping.wait()
        await server.stop(None)

    def _handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        pool = descriptor_pool.DescriptorPool()
        for file in self._image.file:
            pool.Add(file)
        return [
            grpc.method_handlers_generic_handler(
                f"{file.package}.{service.name}",
                {method.name: self._handler(pool, f"{file.package}.{service.name}", method) for method in service.method},
            )
            for file in self._image.file
            for service in file.service
        ]

    def _handler(
        self, pool: descriptor_pool.DescriptorPool, service: str, method: descriptor_pb2.MethodDescriptorProto
    ) -> grpc.RpcMethodHandler[Any, Any]:
        takes = message_factory.GetMessageClass(pool.FindMessageTypeByName(method.input_type[1:]))
        gives = message_factory.GetMessageClass(pool.FindMessageTypeByName(method.output_type[1:]))
        path = f"/{service}/{method.name}"

        async def one(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
            await self._play(path, request, context)
            return json_format.ParseDict(self.answer.message, gives())

        async def many(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Message]:
            answer = self.answer
            if answer.messages_first == 0:
                await self._play(path, request, context)
            for _ in range(answer.messages_first):
                yield json_format.ParseDict(answer.message, gives())
            if answer.messages_first:
                await self._play(path, request, context)

        make, behaviour = (
            (grpc.unary_stream_rpc_method_handler, many)
            if method.server_streaming
            else (grpc.unary_unary_rpc_method_handler, one)
        )
        return make(behaviour, request_deserializer=takes.FromString, response_serializer=gives.SerializeToString)

    async def _play(self, path: str, request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        answer = self.answer
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        self.calls.append(Call(method=path, request=json_format.MessageToDict(request), metadata=metadata))
        if answer.begin_early:
            await context.send_initial_metadata(())
        if answer.wait is not None:
            await asyncio.to_thread(answer.wait.wait, _START_SECONDS)
        if answer.status is not grpc.StatusCode.OK:
            await context.abort(answer.status, answer.details, answer.trailers)
