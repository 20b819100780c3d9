"""The adapter over gRPC, and what the journey needs of one.

Above: the journey, the catalogue, health. Below: `targets` and `conversion`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from switchboard.adapter.v1 import adapter_service_pb2, service_mapping_service_pb2

from dispatch_service.adapter.conversion import answer_of, answer_to, request_of
from dispatch_service.adapter.registry import AdapterAway, RegistryClient
from dispatch_service.adapter.stream import Lost, PendingCall
from dispatch_service.adapter.targets import MAX_CALL_BYTES, Targets
from dispatch_service.call import ToolAnswer
from dispatch_service.principal import Principal
from service_kit.contract.tools import ToolSpec
from service_kit.logging import log
from service_kit.tls import TlsSettings

_logger = logging.getLogger(__name__)
_CATALOGUE_SECONDS = 0.3
_CATALOGUE_DEADLINE = 2.0
_SERVERS_SECONDS = 1.0
_CHECK_DEADLINE = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class BookableService:
    """One of our services as customers see it. `price_from_cents` 0 means that no price is shown."""

    service_id: str
    name: str
    summary: str
    duration_minutes: int
    price_from_cents: int
    currency: str


class ToolPort(Protocol):
    """What the journey needs of an adapter."""

    async def call(
        self,
        tool: ToolSpec,
        arguments: dict[str, Any],
        *,
        principal: Principal,
        correlation_id: str,
        key: str,
        seconds: float,
        dry_run: bool = False,
    ) -> ToolAnswer:
        """Call one tool and say what is known of it. Never raises for what a tool or a network does.

        A dry run asks what the call would do and does nothing: its result is a `switchboard.tool.v1.Preview`. It needs no key.
        A tool that cannot say so answers PREVIEW_UNAVAILABLE. Should `possible_effect` be set all the same, the tool server took
        it for the real call.
        """
        ...


class AdapterClient:
    """The adapters at `target`: one address, or several separated by commas, the preferred one first."""

    def __init__(self, target: str, tenant: str, tls: TlsSettings) -> None:
        self._targets = Targets(target, tls)
        self._tenant = tenant
        self.registry = RegistryClient(self._targets, tenant)
        self._catalogue: tuple[BookableService, ...] = ()
        self._read_at = 0.0
        self._reading = asyncio.Lock()
        self._servers: frozenset[str] = frozenset()
        self._servers_read_at = -math.inf

    async def close(self) -> None:
        """Give up what is under way and close the channels."""
        await self._targets.close()

    async def call(
        self,
        tool: ToolSpec,
        arguments: dict[str, Any],
        *,
        principal: Principal,
        correlation_id: str,
        key: str,
        seconds: float,
        dry_run: bool = False,
    ) -> ToolAnswer:
        """Call one tool with a deadline of `seconds`; with `dry_run`, ask what the call would do."""
        request = request_of(tool, arguments, principal, correlation_id=correlation_id, key=key, dry_run=dry_run)
        outcome = await self._outcome(request, seconds)
        if isinstance(outcome, Lost):
            return answer_to(outcome, tool, dry_run=dry_run)
        if outcome.fault:
            return answer_to(Lost(outcome.fault, sent=False), tool, dry_run=dry_run)
        return answer_of(outcome.answer, tool)

    async def _outcome(
        self, request: adapter_service_pb2.InvokeToolRequest, seconds: float
    ) -> adapter_service_pb2.NumberedAnswer | Lost:
        size = request.ByteSize()
        if size > MAX_CALL_BYTES:
            return Lost("RESOURCE_EXHAUSTED", sent=False)
        loop = asyncio.get_running_loop()
        call = PendingCall(request, loop.time() + seconds, loop.create_future(), size)
        timer = loop.call_at(call.deadline, call.expire)
        try:
            self._targets.put(call)
            return await call.answer
        except asyncio.CancelledError:
            if call.stream is not None:
                call.stream.gave_up(call)
            raise
        finally:
            timer.cancel()

    async def services(self) -> tuple[BookableService, ...]:
        """Return what can be booked, at most a third of a second old; while the adapter is away, what was last known.

        Raises AdapterAway where nothing ever was."""
        if time.monotonic() - self._read_at < _CATALOGUE_SECONDS:
            return self._catalogue
        async with self._reading:
            if time.monotonic() - self._read_at >= _CATALOGUE_SECONDS:
                await self._read_catalogue()
        return self._catalogue

    async def service(self, service_id: str) -> BookableService | None:
        """Return one bookable service, or None where there is none by that id."""
        return next((service for service in await self.services() if service.service_id == service_id), None)

    async def check(self, server: str) -> str:
        """Return an empty string where `server` and what is behind it work, else what does not."""
        request = adapter_service_pb2.CheckServerRequest(server=server)
        try:
            reply = await self._targets.ask(lambda target: target.tools.CheckServer(request, timeout=_CHECK_DEADLINE))
        except grpc.aio.AioRpcError:
            return "The adapter does not answer."
        return "" if reply.healthy else reply.message or "The tool server does not answer."

    async def servers(self) -> frozenset[str]:
        """Return the names of the configured tool servers, a second old at most; while none answers, what was last known."""
        if time.monotonic() - self._servers_read_at >= _SERVERS_SECONDS:
            request = adapter_service_pb2.ListServersRequest()
            try:
                reply = await self._targets.ask(lambda target: target.tools.ListServers(request, timeout=_CATALOGUE_DEADLINE))
            except grpc.aio.AioRpcError as problem:
                log(_logger, logging.WARNING, "the adapter's servers cannot be listed", status=problem.code().name)
            else:
                self._servers = frozenset(server.name for server in reply.servers)
            self._servers_read_at = time.monotonic()
        return self._servers

    async def _read_catalogue(self) -> None:
        request = service_mapping_service_pb2.ListServiceMappingsRequest(tenant=self._tenant)
        try:
            reply = await self._targets.ask(
                lambda target: target.mappings.ListServiceMappings(request, timeout=_CATALOGUE_DEADLINE)
            )
        except grpc.aio.AioRpcError as problem:
            log(_logger, logging.WARNING, "the adapter's service list cannot be read", status=problem.code().name)
            if not self._catalogue:
                raise AdapterAway("the adapter does not answer") from problem
        else:
            self._catalogue = tuple(
                BookableService(
                    service_id=mapping.service_id,
                    name=mapping.name,
                    summary=mapping.summary,
                    duration_minutes=mapping.duration_minutes,
                    price_from_cents=mapping.price_from_cents,
                    currency=mapping.currency,
                )
                for mapping in reply.mappings
            )
        self._read_at = time.monotonic()
