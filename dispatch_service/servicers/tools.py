"""ToolService: any tool by its name, and what there is for the caller.

Above: the gRPC server. Below: the journey, the listing, and `ToolCalls`, which typed calls share.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from google.protobuf.message import Message
from switchboard.tool.v1 import tool_service_pb2, tool_service_pb2_grpc

from dispatch_service.call import TOOL, Call, Refusal
from dispatch_service.doors.tools import name_of
from dispatch_service.foreign import ToolCatalogue
from dispatch_service.foreign.arguments import ForeignArguments
from dispatch_service.foreign.tool import whole_numbers
from dispatch_service.journey import Journey
from dispatch_service.listing import Listing
from dispatch_service.principal import Realm, require_token
from dispatch_service.servicers import metadata as metadata_of
from dispatch_service.tool_calls import ModelCalls
from service_kit.contract import validation
from service_kit.contract.parse import struct_to_document
from service_kit.contract.problems import Problem, first_per_path
from service_kit.contract.tools import ToolSpec
from service_kit.errors import InvalidArgument, Unavailable
from service_kit.keys import Keyring

Request = tool_service_pb2.CallToolRequest
Response = tool_service_pb2.CallToolResponse
ListResponse = tool_service_pb2.ListToolsResponse
_OPENAI = "openai"


class ToolCalls:
    """From a tool, its arguments and what stands around them to a call, and on to the journey."""

    def __init__(self, *, realm: Realm, journey: Journey, keys: Keyring, catalogue: ToolCatalogue) -> None:
        self._realm = realm
        self._journey = journey
        self._keys = keys
        self._catalogue = catalogue
        self._foreign = ForeignArguments(catalogue)

    def find(self, context: Any, server: str, name: str) -> ToolSpec | None:
        """Return a tool that is there for the caller, or None. Raises Unauthenticated, and Unavailable where nobody knows."""
        principal = require_token(metadata_of.of(context), self._realm)
        tool = self._catalogue.find_for(principal, server, name)
        if tool is None and not self._catalogue.knows(server):
            raise Unavailable("INTEGRATION_DOWN", "Which third-party tools there are is not known just now. Try again.")
        return tool

    async def by_name(
        self, context: Any, tool: ToolSpec | None, document: dict[str, Any], envelope: Request, problems: Sequence[Problem] = ()
    ) -> Response:
        """Call `tool` with loose arguments, which are checked against what it takes. `problems` are reasons not to read them."""
        if tool is not None and tool.foreign:
            return await self._untyped(context, tool, whole_numbers(document), envelope, problems)
        payload = tool.messages[0]() if tool is not None else None
        if payload is not None and not problems:
            problems = validation.read_document(document, payload, "arguments")
        return await self.start(context, tool, payload, problems, envelope)

    async def _untyped(
        self, context: Any, tool: ToolSpec, document: dict[str, Any], envelope: Request, problems: Sequence[Problem]
    ) -> Response:
        refusal = None
        try:
            # What is not called for another reason is not held to a schema first.
            if not problems and not self._catalogue.unavailable(tool):
                problems = await self._foreign.problems(tool, document, "arguments")
        except Refusal as refused:
            refusal = refused
        return await self.start(context, tool, None, problems, envelope, untyped=document, refusal=refusal)

    async def start(
        self,
        context: Any,
        tool: ToolSpec | None,
        payload: Message | None,
        problems: Sequence[Problem],
        envelope: Request,
        *,
        untyped: dict[str, Any] | None = None,
        refusal: Refusal | None = None,
    ) -> Response:
        """Call `tool`. `problems` are those of the payload; the envelope is checked here."""
        metadata = metadata_of.of(context)
        principal = require_token(metadata, self._realm)
        if not envelope.idempotency_key:
            envelope.idempotency_key = metadata.get("idempotency-key", "")
        found = [*validation.check(envelope), *problems]
        call = Call(
            door=TOOL,
            action=name_of(tool) if tool is not None else "",
            tool=tool,
            payload=payload,
            untyped=untyped,
            refusal=refusal,
            problems=first_per_path(found),
            thread_id=envelope.thread_id if envelope.thread_id.isprintable() else "",
            session_id="",
            idempotency_key=envelope.idempotency_key,
            principal=principal,
            correlation_id=metadata_of.correlation_id(metadata),
            client=metadata_of.client(metadata, "", self._keys),
            reasoning=envelope.reasoning,
            dry_run=envelope.dry_run,
            confirm=envelope.confirm,
        )
        answer = await self._journey.start(call)
        if not isinstance(answer, Response):
            raise TypeError("the door for tools answers with a CallToolResponse")
        return answer


class ToolServicer(tool_service_pb2_grpc.ToolServiceServicer):
    """The door for tools."""

    def __init__(self, *, realm: Realm, calls: ToolCalls, listing: Listing, keys: Keyring) -> None:
        self._realm = realm
        self._calls = calls
        self._listing = listing
        self._keys = keys

    async def CallTool(self, request: Request, context: Any) -> Response:
        """Call one tool with loose JSON arguments, which are checked against the tool's message."""
        tool = self._calls.find(context, request.server, request.tool)
        answer = await self._calls.by_name(context, tool, struct_to_document(request.arguments), request)
        # What was asked for is said back as it was asked, also where there is no such tool.
        answer.server, answer.tool = request.server[:100], request.tool[:128]
        return answer

    async def ExecuteToolCalls(
        self, request: tool_service_pb2.ExecuteToolCallsRequest, context: Any
    ) -> tool_service_pb2.ExecuteToolCallsResponse:
        """Carry out the tool calls of a model's reply."""
        principal = require_token(metadata_of.of(context), self._realm)
        problems = [*validation.check(request), *_repeated_ids(request)]
        if problems:
            named = ", ".join(problem.path for problem in problems)
            raise InvalidArgument("INVALID_ARGUMENT", f"Check these parameters: {named}.", problems=problems)
        calls = ModelCalls(partial(self._calls.by_name, context), partial(self._keys.short_hash, "tool call"))
        return await calls.execute(request, await self._listing.aliases(principal))

    async def ListTools(self, request: tool_service_pb2.ListToolsRequest, context: Any) -> ListResponse:
        """List what the caller may call, at least after somebody's decision."""
        principal = require_token(metadata_of.of(context), self._realm)
        problems = validation.check(request)
        if problems:
            raise InvalidArgument("INVALID_ARGUMENT", "Check these parameters: server, format.", problems=problems)
        if request.format == _OPENAI:
            return ListResponse(tools=await self._listing.functions(principal, request.server))
        listed = await self._listing.tools(principal, names_only=request.names_only)
        return ListResponse(tools=[tool for tool in listed if not request.server or tool.server == request.server])

    async def GetCapabilities(
        self, request: tool_service_pb2.GetCapabilitiesRequest, context: Any
    ) -> tool_service_pb2.GetCapabilitiesResponse:
        """The same by domain."""
        principal = require_token(metadata_of.of(context), self._realm)
        return tool_service_pb2.GetCapabilitiesResponse(success=True, data=await self._listing.capabilities(principal))


def _repeated_ids(request: tool_service_pb2.ExecuteToolCallsRequest) -> list[Problem]:
    """A tool call's id is what it is known by, so no two have the same."""
    seen: set[str] = set()
    problems = []
    for index, call in enumerate(request.tool_calls):
        if call.id in seen:
            problems.append(Problem(path=f"tool_calls[{index}].id", rule="unique", message="Each call has an id of its own."))
        seen.add(call.id)
    return problems
