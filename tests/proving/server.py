"""The proving server: a real tool server on the shipped runtime, that does as it is told and counts what it did.

Above: `tests/fix_proving.py` starts it with `python -m tests.proving.server` (SWITCHBOARD_LISTEN, SWITCHBOARD_TOOL_TOKEN,
SWITCHBOARD_PROVING_STORE; the built contract on PYTHONPATH). Below: the tool-server runtime and `store`.

What a switch makes a call do besides its work:

    slow, slow_after     wait so many seconds before or after its effect
    hold, hold_after     wait until the switches are off, before or after its effect
    fail                 INTEGRATION_DOWN, no effect
    break                an exception of the servicer, no effect: INTERNAL, effect possible
    unknown              OUTCOME_UNKNOWN after its effect
    drop, drop_after     break the connection without an answer, before or after its effect
    die, die_after       end the process as a crash would, before or after its effect
"""

from __future__ import annotations

import asyncio
import os
from contextlib import nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from switchboard.tool.v1 import preview_pb2
from switchboard.tools.proving.v1 import proving_service_pb2 as pb

from service_kit.logging import configure_logging
from service_kit.settings import load_settings
from tests.proving.store import KeyReused, Store, Thing
from tool_servers.runtime import Conflict, IntegrationDown, NotFound, OutcomeUnknown, ToolCall, ToolServerSettings
from tool_servers.runtime.application import build

_KIND = preview_pb2.ChangeKind
_LOOK_AGAIN = 0.02


class ProvingSettings(ToolServerSettings):
    """Settings of the proving server."""

    proving_store: Path = Field(description="The SQLite file that the server shares with its tests.")


