"""A model's call on its way to dispatch and back: what goes along, and what a model is told."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from mcp_types import CallToolResult, ElicitRequestParams, ElicitRequestURLParams, ElicitResult, RequestParamsMeta, TextContent

from tests.callers import caller
from tests.fix_sandbox import wait_until
from tests.integration.model_gateway.conftest import LEGACY, MODERN, Gateway
from tests.integration.model_gateway.scripted_dispatch import (
    WAITS,
    Authorization,
    Request,
    Response,
    Status,
    done,
    refused,
    tool,
    waiting,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = "server1__things_do_001"
SECONDS = 20.0
ACCEPT = {"accept": "application/json, text/event-stream"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def text(result: CallToolResult) -> str:
    """The first thing that is said."""
    first = result.content[0]
    assert isinstance(first, TextContent)
    return first.text


def answering(gateway: Gateway, response: Response) -> None:
    """Have dispatch answer every call like that."""

    async def answer(request: Request) -> Response:
        return response

    gateway.dispatch.answer = answer


@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_a_call_goes_to_dispatch_as_its_caller_s_and_as_a_model_s(gateway: Gateway, mode: str) -> None:
    extra = {
        "switchboard.dev/idempotency-key": "key-1",
        "switchboard.dev/thread-id": "thread-1",
        "traceparent": TRACE,
        "tracestate": "vendor=1",
    }
    gateway.headers |= {"x-request-id": "8d7a9c3e-0000-4000-8000-000000000001", "x-switchboard-door": "forged"}
    async with gateway.client(mode) as client:
        result = await client.call_tool(NAME, {"customer": "c", "reasoning": "She asked."}, meta=RequestParamsMeta(**extra))  # type: ignore[typeddict-item]
    assert result.structured_content == {"id": "1", "state": None}
    assert text(result) == "Done."
    assert isinstance(result.content[1], TextContent)
    assert result.content[1].text == '{"id":"1","state":null}'
    [request] = gateway.dispatch.calls
    assert (request.server, request.tool) == ("server1", "things.do_001")
    assert (request.reasoning, request.idempotency_key, request.thread_id) == ("She asked.", "key-1", "thread-1")
    assert dict(request.arguments.items()) == {"customer": "c"}
    sent = gateway.dispatch.metadata[gateway.dispatch.asked.index("call")]
    assert sent["x-jwt-payload"] == gateway.headers["x-jwt-payload"]
    assert sent["x-switchboard-door"] == "model"
    assert sent["x-request-id"] == gateway.headers["x-request-id"]
    assert (sent["traceparent"], sent["tracestate"]) == (TRACE, "vendor=1")


async def test_an_argument_of_the_tool_s_own_that_is_called_reasoning_stays_where_it_is(gateway: Gateway) -> None:
    gateway.dispatch.tools = [tool(1, permission="soft_limit", reasoning={"type": "string"})]
    async with gateway.client() as client:
        await client.call_tool(NAME, {"customer": "c", "reasoning": "Its own."})
    [request] = gateway.dispatch.calls
    assert request.arguments["reasoning"] == "Its own."
    assert request.reasoning == "Its own."


REFUSALS = [
    (refused("MISSING_FIELDS", missing=["arguments.customer.phone", "arguments.address"]), "Missing: customer.phone, address."),
    (refused("INVALID_ARGUMENT", wrong={"arguments.zip": "This is not a ZIP code."}), "zip: This is not a ZIP code."),
    (
        refused("REASONING_REQUIRED", "Say why.", missing=["reasoning"]),
        "Reasoning required: call again and say why in `reasoning`",
    ),
    (waiting(), f"Queued for authorization {WAITS}"),
    (waiting(), "a person decides at https://console.example/authorizations"),
    (waiting(), "switchboard_authorization_status"),
    (refused("DENIED", "A person said no: call them back first."), "Denied. A person said no: call them back first."),
    (refused("FORBIDDEN", "This is another company's."), "This is another company's."),
    (refused("OUTCOME_UNKNOWN", "It is not known whether this was done."), "Outcome unknown. It is not known"),
    (refused("INTEGRATION_DOWN", "The tool does not work just now.", retryable=True), "Try again later."),
    (refused("CONFLICT", "This is still being worked on.", retryable=True), "try again then"),
]


@pytest.mark.parametrize(("response", "said"), REFUSALS, ids=[f"{one.error.code}-{said[:12]}" for one, said in REFUSALS])
async def test_a_refusal_says_what_to_do_next(gateway: Gateway, response: Response, said: str) -> None:
    answering(gateway, response)
    async with gateway.client() as client:
        result = await client.call_tool(NAME, {"customer": "c"})
    assert result.is_error
    assert said in text(result)
    assert result.meta is not None
    error = result.meta["switchboard.dev/error"]
    assert error["correlationId"] == "c-1"
    assert re.fullmatch("[A-Z_]+", error["code"])


@pytest.mark.parametrize(
    ("arguments", "extra", "said"),
    [
        ({"customer": "c", "reasoning": 5}, {}, "`reasoning` has to be text"),
        ({"customer": "\ud800"}, {}, "cannot carry"),
        ({"customer": 10**400}, {}, "cannot carry"),
        ({"customer": "c"}, {"switchboard.dev/idempotency-key": 5}, "has to be text"),
    ],
)
async def test_what_cannot_travel_is_refused_in_words(
    gateway: Gateway, arguments: dict[str, Any], extra: dict[str, Any], said: str
) -> None:
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": NAME,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
                **extra,
            },
        },
    }
    headers = {
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": "tools/call",
        "Mcp-Name": NAME,
        "content-type": "application/json",
        **ACCEPT,
    }
    with gateway.http() as http:
        reply = await asyncio.to_thread(http.post, "/mcp", content=json.dumps(body), headers=gateway.headers | headers)
    result = reply.json()["result"]
    assert result["isError"]
    assert said in result["content"][0]["text"]
    assert gateway.dispatch.calls == []


async def test_arguments_that_are_nested_too_deeply_are_refused_in_words(gateway: Gateway) -> None:
    deep: Any = "bottom"
    for _ in range(60):
        deep = {"in": deep}
    async with gateway.client() as client:
        result = await client.call_tool(NAME, {"customer": deep})
    assert result.is_error
    assert "nested deeper" in text(result)


async def test_a_dispatch_that_is_away_is_said_as_what_it_means(gateway: Gateway) -> None:
    async with gateway.client() as client:
        await client.list_tools()

        async def gone(request: Request) -> Response:
            raise RuntimeError

        gateway.dispatch.answer = gone
        result = await client.call_tool(NAME, {"customer": "c"})
    assert result.is_error
    assert "it is not known whether this was done" in text(result)


@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_a_client_that_asked_for_it_is_told_of_progress(gateway: Gateway, mode: str) -> None:
    told: list[float] = []
    heard = asyncio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)
        heard.set()

    async def answer(request: Request) -> Response:
        await asyncio.wait_for(heard.wait(), SECONDS)
        return done({"id": "1", "state": "x"})

    gateway.dispatch.answer = answer
    async with gateway.client(mode) as client:
        result = await client.call_tool(NAME, {"customer": "c"}, progress_callback=on_progress)
    assert not result.is_error
    assert told[0] == 1


async def test_a_client_that_goes_away_cancels_its_waiting(gateway: Gateway) -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    async def answer(request: Request) -> Response:
        begun.set()
        await never.wait()
        return done({})

    gateway.dispatch.answer = answer
    async with gateway.client() as client:
        call = asyncio.create_task(client.call_tool(NAME, {"customer": "c"}))
        await asyncio.wait_for(begun.wait(), SECONDS)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await asyncio.to_thread(wait_until, lambda: gateway.dispatch.cancelled == 1, SECONDS, "dispatch still works for nobody")


def decided(status: int, **facts: Any) -> Authorization:
    """An authorization as it stands."""
    authorization = Authorization(id=WAITS, status=status, server="server1", tool="things.do_001", correlation_id="c-1", **facts)  # type: ignore[arg-type]
    if status == Status.EXECUTED:
        authorization.result.CopyFrom(done({"id": "9", "state": "made"}))
    if status == Status.FAILED:
        authorization.result.CopyFrom(refused("INTEGRATION_DOWN", "The tool does not work just now."))
    return authorization


@pytest.mark.parametrize(
    ("status", "said", "result", "error"),
    [
        (Status.PENDING, "PENDING: Nobody has decided yet", None, None),
        (Status.DENIED, "The decider's note: Call first.", None, None),
        (Status.EXECUTED, "EXECUTED: It was allowed and carried out.", {"id": "9", "state": "made"}, None),
        (Status.FAILED, "FAILED", None, {"code": "INTEGRATION_DOWN", "details": "The tool does not work just now."}),
    ],
)
async def test_the_polling_tool_says_how_a_queued_call_stands(
    gateway: Gateway, status: int, said: str, result: dict[str, Any] | None, error: dict[str, Any] | None
) -> None:
    gateway.dispatch.authorizations[WAITS] = decided(status, notes="Call first." if status == Status.DENIED else "")
    async with gateway.client() as client:
        await client.list_tools()
        answer = await client.call_tool("switchboard_authorization_status", {"queue_id": WAITS})
        assert said in text(answer)
        assert answer.structured_content is not None
        assert answer.structured_content["status"] == Status.Name(status)  # type: ignore[arg-type]
        assert (answer.structured_content["result"], answer.structured_content["error"]) == (result, error)
        for nothing in ("auth_000", "../secret", ""):
            assert (await client.call_tool("switchboard_authorization_status", {"queue_id": nothing})).is_error


@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_a_client_that_can_is_sent_to_the_console_and_told_what_came_of_it(gateway: Gateway, mode: str) -> None:
    shown: list[ElicitRequestURLParams] = []
    gateway.dispatch.authorizations[WAITS] = decided(Status.PENDING)
    gateway.dispatch.decides = lambda one: one.CopyFrom(decided(Status.EXECUTED))
    answering(gateway, waiting())

    async def on_elicitation(context: Any, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestURLParams)
        shown.append(params)
        return ElicitResult(action="accept")

    async with gateway.client(mode, elicitation_callback=on_elicitation) as client:
        result = await client.call_tool(NAME, {"customer": "c"})
    assert [params.url for params in shown] == [f"https://console.example/authorizations?id={WAITS}"]
    assert result.structured_content == {"id": "9", "state": "made"}
    assert len(gateway.dispatch.calls) == 1


@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_a_user_who_does_not_go_there_leaves_the_call_in_the_queue(gateway: Gateway, mode: str) -> None:
    gateway.dispatch.authorizations[WAITS] = decided(Status.PENDING)
    answering(gateway, waiting())

    async def on_elicitation(context: Any, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="decline")

    async with gateway.client(mode, elicitation_callback=on_elicitation) as client:
        result = await client.call_tool(NAME, {"customer": "c"})
    assert result.is_error
    assert f"Queued for authorization {WAITS}" in text(result)


@pytest.mark.requirement("S3.4", "S3.5")
async def test_a_session_is_for_the_subject_that_opened_it(gateway: Gateway) -> None:
    subject = "agent-of-the-session"
    gateway.headers = dict(caller("agent", subject=subject))
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}

    def post(http: Any, method: str, params: dict[str, Any], **headers: str) -> Any:
        body = {"jsonrpc": "2.0", "id": "one", "method": method, "params": params}
        return http.post("/mcp", json=body, headers={**gateway.headers, **ACCEPT, **headers})

    def talk() -> None:
        with gateway.http() as http:
            opened = post(http, "initialize", hello)
            session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
            http.post(
                "/mcp",
                json={"jsonrpc": "2.0", "method": "notifications/initialized"},
                headers={**gateway.headers, **ACCEPT, **session},
            )
            own = post(http, "tools/list", {}, **session)
            assert own.status_code == 200
            assert '"id":"one"' in own.text
            renewed = post(http, "tools/list", {}, **session, **dict(caller("agent", subject=subject, more="claims")))
            assert renewed.status_code == 200, "another token of the same subject"
            strangers = (
                caller("agent", subject="other"),
                caller("agent", subject=subject, tenant="other"),
                caller("operator", subject=subject),
            )
            for stranger in strangers:
                assert post(http, "tools/list", {}, **session, **dict(stranger)).status_code == 404
            gone = http.delete("/mcp", headers={**gateway.headers, **session})
            assert gone.status_code == 200
            assert post(http, "tools/list", {}, **session).status_code == 404

    await asyncio.to_thread(talk)


async def test_nothing_of_a_call_is_in_the_log(gateway: Gateway) -> None:
    async with gateway.client() as client:
        await client.call_tool(NAME, {"customer": "Ada Byron"})
        await client.call_tool(NAME, {"customer": {"name": "Ada Byron"}, "reasoning": 5})
    log = gateway.log.read_text(encoding="utf-8")
    assert "Byron" not in log
    assert gateway.headers["x-jwt-payload"] not in log
