"""The adapter's register of third-party servers, asked on behalf of this service's company.

Above: `foreign`, which reads it in the background, and the public registry, which hands an operator's calls on. Below: `targets`.
What the adapter refuses is raised as it said it; where it does not answer, a change may have been made all the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from switchboard.registry.v1 import server_registry_service_pb2 as pb

from dispatch_service.adapter.targets import Targets
from service_kit import errors
from service_kit.contract.problems import Problem

TENANT_METADATA: Final = "x-switchboard-tenant"
ACTOR_METADATA: Final = "x-switchboard-actor"
CORRELATION_METADATA: Final = "x-correlation-id"

_LONGEST_ACTOR: Final = 200
_READ_SECONDS: Final = 3.0
_CHANGE_SECONDS: Final = 90.0  # The adapter may have to start the server, and look at it, first.

# What an adapter says that is alive and did not do it. Everything else may have been done.
_REFUSALS: Final = (
    errors.InvalidArgument,
    errors.Forbidden,
    errors.NotFound,
    errors.AlreadyExists,
    errors.Conflict,
    errors.FailedPrecondition,
    errors.ResourceExhausted,
    errors.Unimplemented,
)
_BY_STATUS: Final = {errors.STATUS_OF[kind]: kind for kind in _REFUSALS}
Response = TypeVar("Response", bound=Message)


class AdapterAway(Exception):
    """The adapter does not answer; nothing was called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asker:
    """On whose behalf the register is asked, and in which call."""

    actor: str
    correlation_id: str = ""


_READER: Final = Asker(actor="dispatch")


class RegistryClient:
    """The register of the company `tenant`."""

    def __init__(self, targets: Targets, tenant: str) -> None:
        self._targets = targets
        self._tenant = tenant

    async def registered(self) -> Sequence[pb.RegisteredServer]:
        """Return the servers without their tools; none where the adapter keeps no register. Raises AdapterAway."""
        request, metadata = pb.ListRegisteredServersRequest(), self._metadata(_READER)
        try:
            reply = await self._targets.ask(
                lambda target: target.registry.ListRegisteredServers(request, timeout=_READ_SECONDS, metadata=metadata)
            )
        except grpc.aio.AioRpcError as problem:
            if problem.code() is grpc.StatusCode.UNIMPLEMENTED:
                return ()
            raise AdapterAway(problem.code().name) from None
        return tuple(reply.servers)

    async def server(self, name: str) -> pb.RegisteredServer | None:
        """Return one server with its tools, or None where there is none. Raises AdapterAway."""
        request, metadata = pb.GetRegisteredServerRequest(name=name), self._metadata(_READER)
        try:
            return await self._targets.ask(
                lambda target: target.registry.GetRegisteredServer(request, timeout=_READ_SECONDS, metadata=metadata)
            )
        except grpc.aio.AioRpcError as problem:
            if problem.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise AdapterAway(problem.code().name) from None

    async def hand_on(self, rpc: str, request: Message, answer: type[Response], by: Asker) -> Response:
        """Make the call of that name. Raises ServiceError: one of `refused` where nothing was changed."""
        try:
            reply = await getattr(self._targets.preferred.registry, rpc)(
                request, timeout=_CHANGE_SECONDS, metadata=self._metadata(by)
            )
        except grpc.aio.AioRpcError as problem:
            raise _as_error(problem) from None
        if not isinstance(reply, answer):
            raise TypeError(f"{rpc} answers with another message")
        return reply

    async def register(self, request: pb.RegisterServerRequest, by: Asker) -> AsyncIterator[pb.RegisterServerResponse]:
        """Register a server, and yield each step as it is told. Raises as `hand_on`."""
        call = self._targets.preferred.registry.RegisterServer(request, timeout=_CHANGE_SECONDS, metadata=self._metadata(by))
        try:
            async for step in call:
                yield step
        except grpc.aio.AioRpcError as problem:
            raise _as_error(problem) from None

    def _metadata(self, by: Asker) -> tuple[tuple[str, str], ...]:
        # Metadata are ASCII; a subject need not be.
        actor = by.actor.encode("ascii", "backslashreplace").decode("ascii")[:_LONGEST_ACTOR]
        known = ((TENANT_METADATA, self._tenant), (ACTOR_METADATA, actor))
        return (*known, (CORRELATION_METADATA, by.correlation_id)) if by.correlation_id else known


def refused(problem: errors.ServiceError) -> bool:
    """Whether the adapter said that it did not do it."""
    return isinstance(problem, _REFUSALS)


def _as_error(problem: grpc.aio.AioRpcError) -> errors.ServiceError:
    kind = _BY_STATUS.get(problem.code())
    if kind is None:
        return errors.Unavailable("INTEGRATION_DOWN", "The part that keeps third-party servers does not answer.")
    status = rpc_status.from_call(problem)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details if status is not None else ():
        detail.Unpack(info)
        detail.Unpack(bad)
    problems = [Problem(path=one.field, rule=one.reason, message=one.description) for one in bad.field_violations]
    return kind(info.reason or problem.code().name, problem.details() or "", problems=problems)
