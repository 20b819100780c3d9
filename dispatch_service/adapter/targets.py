"""The adapters that there are: each with its channel and its stream of calls. The first one is used while it works.

Above: `client`. Below: `stream`, gRPC channels. An adapter that does not work is left alone for a moment, and what it was not yet
sent goes to the next. With one adapter there is nowhere else to go: it is asked again at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Final, TypeAlias, TypeVar

import grpc
from switchboard.adapter.v1 import adapter_service_pb2_grpc, service_mapping_service_pb2_grpc
from switchboard.registry.v1 import server_registry_service_pb2_grpc

from dispatch_service.adapter.stream import CallStream, Lost, PendingCall, Stub
from service_kit.grpc_server import MAX_MESSAGE_BYTES
from service_kit.tls import TlsSettings, open_channel

MAX_CALL_BYTES: Final = MAX_MESSAGE_BYTES - 1024
"""The largest request that fits a message."""

_NAME: Final = "adapter"  # What an adapter's certificate calls it.
_REST_SECONDS: Final = 1.0
_OPEN_SECONDS: Final = 2.0  # How long opening a stream may take where there is another adapter to go to.
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A restarted adapter is found again within a second, not after gRPC's two-minute back-off.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A stream may be silent for long; an adapter whose machine is gone says nothing either.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)

Mappings: TypeAlias = "service_mapping_service_pb2_grpc.ServiceMappingServiceAsyncStub"  # Exists in the stub files only.
Registry: TypeAlias = "server_registry_service_pb2_grpc.ServerRegistryServiceAsyncStub"
Reply = TypeVar("Reply")


class Target:
    """One adapter."""

    def __init__(self, address: str, tls: TlsSettings) -> None:
        self.channel = open_channel(address, _NAME, tls, _OPTIONS)
        self.tools: Stub = adapter_service_pb2_grpc.AdapterServiceStub(self.channel)
        self.mappings: Mappings = service_mapping_service_pb2_grpc.ServiceMappingServiceStub(self.channel)
        self.registry: Registry = server_registry_service_pb2_grpc.ServerRegistryServiceStub(self.channel)
        self.stream: CallStream | None = None
        self.rests_until = 0.0


class Targets:
    """Targets are the adapters at `addresses`, separated by commas, the preferred one first."""

    def __init__(self, addresses: str, tls: TlsSettings) -> None:
        self._targets = [Target(address.strip(), tls) for address in addresses.split(",")]
        self._closed = False

    async def close(self) -> None:
        """End the streams and close the channels."""
        self._closed = True
        for target in self._targets:
            if target.stream is not None:
                await target.stream.close()
            await target.channel.close()

    def put(self, call: PendingCall) -> None:
        """Send a call to an adapter that works, as far as anybody knows."""
        target = next(self._in_order())
        if target.stream is None:
            alone = len(self._targets) == 1
            over = partial(self._over, target, asyncio.get_running_loop().time())
            target.stream = CallStream(target.tools, over, None if alone else _OPEN_SECONDS)
        target.stream.put(call)

    async def ask(self, question: Callable[[Target], Awaitable[Reply]]) -> Reply:
        """Ask an adapter something that any of them can answer. Raises AioRpcError where none does."""
        targets = list(self._in_order())
        for target in targets[:-1]:
            try:
                return await question(target)
            except grpc.aio.AioRpcError as problem:
                # Whoever asks did not count on waiting for a second answer.
                if problem.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    self._rest(target)
                if problem.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                self._rest(target)
        return await question(targets[-1])

    @property
    def preferred(self) -> Target:
        """The adapter that is used as long as it works."""
        return next(self._in_order())

    def _in_order(self) -> Iterator[Target]:
        """Yield the adapters that work, the preferred first, and after them those that rest."""
        now = asyncio.get_running_loop().time()
        for target in self._targets:
            if target.rests_until <= now:
                yield target
        resting = [target for target in self._targets if target.rests_until > now]
        yield from sorted(resting, key=lambda target: target.rests_until)

    def _rest(self, target: Target, tried_for: float = 0.0) -> None:
        # Longer where finding out took long: callers wait for it each time.
        target.rests_until = asyncio.get_running_loop().time() + max(_REST_SECONDS, 10 * tried_for)

    def _over(self, target: Target, begun: float, stream: CallStream, status: str, unsent: list[PendingCall]) -> None:
        target.stream = None
        self._rest(target, 0.0 if stream.opened else asyncio.get_running_loop().time() - begun)
        for call in unsent:
            call.tries += 1
            if self._closed or call.tries >= len(self._targets):
                call.settle(Lost(status, sent=False))
            else:
                self.put(call)
