"""What goes between a model and tools, as the chat completions API writes it.

Above: every module of the package. Below: pydantic. Messages stay plain JSON objects: what a caller puts into them is its own.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Message: TypeAlias = dict[str, Any]
Function: TypeAlias = dict[str, Any]


class _Read(BaseModel):
    """What is read of somebody else's JSON. What else is in it is not ours to know."""

    model_config = ConfigDict(extra="ignore", frozen=True)


# Some servers write arguments as an object and not as text, and none at all as null.
_Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


class FunctionCall(_Read):
    """A function by its name, with its arguments as text: a JSON object, unless the model got it wrong."""

    name: str
    arguments: _Text = ""


class ToolCall(_Read):
    """One tool call of a model's reply."""

    id: _Text = ""
    type: Literal["function"] = "function"
    function: FunctionCall


class Pending(_Read):
    """Where a call waits for a person."""

    queue_id: str
    reason: str = ""
    message: str = ""
    expires_at: str = Field(default="", alias="expiresAt")

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class Confirmation(_Read):
    """One call that waits for a person, with the card that asks them: approve, edit or deny."""

    tool_call_id: str
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    authorization: Pending
    card: dict[str, Any] = Field(default_factory=dict)


class Executed(_Read):
    """What came of the tool calls of one reply."""

    complete: bool
    messages: list[Message] = Field(default_factory=list)
    confirmations: list[Confirmation] = Field(default_factory=list)
