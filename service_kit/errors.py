"""The errors that a service answers with, and the one place where raised errors become gRPC statuses.

Above: servicers raise these; `grpc_server` chains `ErrorInterceptor` outermost. Below: grpcio-status and `postgres`'s errors.

    ServiceError                 carries a published `code` and a sentence for a person
    ├── InvalidArgument          INVALID_ARGUMENT     the request breaks the contract; may list every problem
    ├── Unauthenticated          UNAUTHENTICATED      no valid token
    ├── Forbidden                PERMISSION_DENIED    the caller may not
    ├── NotFound                 NOT_FOUND            it does not exist for this caller
    ├── AlreadyExists            ALREADY_EXISTS       it exists and was to be created
    ├── Conflict                 ABORTED              somebody else was faster: read again, then retry
    ├── FailedPrecondition       FAILED_PRECONDITION  not in a state for this; retrying does not help
    ├── ResourceExhausted        RESOURCE_EXHAUSTED   too many calls or too much data
    ├── Unavailable              UNAVAILABLE          a part that this needs does not work now; nothing happened
    ├── DeadlineExceeded         DEADLINE_EXCEEDED    no time left
    ├── OutcomeUnknown           UNKNOWN              it may have happened, or not
    ├── Unimplemented            UNIMPLEMENTED        not offered here
    └── Internal                 INTERNAL             ours to repair

Anything else that a servicer raises is INTERNAL: logged once, without its text, which reaches no client either.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from service_kit.contract.problems import Problem
from service_kit.logging import log
from service_kit.postgres import DatabaseUnavailable

DOMAIN = "switchboard"
ERROR_CODE_METADATA = "x-switchboard-error-code"

_logger = logging.getLogger(__name__)
_MAX_MESSAGE = 500  # A status travels in HTTP/2 headers, which have a limit of their own.


class ServiceError(Exception):
    """An answer instead of a result: `code` is published and constant, `message` is for a person and holds no personal data.

    `facts` are for programs: they travel as the metadata of google.rpc.ErrorInfo.
    """

    def __init__(
        self, code: str, message: str, *, problems: Sequence[Problem] = (), facts: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.problems = tuple(problems)
        self.facts = dict(facts or {})


class InvalidArgument(ServiceError):
    """The request breaks the contract."""


class Unauthenticated(ServiceError):
    """The call needs a token and has none that is valid."""


class Forbidden(ServiceError):
    """The caller may not do this."""


class NotFound(ServiceError):
    """What the call names does not exist for this caller."""


class AlreadyExists(ServiceError):
    """What was to be created exists."""


class Conflict(ServiceError):
    """The state moved on since the caller read it."""


class FailedPrecondition(ServiceError):
    """What the call names is not in a state for this."""


class ResourceExhausted(ServiceError):
    """Too many calls, or too much data."""


class Unavailable(ServiceError):
    """A part that the call needs does not work now; nothing happened."""


class DeadlineExceeded(ServiceError):
    """No time is left."""


class OutcomeUnknown(ServiceError):
    """It may have happened, or not."""


class Unimplemented(ServiceError):
    """Not offered here."""


class Internal(ServiceError):
    """Something broke on our side."""


STATUS_OF: dict[type[ServiceError], grpc.StatusCode] = {
    InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Forbidden: grpc.StatusCode.PERMISSION_DENIED,
    NotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    Conflict: grpc.StatusCode.ABORTED,
    FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    OutcomeUnknown: grpc.StatusCode.UNKNOWN,
    Unimplemented: grpc.StatusCode.UNIMPLEMENTED,
    Internal: grpc.StatusCode.INTERNAL,
    ServiceError: grpc.StatusCode.INTERNAL,
}


def status_of(error: ServiceError) -> grpc.StatusCode:
    """Return the gRPC status of `error`; a subclass without an entry has its parent's."""
    return next(STATUS_OF[cls] for cls in type(error).__mro__ if cls in STATUS_OF)


def rich_status(error: ServiceError) -> status_pb2.Status:
    """Return `error` as google.rpc.Status: ErrorInfo with the code as its reason, BadRequest where problems are known."""
    status = status_pb2.Status(code=getattr(code_pb2, status_of(error).name), message=_header_safe(error.message))
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=error.code, domain=DOMAIN, metadata=error.facts))
    if error.problems:
        bad = error_details_pb2.BadRequest()
        for problem in error.problems:
            bad.field_violations.add(field=problem.path, description=problem.message, reason=problem.rule)
        status.details.add().Pack(bad)
    return status


def _header_safe(message: str) -> str:
    """gRPC would percent-encode anything else, and what reads the header on the way (Envoy, logs) shows it encoded."""
    return "".join(char if " " <= char <= "~" else "?" for char in message[:_MAX_MESSAGE])


Behaviour = Callable[[Any, Any], Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # Generic in the type stubs only.
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]]


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers every error that a servicer raises. Wraps a method's handler on its first call and keeps the wrapped one."""

    def __init__(self) -> None:
        self._wrapped: dict[str, tuple[Handler, Handler]] = {}

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        known = self._wrapped.get(method)
        if known is not None and known[0] is handler:
            return known[1]
        wrapped = wrap_handler(handler, lambda behaviour: _answering(method, behaviour))
        self._wrapped[method] = (handler, wrapped)
        return wrapped


def wrap_handler(handler: Handler, wrap: Callable[[Behaviour], Behaviour]) -> Handler:
    """Return `handler` with its behaviour wrapped, whichever of the four kinds of method it is."""
    kind = f"{'stream' if handler.request_streaming else 'unary'}_{'stream' if handler.response_streaming else 'unary'}"
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    made: Handler = make(
        wrap(getattr(handler, kind)),
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
    return made


def _answering(method: str, behaviour: Behaviour) -> Behaviour:
    if inspect.isasyncgenfunction(behaviour):

        async def stream(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            try:
                async with aclosing(behaviour(request, context)) as replies:
                    async for reply in replies:
                        yield reply
            except Exception as problem:
                await _abort(method, context, problem)

        return stream

    async def unary(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await behaviour(request, context)
        except Exception as problem:
            await _abort(method, context, problem)

    return unary


async def _abort(method: str, context: grpc.aio.ServicerContext[Any, Any], problem: Exception) -> None:
    """End the call with the status of `problem`. Must run inside its `except` block: `log` takes the stack from there."""
    if isinstance(problem, grpc.aio.AbortError):
        raise problem
    if isinstance(problem, ServiceError):
        error = problem
    elif isinstance(problem, DatabaseUnavailable):
        log(_logger, logging.WARNING, "database unavailable during a call", method=method)
        error = Unavailable("INTEGRATION_DOWN", "The database cannot be reached; nothing was called.")
    else:
        log(_logger, logging.ERROR, "unhandled error in a call", exc_info=True, method=method)
        error = Internal("INTERNAL", "Something broke on our side.")
    status = rpc_status.to_status(rich_status(error))
    metadata = (*context.trailing_metadata(), *status.trailing_metadata, (ERROR_CODE_METADATA, error.code))
    await context.abort(status.code, status.details, metadata)
