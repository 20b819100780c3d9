"""A model behind an API like OpenAI's, over real HTTP, that says what a test wrote down for it.

Above: tests of the model loop. Below: a uvicorn server on a thread. It is as strict as a vendor: what breaks the rules of its
API, in the tools or in the order of messages, is refused with 400 and remembered.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fix_sandbox import free_port, wait_until
from tests.strict_rules import problems_of_messages, problems_of_tool

KEY, MODEL = "sk-scripted", "scripted-1"
Body: TypeAlias = dict[str, Any]
# What the model says to a request: text, an assistant message, or a whole HTTP response.
Line: TypeAlias = str | Body | Response
Step: TypeAlias = Line | Callable[[Body], Line]


def calls(*functions: tuple[str, Any], text: str | None = None) -> Body:
    """An assistant message that calls functions by (name, arguments): a JSON object, or text as the model wrote it."""
    return {
        "role": "assistant",
        "content": text,
        "tool_calls": [
            {
                "id": f"call_{index}",
                "type": "function",
                "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
            }
            for index, (name, given) in enumerate(functions)
        ],
    }


@dataclass
class ScriptedModel:
    """The model: `script` is what it says, line by line; `requests` are the bodies that it took, `refusals` why it took none."""

    port: int
    script: list[Step] = field(default_factory=list)
    requests: list[Body] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        """What stands before `/chat/completions`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def says(self, *steps: Step) -> None:
        """Go on like this."""
        self.script += steps

    def functions(self) -> dict[str, Body]:
        """The functions that the last request offered, by name."""
        return {tool["function"]["name"]: tool["function"] for tool in self.requests[-1].get("tools", ())}

    def told(self) -> list[Body]:
        """What the tool messages of the last request hold, in order."""
        return [json.loads(message["content"]) for message in self.requests[-1]["messages"] if message["role"] == "tool"]

    def answer(self, authorization: str, body: Body) -> Response:
        """Answer one request."""
        if authorization != f"Bearer {KEY}":
            return JSONResponse({"error": {"message": "Incorrect API key provided."}}, status_code=401)
        problems = [problem for tool in body.get("tools", ()) for problem in problems_of_tool(tool)]
        problems += problems_of_messages(body.get("messages", ()))
        if body.get("model") != MODEL or body.keys() - {"model", "messages", "tools"} or body.get("tools") == []:
            problems.append("the request has other members")
        if problems:
            self.refusals += problems
            return JSONResponse({"error": {"message": problems[0], "type": "invalid_request_error"}}, status_code=400)
        self.requests.append(body)
        step = self.script.pop(0) if self.script else "I have nothing more to say."
        line = step(body) if callable(step) and not isinstance(step, Response) else step
        if isinstance(line, Response):
            return line
        message = {"role": "assistant", "content": line, "refusal": None} if isinstance(line, str) else line
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return JSONResponse({"id": "chatcmpl-1", "object": "chat.completion", "model": MODEL, "choices": [choice]})


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """A scripted model on a port of its own. A test fails where it had to refuse what it was sent."""
    scripted = ScriptedModel(free_port())

    async def completions(request: Request) -> Response:
        body = await request.json()
        return await run_in_threadpool(scripted.answer, request.headers.get("authorization", ""), body)

    app = Starlette(routes=[Route("/v1/chat/completions", completions, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=scripted.port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, 10, "the scripted model does not start")
    yield scripted
    server.should_exit = True
    thread.join(10)
    assert scripted.refusals == []
