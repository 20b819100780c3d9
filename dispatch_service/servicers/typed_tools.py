"""The `switchboard.tools.*` services: every tool of the contract as the typed RPC that it is, through one generic handler.

Above: the gRPC server. Below: `ToolCalls`, so that a typed call walks the same journey as one by name. A refusal is a gRPC status
with details: google.rpc.ErrorInfo (the published code as its reason) and google.rpc.BadRequest (every problem).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from switchboard.dispatch.v1 import error_pb2
from switchboard.tool.v1 import tool_service_pb2

from dispatch_service.servicers import metadata as metadata_of
from dispatch_service.servicers.tools import ToolCalls
from service_kit import errors
from service_kit.contract import validation
from service_kit.contract.parse import struct_to_document
from service_kit.contract.problems import Problem
from service_kit.contract.tools import ToolSpec, tools

REASONING_METADATA = "x-switchboard-reasoning"
THREAD_METADATA = "x-switchboard-thread"

# The one table from published codes to gRPC statuses.
ERROR_OF: Mapping[str, type[errors.ServiceError]] = {
    "MISSING_FIELDS": errors.InvalidArgument,
    "INVALID_ARGUMENT": errors.InvalidArgument,
    "UNAUTHENTICATED": errors.Unauthenticated,
    "FORBIDDEN": errors.Forbidden,
    "NOT_FOUND": errors.NotFound,
    "CONFLICT": errors.Conflict,
    "RATE_LIMITED": errors.ResourceExhausted,
    "REASONING_REQUIRED": errors.FailedPrecondition,
    "AUTHORIZATION_REQUIRED": errors.FailedPrecondition,
    "DENIED": errors.Forbidden,
    "INTEGRATION_DOWN": errors.Unavailable,
    "OUTCOME_UNKNOWN": errors.OutcomeUnknown,
    "INTERNAL": errors.Internal,
}


def typed_tool_handlers(calls: ToolCalls) -> list[grpc.GenericRpcHandler]:
    """Return a handler for every tool service of the contract."""
    by_service: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
    for tool in tools().values():
        service, _, method = tool.rpc.rpartition(".")
        by_service.setdefault(service, {})[method] = grpc.unary_unary_rpc_method_handler(
            _behaviour(calls, tool), request_deserializer=tool.messages[0].FromString, response_serializer=_serialized
        )
    return [grpc.method_handlers_generic_handler(service, methods) for service, methods in by_service.items()]


def _behaviour(calls: ToolCalls, tool: ToolSpec) -> Callable[[Message, Any], Awaitable[Message]]:
    _, output = tool.messages

    async def call(request: Message, context: Any) -> Message:
        metadata = metadata_of.of(context)
        envelope = tool_service_pb2.CallToolRequest(
            server=tool.server,
            tool=tool.name,
            reasoning=metadata.get(REASONING_METADATA, ""),
            thread_id=metadata.get(THREAD_METADATA, ""),
        )
        answer = await calls.start(context, tool, request, validation.check(request), envelope)
        if not answer.ok:
            raise _status(answer)
        return ParseDict(struct_to_document(answer.result.data), output(), ignore_unknown_fields=True)

    return call


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


def _status(answer: tool_service_pb2.CallToolResponse) -> errors.ServiceError:
    code = error_pb2.ErrorCode.Name(answer.error.code)
    problems = [
        *(Problem(path=path, rule="required", message="This is needed.", missing=True) for path in answer.error.missing_fields),
        *(
            Problem(path=violation.field, rule=violation.rule, message=violation.message)
            for violation in answer.error.field_violations
        ),
    ]
    facts = {
        "correlationId": answer.correlation_id,
        "retryable": "true" if answer.error.retryable else "false",
        "queueId": answer.authorization.queue_id,
    }
    return ERROR_OF[code](
        code, answer.error.details, problems=problems, facts={name: value for name, value in facts.items() if value}
    )
