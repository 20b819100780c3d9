"""The model's API: a port, and the one implementation that nearly every vendor and server speaks.

Above: the loop, and whoever needs a model's text without tools. Below: httpx.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_loop.errors import ProviderBusy, ProviderRefused, ProviderUnavailable, ProviderUnreadable
from model_loop.http import Patience, document_of, retry_after, send
from model_loop.messages import Function, Message, ToolCall

_BUSY = 429


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """A model's reply: text, tool calls or both. `finish_reason` is the API's own word."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = ""


class ModelProvider(Protocol):
    """A model."""

    async def complete(self, messages: Sequence[Message], functions: Sequence[Function] = ()) -> Completion:
        """Return the model's reply to a conversation, in which it may call `functions`. Raises ProviderError."""
        ...


class OpenAiCompatible:
    """A model behind an API like OpenAI's chat completions.

    `base_url` is what stands before `/chat/completions`, `timeout` in seconds bounds one attempt. A client that is given stays
    the caller's; otherwise `aclose` ends the one that was made.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        model: str,
        *,
        timeout: float = 60.0,
        patience: Patience | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._model = model
        self._timeout = timeout
        self._patience = patience or Patience()
        self._http = http or httpx.AsyncClient()
        self._own = http is None

    async def aclose(self) -> None:
        """Close connections."""
        if self._own:
            await self._http.aclose()

    async def complete(self, messages: Sequence[Message], functions: Sequence[Function] = ()) -> Completion:
        """Return the model's reply. Raises ProviderError."""
        body: dict[str, Any] = {"model": self._model, "messages": list(messages)}
        if functions:
            body["tools"] = list(functions)
        request = self._http.build_request("POST", self._url, json=body, headers=self._headers, timeout=self._timeout)
        try:
            reply = await send(self._http, request, self._patience)
        except httpx.TransportError as problem:
            # The library's own text may hold an address, so the kind of fault is all that is told.
            raise ProviderUnavailable(f"the model's API was not reached ({type(problem).__name__})") from None
        if reply.status_code == _BUSY:
            raise ProviderBusy("the model's API asks for patience", retry_after=retry_after(reply))
        if reply.status_code >= 500:
            raise ProviderUnavailable("the model's API does not work just now", status=reply.status_code)
        if reply.status_code != 200:
            raise ProviderRefused(
                f"the model's API refused the request with HTTP {reply.status_code}: look at its key, model and address",
                status=reply.status_code,
            )
        return _read(document_of(reply))


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None


class _Choice(BaseModel):
    model_config = ConfigDict(extra="ignore")

    message: _Message
    finish_reason: str | None = None


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore")

    choices: list[_Choice] = Field(min_length=1)


def _read(document: Any) -> Completion:
    try:
        choice = _Reply.model_validate(document).choices[0]
    except ValidationError:
        raise ProviderUnreadable("the reply of the model's API is not a chat completion", status=200) from None
    message = choice.message
    return Completion(
        text=message.content or message.refusal or "",
        tool_calls=tuple(message.tool_calls or ()),
        finish_reason=choice.finish_reason or "",
    )
