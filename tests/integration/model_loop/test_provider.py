"""The model's API over real HTTP: what is tried again, and what each failure is called."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response

from model_loop import (
    OpenAiCompatible,
    ProviderBusy,
    ProviderError,
    ProviderRefused,
    ProviderUnavailable,
    ProviderUnreadable,
)
from model_loop.http import Patience
from tests.fix_model import KEY, MODEL, ScriptedModel, calls
from tests.fix_sandbox import free_port

HELLO = [{"role": "user", "content": "Hello"}]
QUICK = Patience(attempts=3, longest_pause=0.01)


def provider(model: ScriptedModel, key: str = KEY) -> OpenAiCompatible:
    """The provider under test, which waits for nothing."""
    return OpenAiCompatible(model.base_url, key, MODEL, patience=QUICK, timeout=5)


def busy(retry_after: str) -> Response:
    """A refusal for now."""
    return JSONResponse({"error": {"message": "Rate limit reached"}}, status_code=429, headers={"retry-after": retry_after})


async def test_a_reply_is_text_or_tool_calls(model: ScriptedModel) -> None:
    model.says("Hello.", calls(("look", {"a": 1}), text="One moment."))
    assert (await provider(model).complete(HELLO)).text == "Hello."
    completion = await provider(model).complete(HELLO)
    assert (completion.text, completion.finish_reason) == ("One moment.", "tool_calls")
    assert [(call.function.name, call.function.arguments) for call in completion.tool_calls] == [("look", '{"a": 1}')]


@pytest.mark.parametrize(
    "refusal",
    [busy("0"), busy(format_datetime(datetime.now(UTC))), busy("soon"), Response(status_code=503), HTMLResponse("<h1>", 500)],
)
async def test_what_passes_is_waited_for_and_tried_again(model: ScriptedModel, refusal: Response) -> None:
    model.says(refusal, refusal, "At last.")
    assert (await provider(model).complete(HELLO)).text == "At last."
    assert len(model.requests) == 3


@pytest.mark.parametrize(
    ("line", "expected", "requests"),
    [
        (busy("0"), ProviderBusy, 3),
        (busy("3600"), ProviderBusy, 1),
        (Response(status_code=502), ProviderUnavailable, 3),
        (JSONResponse({"error": {"message": "no such model"}}, 404), ProviderRefused, 1),
        (HTMLResponse("<h1>Hello</h1>"), ProviderUnreadable, 1),
        (JSONResponse({"choices": []}), ProviderUnreadable, 1),
        (JSONResponse({"choices": [{"message": {"tool_calls": [{"id": "x"}]}}]}), ProviderUnreadable, 1),
        (JSONResponse([1]), ProviderUnreadable, 1),
    ],
)
async def test_each_failure_has_a_name(
    model: ScriptedModel, line: Response, expected: type[ProviderError], requests: int
) -> None:
    model.says(*[line] * 3)
    with pytest.raises(expected) as failed:
        await provider(model).complete(HELLO)
    assert len(model.requests) == requests
    assert "Hello" not in str(failed.value)
    if isinstance(failed.value, ProviderBusy):
        assert failed.value.retry_after in {0.0, 3600.0}


async def test_a_wrong_key_is_refused_and_never_said(model: ScriptedModel) -> None:
    with pytest.raises(ProviderRefused) as refused:
        await provider(model, "sk-wrong").complete(HELLO)
    assert refused.value.status == 401
    assert "sk-wrong" not in str(refused.value)


async def test_an_api_that_is_not_there_is_said_not_to_be_reached() -> None:
    absent = OpenAiCompatible(f"http://127.0.0.1:{free_port()}/v1", KEY, MODEL, patience=QUICK, timeout=1)
    with pytest.raises(ProviderUnavailable, match="not reached"):
        await absent.complete(HELLO)


async def test_odd_replies_of_other_servers_are_read(model: ScriptedModel) -> None:
    function: dict[str, Any] = {"name": "look", "arguments": None}
    message = {"content": "", "tool_calls": [{"id": None, "type": "function", "function": function, "index": 0}]}
    model.says(JSONResponse({"choices": [{"message": message}]}))
    [call] = (await provider(model).complete(HELLO)).tool_calls
    assert (call.id, call.function.arguments) == ("", "")
