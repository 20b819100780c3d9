"""The loop: a model is asked, what it calls is carried out, it is told, and so on until it answers in words.

Above: a chat backend. Below: `provider` and `gateway`. Where a person has to decide first, the loop stops and hands back a state
that can be kept as JSON; `resume` goes on with it after the decision, in another process or another week.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from model_loop.gateway import Gateway
from model_loop.messages import Confirmation, Executed, Message, ToolCall
from model_loop.provider import Completion, ModelProvider

_logger = logging.getLogger(__name__)
_PENDING, _ALLOWED = "PENDING", "AUTHORIZED"
_FIRST_LOOK, _LONGEST_LOOK = 0.1, 1.0
_NOT_ENABLED = json.dumps(
    {"error": {"code": "FORBIDDEN", "message": "Actions are not enabled here.", "whatToDo": "Answer without calling functions."}}
)


class LoopState(BaseModel):
    """Where a loop stopped for a person: all that `resume` needs, as JSON by `model_dump_json`. It holds the conversation."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    thread_id: str
    reasoning: str = ""
    confirm: list[str] = Field(default_factory=list)
    rounds_left: int
    messages: list[Message]
    tool_calls: list[ToolCall]
    confirmations: list[Confirmation] = Field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """The model's answer in words, and the whole conversation, the answer included."""

    text: str
    messages: list[Message]
    finish_reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A person has to decide: show them the cards of `state.confirmations`, keep `state`, and resume with it afterwards."""

    state: LoopState


@dataclass(frozen=True, kw_only=True, slots=True)
class OutOfRounds:
    """The model went on calling functions for as many rounds as it was given."""

    messages: list[Message]


Outcome: TypeAlias = Answered | Waiting | OutOfRounds


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """What goes with every tool call of a conversation."""

    thread_id: str
    reasoning: str
    confirm: tuple[str, ...]


class ToolLoop:
    """Runs conversations with one person's tools. `rounds` bounds how often a model is asked, `seconds` how long `resume` waits
    for something that was allowed and is being carried out."""

    def __init__(self, provider: ModelProvider, gateway: Gateway, *, rounds: int = 8, seconds: float = 20.0) -> None:
        self._provider = provider
        self._gateway = gateway
        self._rounds = rounds
        self._seconds = seconds

    async def run(
        self,
        messages: Sequence[Message],
        *,
        thread_id: str,
        actions: bool,
        reasoning: str = "",
        confirm: Collection[str] = (),
    ) -> Outcome:
        """Go on with a conversation until the model answers, a person has to decide, or the rounds are used up.

        `thread_id` is the conversation's own: a tool call acts once in it. Without `actions` enabled for this prompt, the model
        is offered no function and none is called. `reasoning` says why, for calls that do not say so themselves. `confirm` names
        functions that are sensitive in this prompt: a person decides on each of their calls. Raises LoopError.
        """
        asked = _Asked(thread_id=thread_id, reasoning=reasoning, confirm=tuple(confirm))
        return await self._go(list(messages), self._rounds, asked, actions=actions)

    async def resume(self, state: LoopState) -> Outcome:
        """Go on after a decision. While one is missing, or what was allowed is not done in time, it still waits: resume again
        later. Raises LoopError; then the same state can be used again."""
        undecided = [one for one in state.confirmations if not await self._is_over(one)]
        if undecided:
            return Waiting(state=state.model_copy(update={"confirmations": undecided}))
        asked = _Asked(thread_id=state.thread_id, reasoning=state.reasoning, confirm=tuple(state.confirm))
        executed = await self._execute(state.tool_calls, asked)
        if executed.confirmations:
            return Waiting(state=state.model_copy(update={"confirmations": executed.confirmations}))
        messages = [*state.messages, *_answers(state.tool_calls, executed)]
        return await self._go(messages, state.rounds_left, asked, actions=True)

    async def _execute(self, tool_calls: Sequence[ToolCall], asked: _Asked) -> Executed:
        return await self._gateway.execute(tool_calls, asked.thread_id, asked.reasoning, asked.confirm)

    async def _go(self, messages: list[Message], rounds: int, asked: _Asked, *, actions: bool) -> Outcome:
        functions = await self._gateway.functions() if actions and rounds > 0 else []
        for left in range(rounds - 1, -1, -1):
            completion = await self._provider.complete(messages, functions)
            _logger.debug("a model replied", extra={"rounds_left": left, "tool_calls": len(completion.tool_calls)})
            tool_calls = _with_ids(completion.tool_calls, messages)
            messages = [*messages, _said(completion, tool_calls)]
            if not tool_calls:
                return Answered(text=completion.text, messages=messages, finish_reason=completion.finish_reason)
            if not actions:
                messages += [_tool_message(call, _NOT_ENABLED) for call in tool_calls]
                continue
            executed = await self._execute(tool_calls, asked)
            if executed.confirmations:
                state = LoopState(
                    thread_id=asked.thread_id,
                    reasoning=asked.reasoning,
                    confirm=list(asked.confirm),
                    rounds_left=left,
                    messages=messages,
                    tool_calls=tool_calls,
                    confirmations=executed.confirmations,
                )
                return Waiting(state=state)
            messages += _answers(tool_calls, executed)
        return OutOfRounds(messages=messages)

    async def _is_over(self, confirmation: Confirmation) -> bool:
        """Whether something came of a call that waited; what was allowed is given a moment to be done."""
        until, pause = time.monotonic() + self._seconds, _FIRST_LOOK
        while True:
            status = await self._gateway.status_of(confirmation.authorization.queue_id)
            if status != _ALLOWED or time.monotonic() + pause > until:
                return status not in (_PENDING, _ALLOWED)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_LOOK)


def _with_ids(tool_calls: Sequence[ToolCall], messages: Sequence[Message]) -> list[ToolCall]:
    """Give each call an id that is new to the conversation: a call is known by it, and some servers count anew each time."""
    used = {call.get("id") for message in messages for call in message.get("tool_calls") or ()}
    named = []
    for call in tool_calls:
        one = call if call.id and call.id not in used else call.model_copy(update={"id": f"call_{uuid.uuid4().hex}"})
        used.add(one.id)
        named.append(one)
    return named


def _said(completion: Completion, tool_calls: Sequence[ToolCall]) -> Message:
    said: Message = {"role": "assistant", "content": completion.text or None}
    return said | ({"tool_calls": [call.model_dump() for call in tool_calls]} if tool_calls else {})


def _answers(tool_calls: Sequence[ToolCall], executed: Executed) -> list[Message]:
    """One message for each call, in their order, as models' APIs want it."""
    by_id = {message.get("tool_call_id"): message for message in executed.messages}
    return [_tool_message(call, str(by_id.get(call.id, {}).get("content", ""))) for call in tool_calls]


def _tool_message(call: ToolCall, content: str) -> Message:
    return {"role": "tool", "tool_call_id": call.id, "content": content}
