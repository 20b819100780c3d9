"""The adapter as dispatch sees it: call a tool, list what can be booked, ask whether it works.

Above: the journey, the catalogue, health. Below: `switchboard.adapter.v1` over one channel that is opened once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import orjson
from switchboard.adapter.v1 import (
    adapter_service_pb2,
    adapter_service_pb2_grpc,
    service_mapping_service_pb2,
    service_mapping_service_pb2_grpc,
)

from dispatch_service.call import ToolAnswer
from dispatch_service.principal import Principal
from service_kit.contract.tools import ToolSpec
from service_kit.errors import ERROR_CODE_METADATA
from service_kit.grpc_server import MAX_MESSAGE_BYTES
from service_kit.logging import log
from service_kit.tls import TlsSettings, open_channel

_logger = logging.getLogger(__name__)
_CATALOGUE_SECONDS = 0.3
_CATALOGUE_DEADLINE = 2.0
_CHECK_DEADLINE = 3.0
_SUCCEEDED = adapter_service_pb2.TOOL_OUTCOME_SUCCEEDED
_TOOL_ERROR = adapter_service_pb2.TOOL_OUTCOME_TOOL_ERROR
_POSSIBLE = adapter_service_pb2.EFFECT_CERTAINTY_POSSIBLE


@dataclass(frozen=True, kw_only=True, slots=True)
class BookableService:
    """One of our services as customers see it. `price_from_cents` 0 means that no price is shown."""

    service_id: str
    name: str
    summary: str
    duration_minutes: int
    price_from_cents: int
    currency: str


class AdapterAway(Exception):
    """The adapter does not answer; nothing was called."""


class ToolPort(Protocol):
    """What the journey needs of an adapter."""

    async def call(
        self, tool: ToolSpec, arguments: dict[str, Any], *, principal: Principal, correlation_id: str, key: str, seconds: float
    ) -> ToolAnswer:
        """Call one tool and say what is known of it. Never raises for what a tool or a network does."""
        ...


class AdapterClient:
    """The adapter over gRPC."""

    def __init__(self, target: str, tenant: str, tls: TlsSettings) -> None:
        self._channel = open_channel(
            target,
            "adapter",
            tls,
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                # A restarted adapter is found again within a second, not after gRPC's two-minute back-off.
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1000),
            ],
        )
        self._tools = adapter_service_pb2_grpc.AdapterServiceStub(self._channel)
        self._mappings = service_mapping_service_pb2_grpc.ServiceMappingServiceStub(self._channel)
        self._tenant = tenant
        self._catalogue: tuple[BookableService, ...] = ()
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def call(
        self, tool: ToolSpec, arguments: dict[str, Any], *, principal: Principal, correlation_id: str, key: str, seconds: float
    ) -> ToolAnswer:
        """Call one tool with a deadline of `seconds`."""
        request = adapter_service_pb2.InvokeToolRequest(
            server=tool.server,
            tool=tool.name,
            arguments_json=orjson.dumps(arguments),
            idempotency_key="" if tool.reads_only else key,
            correlation_id=correlation_id,
            principal=adapter_service_pb2.Principal(
                tenant=principal.tenant, subject=principal.subject, kind=principal.kind, role=principal.role
            ),
        )
        try:
            reply = await self._tools.InvokeTool(request, timeout=seconds)
        except grpc.aio.AioRpcError as problem:
            return _lost(problem, tool)
        return ToolAnswer(
            succeeded=reply.outcome == _SUCCEEDED,
            possible_effect=reply.effect == _POSSIBLE and not tool.reads_only,
            from_tool=reply.outcome in {_SUCCEEDED, _TOOL_ERROR},
            result=orjson.loads(reply.result_json) if reply.result_json else {},
            code=reply.error_code,
            message=reply.error_message,
            error_field=reply.error_field,
            retryable=reply.retryable,
        )

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
            reply = await self._tools.CheckServer(request, timeout=_CHECK_DEADLINE)
        except grpc.aio.AioRpcError:
            return "The adapter does not answer."
        return "" if reply.healthy else reply.message or "The tool server does not answer."

    async def _read_catalogue(self) -> None:
        request = service_mapping_service_pb2.ListServiceMappingsRequest(tenant=self._tenant)
        try:
            reply = await self._mappings.ListServiceMappings(request, timeout=_CATALOGUE_DEADLINE)
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


def _lost(problem: grpc.aio.AioRpcError, tool: ToolSpec) -> ToolAnswer:
    """The adapter itself did not answer. Only a call that provably never reached it had no effect."""
    log(_logger, logging.WARNING, "the adapter did not answer", tool=tool.name, status=problem.code().name)
    # The adapter says itself that it could not begin, or there was nobody to send it to.
    said_so = any(key == ERROR_CODE_METADATA for key, _ in problem.trailing_metadata() or ())
    unreachable = "connect" in (problem.details() or "").lower()
    never_sent = problem.code() is grpc.StatusCode.UNAVAILABLE and (said_so or unreachable)
    refused = problem.code() in {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
    return ToolAnswer(
        succeeded=False,
        possible_effect=not (tool.reads_only or never_sent or refused),
        code="ADAPTER_AWAY",
        message="The part that calls tools does not answer.",
        retryable=True,
    )