class ProvingServicer:
    """Implements ProvingService."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def look(self, request: pb.LookRequest, call: ToolCall) -> pb.LookResponse:
        """Show a thing."""
        after = await self._begin("look", call)
        thing = self._thing(request.thing_id)
        await _misbehave(self._store, after)
        return pb.LookResponse(
            thing_id=thing.id, state=thing.state, amount_cents=thing.amount_cents, related_records=thing.related_records
        )

    async def note(self, request: pb.NoteRequest, call: ToolCall) -> pb.EffectResponse:
        """Write a note."""
        return await self._one("note", request, call)

    async def cancel(self, request: pb.CancelRequest, call: ToolCall) -> pb.EffectResponse:
        """Cancel a thing."""
        return await self._one("cancel", request, call, new_state="cancelled", exists=True)

    async def remove(self, request: pb.RemoveRequest, call: ToolCall) -> pb.EffectResponse:
        """Remove a thing."""
        return await self._one("remove", request, call, new_state="removed", exists=True)

    async def wipe(self, request: pb.WipeRequest, call: ToolCall) -> pb.EffectResponse:
        """Remove a thing without a trace."""
        return await self._one("wipe", request, call, new_state="removed", exists=True)

    async def send(self, request: pb.SendRequest, call: ToolCall) -> pb.EffectResponse:
        """Send a message, each time that it is asked for."""
        (effect,) = await self._act("send", call, [request.to], request, once=False)
        return pb.EffectResponse(effect_id=effect)

    async def bulk(self, request: pb.BulkRequest, call: ToolCall) -> pb.BulkResponse:
        """Write many notes."""
        return pb.BulkResponse(effect_ids=await self._act("bulk", call, [item.thing_id for item in request.items], request))

    async def preview_note(self, request: pb.NoteRequest, call: ToolCall) -> preview_pb2.Preview:
        """Say that a note would be written."""
        await self._begin("note", call)
        return _preview(f"Writes a note on {request.thing_id}.", _KIND.CHANGE_KIND_CREATE, ["note"])

    async def preview_cancel(self, request: pb.CancelRequest, call: ToolCall) -> preview_pb2.Preview:
        """Say what would be cancelled."""
        await self._begin("cancel", call)
        return _of_thing("Cancels", _KIND.CHANGE_KIND_UPDATE, self._thing(request.thing_id))

    async def preview_remove(self, request: pb.RemoveRequest, call: ToolCall) -> preview_pb2.Preview:
        """Say what would be removed."""
        await self._begin("remove", call)
        return _of_thing("Removes", _KIND.CHANGE_KIND_DELETE, self._thing(request.thing_id))

    async def preview_wipe(self, request: pb.WipeRequest, call: ToolCall) -> preview_pb2.Preview:
        """Say what would be wiped."""
        await self._begin("wipe", call)
        return _of_thing("Wipes", _KIND.CHANGE_KIND_DELETE, self._thing(request.thing_id))

    async def preview_send(self, request: pb.SendRequest, call: ToolCall) -> preview_pb2.Preview:
        """Say that a message would be sent."""
        await self._begin("send", call)
        return _preview("Sends a message.", _KIND.CHANGE_KIND_SEND, ["message"])

    async def preview_bulk(self, request: pb.BulkRequest, call: ToolCall) -> preview_pb2.Preview:
        """Say how many notes would be written."""
        await self._begin("bulk", call)
        return _preview(f"Writes {len(request.items)} notes.", _KIND.CHANGE_KIND_CREATE, ["note"] * len(request.items))

    async def _one(
        self, tool: str, request: Any, call: ToolCall, *, new_state: str | None = None, exists: bool = False
    ) -> pb.EffectResponse:
        (effect,) = await self._act(tool, call, [request.thing_id], request, new_state=new_state, exists=exists)
        return pb.EffectResponse(effect_id=effect, thing_id=request.thing_id)

    async def _act(
        self,
        tool: str,
        call: ToolCall,
        things: list[str],
        request: Any,
        *,
        once: bool = True,
        new_state: str | None = None,
        exists: bool = False,
    ) -> list[str]:
        after = await self._begin(tool, call)
        arguments = request.SerializeToString(deterministic=True)
        principal = call.principal
        tenant, subject = (principal.tenant, principal.subject) if principal is not None else ("", "")
        try:
            done = once and self._store.answer_of(tenant, tool, call.idempotency_key, arguments) is not None
            if exists and not done:
                self._thing(things[0])
            effects = self._store.act(
                tool=tool,
                key=call.idempotency_key,
                tenant=tenant,
                subject=subject,
                things=things,
                arguments=arguments,
                once=once,
                new_state=new_state,
            )
        except KeyReused:
            raise Conflict("This idempotency key was used with other arguments.") from None
        await _misbehave(self._store, after)
        return effects

    async def _begin(self, tool: str, call: ToolCall) -> tuple[str, float]:
        """Count the call, do what a switch says about before, and return what it says about after."""
        self._store.receive(tool, call.idempotency_key, dry_run=call.dry_run)
        switch = None if call.dry_run else self._store.take_switch(tool)
        if switch is None:
            return "", 0.0
        if switch.kind.endswith("_after") or switch.kind == "unknown":
            return switch.kind.removesuffix("_after"), switch.seconds
        await _misbehave(self._store, (switch.kind, switch.seconds))
        return "", 0.0

    def _thing(self, thing_id: str) -> Thing:
        thing = self._store.thing(thing_id)
        if thing is None:
            raise NotFound("There is no such thing.", field="thingId")
        return thing


async def _misbehave(store: Store, what: tuple[str, float]) -> None:
    kind, seconds = what
    match kind:
        case "slow":
            await _wait(seconds)
        case "hold":
            while store.holds():
                await _wait(_LOOK_AGAIN)
        case "fail":
            raise IntegrationDown("The proving server was told to fail.")
        case "break":
            raise RuntimeError("the proving server was told to break")
        case "unknown":
            raise OutcomeUnknown("The proving server was told not to know.")
        case "drop":
            _dropping.get()["now"] = True
            raise IntegrationDown("Nobody hears this.")
        case "die":
            os._exit(137)


async def _wait(seconds: float) -> None:
    """Wait for nothing, so long."""
    try:
        await asyncio.wait_for(asyncio.Event().wait(), seconds)
    except TimeoutError:
        return


def _of_thing(verb: str, kind: preview_pb2.ChangeKind.ValueType, thing: Thing) -> preview_pb2.Preview:
    summary = f"{verb} {thing.id} with {thing.related_records} records worth ${thing.amount_cents / 100:,.2f}."
    preview = _preview(summary, kind, ["thing"])
    facts = preview.facts
    facts.related_records, facts.amount_cents, facts.currency = thing.related_records, thing.amount_cents, "USD"
    facts.state, facts.owner, facts.building, facts.resident = thing.state, thing.owner, thing.building, thing.resident
    return preview


def _preview(summary: str, kind: preview_pb2.ChangeKind.ValueType, what: list[str]) -> preview_pb2.Preview:
    changes = [preview_pb2.PreviewChange(kind=kind, what=each) for each in what]
    return preview_pb2.Preview(summary=summary, changes=changes, facts=preview_pb2.PreviewFacts(items=len(what)))


# Whether the connection of the call at hand is to be broken.
_dropping: ContextVar[dict[str, bool]] = ContextVar("dropping")


class Dropping:
    """Breaks the connection of a call that is told to, where its answer would begin."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = {"now": False}
        _dropping.set(state)

        async def answer(message: Message) -> None:
            if state["now"]:
                # The server's own cycle of this request; nothing in ASGI says "hang up".
                send.__self__.transport.abort()  # type: ignore[attr-defined]
            else:
                await send(message)

        await self._app(scope, receive, answer)


def main() -> None:
    """Serve until told to stop."""
    settings = load_settings(ProvingSettings)
    configure_logging("proving", settings.log_level)
    store = Store(settings.proving_store)
    store.create()
    host, port = settings.address
    app = Dropping(build("proving", settings, nullcontext(ProvingServicer(store))))
    uvicorn.run(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=settings.shutdown_grace,
    )


if __name__ == "__main__":
    main()
