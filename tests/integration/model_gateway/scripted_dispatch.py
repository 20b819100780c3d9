"""A dispatch service that answers as a test says and remembers what it was asked, on a unix socket.

Above: tests of the gateway alone. Below: grpc.aio without certificates: what is tested is between the door and dispatch.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.struct_pb2 import Struct
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from switchboard.authorization.v1 import authorization_service_pb2, authorization_service_pb2_grpc
from switchboard.dispatch.v1 import error_pb2
from switchboard.tool.v1 import tool_service_pb2, tool_service_pb2_grpc

Request = tool_service_pb2.CallToolRequest
Response = tool_service_pb2.CallToolResponse
Answer = Callable[[Request], Awaitable[Response]]
Authorization = authorization_service_pb2.Authorization
Status = authorization_service_pb2.AuthorizationStatus

WAITS = "auth_0123456789"


def struct(document: dict[str, Any]) -> Struct:
    """A document as a Struct."""
    made = Struct()
    made.update(document)
    return made


def tool(number: int, *, permission: str = "unrestricted", effect: str = "write", **properties: Any) -> tool_service_pb2.Tool:
    """A tool of the size that tools have: some arguments with descriptions, a result with a few fields."""
    arguments = {
        name: {"type": "string", "description": f"What {name} of the thing is meant, as people say it.", "maxLength": 200}
        for name in ("customer", "address", "window", "note")
    }
    result = {name: {"type": ["string", "null"], "description": f"The {name} that came of it."} for name in ("id", "state")}
    made = tool_service_pb2.Tool(
        server=f"server{number % 10}",
        name=f"things.do_{number:03}",
        alias=f"server{number % 10}__things_do_{number:03}",
        title=f"Do thing {number}",
        description=f"does thing {number}, and says what came of it.",
        permission=permission,
        effect=effect,
        sensitive=False,
        idempotent=True,
        input_schema=struct(
            {"type": "object", "properties": {**arguments, **properties}, "additionalProperties": False, "required": ["customer"]}
        ),
        output_schema=struct({"type": "object", "properties": result, "required": ["id", "state"]}),
    )
    made.revision = hashlib.sha256(made.SerializeToString(deterministic=True)).hexdigest()[:16]
    return made


def done(document: dict[str, Any]) -> Response:
    """The answer to a call that was carried out."""
    response = Response(ok=True, correlation_id="c-1")
    response.result.message = "Done."
    response.result.data.update(document)
    return response


def refused(code: str, details: str = "No.", **facts: Any) -> Response:
    """The answer to a call that was not carried out."""
    response = Response(ok=False, correlation_id="c-1")
    response.error.code, response.error.details = error_pb2.ErrorCode.Value(code), details
    response.error.missing_fields.extend(facts.get("missing", ()))
    for field, message in facts.get("wrong", {}).items():
        response.error.field_violations.add(field=field, rule="rule", message=message)
    response.error.retryable = facts.get("retryable", False)
    return response


def waiting() -> Response:
    """The answer to a call that waits for a person."""
    response = refused("AUTHORIZATION_REQUIRED", "A model does not do this by itself.")
    response.authorization.status, response.authorization.queue_id = "authorization_required", WAITS
    response.authorization.reason = "A model does not do this by itself."
    return response


class ScriptedDispatch(tool_service_pb2_grpc.ToolServiceServicer, authorization_service_pb2_grpc.AuthorizationServiceServicer):
    """Lists `tools`, answers calls as `answer` says, and shows `authorizations` by their ids."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Script nothing, and forget what was asked."""
        self.tools = [tool(number) for number in range(5)]
        self.answer: Answer = self._done
        self.authorizations: dict[str, Authorization] = {}
        self.decides: Callable[[Authorization], None] | None = None
        self.asked: list[str] = []
        self.calls: list[Request] = []
        self.metadata: list[dict[str, str]] = []
        self.cancelled = 0

    async def _done(self, request: Request) -> Response:
        return done({"id": "1", "state": None})

    def _note(self, what: str, context: Any) -> None:
        self.asked.append(what)
        self.metadata.append({key: value for key, value in context.invocation_metadata() if isinstance(value, str)})

    async def ListTools(self, request: tool_service_pb2.ListToolsRequest, context: Any) -> tool_service_pb2.ListToolsResponse:
        self._note("names" if request.names_only else "tools", context)
        if not request.names_only:
            return tool_service_pb2.ListToolsResponse(tools=self.tools)
        names = ("server", "name", "alias", "revision", "permission")
        named = [tool_service_pb2.Tool(**{name: getattr(one, name) for name in names}) for one in self.tools]
        return tool_service_pb2.ListToolsResponse(tools=named)

    async def CallTool(self, request: Request, context: Any) -> Response:
        self._note("call", context)
        self.calls.append(request)
        try:
            return await self.answer(request)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def GetAuthorization(self, request: authorization_service_pb2.GetAuthorizationRequest, context: Any) -> Authorization:
        self._note("authorization", context)
        found = self.authorizations.get(request.id)
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "not there")
            raise AssertionError
        shown = Authorization()
        shown.CopyFrom(found)
        if self.decides is not None:
            self.decides(found)
        return shown


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[ScriptedDispatch, str]]:
    """A scripted dispatch and where it listens."""
    server, scripted = grpc.aio.server(), ScriptedDispatch()
    tool_service_pb2_grpc.add_ToolServiceServicer_to_server(scripted, server)
    authorization_service_pb2_grpc.add_AuthorizationServiceServicer_to_server(scripted, server)
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    target = f"unix:{folder}/dispatch.sock"
    server.add_insecure_port(target)
    await server.start()
    try:
        yield scripted, target
    finally:
        await server.stop(0)
