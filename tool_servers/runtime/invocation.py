"""One tool call from its raw parameters to a finished MCP result.

Above: `mcp_server`. Below: the contract runtime and the servicer's methods.

Results are plain dictionaries in MCP's wire form, with what is the same for every call made once. A refusal is a result too
(`isError`); only an unknown tool is an error of the protocol. A dry run takes the same way to the servicer's preview and is
marked in its result, so that a caller knows that nothing was done.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from service_kit.contract import render
from service_kit.contract.problems import Problem
from service_kit.contract.validation import read_document
from service_kit.logging import log
from service_kit.postgres import DatabaseUnavailable
from tool_servers.runtime.call import DRY_RUN, CallReader, ToolCall
from tool_servers.runtime.catalogue import BoundTool
from tool_servers.runtime.errors import Effect, IntegrationDown, Internal, InvalidArgument, OutcomeUnknown, ToolError
from tool_servers.runtime.metrics import Metrics

ERROR = "switchboard.dev/error"
_PREVIEWED = "PREVIEWED"

_logger = logging.getLogger(__name__)


class Invoker:
    """Calls the tools of one server."""

    def __init__(self, tools: Mapping[str, BoundTool], reader: CallReader, metrics: Metrics) -> None:
        self._tools = {name: _PreparedTool(tool, reader, metrics) for name, tool in tools.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._tools

    async def invoke(self, name: str, arguments: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of the call. Raises MCPError where there is no such tool."""
        tool = self._tools.get(name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, "There is no such tool.")
        return await tool.invoke(arguments, meta)


class _PreparedTool:
    """One tool with all that its calls have in common."""

    def __init__(self, tool: BoundTool, reader: CallReader, metrics: Metrics) -> None:
        self._tool = tool
        self._name = tool.spec.name
        self._method = tool.method
        self._preview = tool.preview
        self._input, _ = tool.spec.messages
        self._writes = tool.writes
        self._reader = reader
        self._metrics = metrics.tool(tool.spec.name)
        self._done = [{"type": "text", "text": f"{tool.spec.title}: done."}]
        self._nothing_done = [{"type": "text", "text": f"{tool.spec.title}: this is what it would do; nothing was done."}]

    async def invoke(self, arguments: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        code = "OK"
        try:
            call = self._reader.read(meta, writes=self._writes)
            request = self._read(arguments)
            if call.dry_run:
                code = _PREVIEWED
                return await self._dry_run(request, call)
            response = await self._call(request, call)
            return {
                "content": self._done,
                "structuredContent": render.result(response),
                "isError": False,
                "resultType": "complete",
            }
        except ToolError as problem:
            code = problem.code
            return _refusal(problem)
        finally:
            self._metrics.record(code, time.perf_counter() - started)

    def _read(self, arguments: Mapping[str, Any]) -> Message:
        request = self._input()
        problems = read_document(dict(arguments), request)
        if problems:
            raise _invalid(problems)
        return request

    async def _dry_run(self, request: Message, call: ToolCall) -> dict[str, Any]:
        return {
            "content": self._nothing_done,
            "structuredContent": render.arguments(await self._call(request, call)),
            "isError": False,
            "resultType": "complete",
            "_meta": {DRY_RUN: True},
        }

    async def _call(self, request: Message, call: ToolCall) -> Message:
        method = self._preview if call.dry_run else self._method
        if method is None:
            # `read` has refused a dry run of a tool that only reads; were it here, the tool must not run in its place.
            raise self._broken(call)
        # A servicer keeps within the deadline by itself, and then knows what became of the call. This is for one that does not.
        backstop = asyncio.timeout_at(call.deadline)
        try:
            async with backstop:
                return await method(request, call)
        except ToolError:
            raise
        except TimeoutError as problem:
            if not backstop.expired():
                raise self._broken(call) from problem
            raise self._unfinished(call, "The tool did not finish within the time that the call had.") from problem
        except DatabaseUnavailable as problem:
            log(_logger, logging.WARNING, "the database cannot be reached", tool=self._name, correlation_id=call.correlation_id)
            raise self._unfinished(call, "The tool's database cannot be reached at the moment.") from problem
        except Exception as problem:
            raise self._broken(call) from problem

    def _unfinished(self, call: ToolCall, message: str) -> ToolError:
        return OutcomeUnknown(message) if self._may_change(call) else IntegrationDown(message)

    def _broken(self, call: ToolCall) -> ToolError:
        log(_logger, logging.ERROR, "a tool failed", exc_info=True, tool=self._name, correlation_id=call.correlation_id)
        return Internal("The tool failed.", effect=Effect.POSSIBLE if self._may_change(call) else Effect.NONE)

    def _may_change(self, call: ToolCall) -> bool:
        return self._writes and not call.dry_run


def _invalid(problems: list[Problem]) -> InvalidArgument:
    first = problems[0]
    return InvalidArgument(
        "The arguments do not keep the tool's rules.", field=first.path if first.known else "", violations=problems
    )


def _refusal(problem: ToolError) -> dict[str, Any]:
    return {
        "content": [{"type": "text", "text": f"{problem.code}: {problem.message}"}],
        "isError": True,
        "resultType": "complete",
        "_meta": {ERROR: problem.document()},
    }
