"""The tools' door, for one person: what a model may be offered, and carrying out what it calls.

Above: the loop. Below: httpx and the gateway's published JSON. Whoever the token stands for is whom policy asks about.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import httpx
from pydantic import ValidationError

from model_loop.errors import GatewayRefused, GatewayUnavailable
from model_loop.http import Patience, document_of, send
from model_loop.messages import Executed, Function, ToolCall


class Gateway:
    """The gateway at `base_url` with one person's token, or what returns it anew for each request.

    `timeout` in seconds bounds one attempt. A client that is given stays the caller's.
    """

    def __init__(
        self,
        base_url: str,
        token: str | Callable[[], str],
        *,
        timeout: float = 45.0,
        patience: Patience | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._patience = patience or Patience(attempts=3)
        self._http = http or httpx.AsyncClient()
        self._own = http is None

    async def aclose(self) -> None:
        """Close connections."""
        if self._own:
            await self._http.aclose()

    async def functions(self) -> list[Function]:
        """Return the tools that this person may use, as functions for a model's API. Raises GatewayError."""
        document = await self._ask("GET", "/api/tools", params={"format": "openai"})
        return [tool for tool in document.get("tools", ()) if isinstance(tool, dict)]

    async def execute(
        self, tool_calls: Sequence[ToolCall], thread_id: str, reasoning: str = "", confirm: Collection[str] = ()
    ) -> Executed:
        """Carry out the tool calls of one reply, or have them wait: those of the functions `confirm` in any case. The same again
        acts once. Raises GatewayError."""
        body = {
            "tool_calls": [call.model_dump() for call in tool_calls],
            "threadId": thread_id,
            **({"reasoning": reasoning} if reasoning else {}),
            **({"confirm": sorted(confirm)} if confirm else {}),
        }
        try:
            return Executed.model_validate(await self._ask("POST", "/api/tools/execute", json=body))
        except ValidationError:
            raise GatewayUnavailable("the gateway's answer to tool calls is not one", status=200) from None

    async def status_of(self, queue_id: str) -> str:
        """Return how a call that waits stands: `PENDING`, `AUTHORIZED` while it is being carried out, or how it ended. Raises
        GatewayError."""
        document = await self._ask("GET", f"/api/authorizations/{queue_id}")
        return str(document.get("status", ""))

    async def _ask(self, method: str, path: str, **parts: Any) -> dict[str, Any]:
        token = self._token if isinstance(self._token, str) else self._token()
        headers = {"authorization": f"Bearer {token}"}
        request = self._http.build_request(method, self._base_url + path, headers=headers, timeout=self._timeout, **parts)
        try:
            reply = await send(self._http, request, self._patience)
        except httpx.TransportError as problem:
            raise GatewayUnavailable(f"the gateway was not reached ({type(problem).__name__})") from None
        document = document_of(reply)
        if reply.status_code == 200 and isinstance(document, dict):
            return document
        error = document.get("error") if isinstance(document, dict) else None
        code = str(error.get("code", "")) if isinstance(error, dict) else ""
        if 400 <= reply.status_code < 500:
            text = f"the gateway refused the request with HTTP {reply.status_code} {code}".rstrip()
            raise GatewayRefused(text, status=reply.status_code, code=code)
        raise GatewayUnavailable("the gateway does not work just now", status=reply.status_code)
