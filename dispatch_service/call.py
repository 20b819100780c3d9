"""What the journey carries from step to step: the call, the plan and what came of it.

Above: servicers make a `Call`; actions make a `Plan`; the journey fills in the rest. Below: nothing but the contract's types.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message

from dispatch_service.principal import Principal
from service_kit.contract.problems import Problem
from service_kit.contract.tools import ToolSpec

# The doors: a card's button, or a tool by its name.
CARD, TOOL = "card", "tool"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One action as it came in: parsed into its message, with every problem that the contract found.

    `action` is what the log calls it: a card action's name, or `server/tool`. `door` says how it came in and is answered.
    `tool` is set where a tool was asked for by its name.
    """

    door: str = CARD
    action: str
    payload: Message | None
    problems: Sequence[Problem]
    thread_id: str
    session_id: str
    idempotency_key: str
    principal: Principal
    correlation_id: str
    client: Mapping[str, str] = field(default_factory=dict)
    tool: ToolSpec | None = None
    # The arguments of a third-party tool, for which there is no message.
    untyped: dict[str, Any] | None = None
    # Why they could not be checked.
    refusal: Refusal | None = None
    # What the caller says why, for policy and for whoever may have to decide.
    reasoning: str = ""
    # The caller asks only what would happen.
    dry_run: bool = False
    # The caller wants a person to decide, also where policy does not ask for one.
    confirm: bool = False
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What an action means to do. `tool` None means that nothing is called and `view` is the whole answer.

    `view` is what rendering needs to know of the request, as plain JSON without personal data: together with the tool's result
    it is enough to answer, also for a replica that finds the action after a crash.
    """

    presenter: str
    tool: ToolSpec | None
    arguments: dict[str, Any]
    view: dict[str, Any]
    # A key that the action brings itself, where repeating it must never act twice, however much later.
    own_key: str = ""
    # Whose data the request names, and how many things it is about, for policy.
    scope: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    items: int = 0
    # The tool is only asked what it would do.
    dry_run: bool = False

    @property
    def changes_nothing(self) -> bool:
        """Whether carrying this out has no effect that could happen twice."""
        return self.dry_run or (self.tool is not None and self.tool.reads_only)


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """What a caller is told of a call that waits for a person."""

    authorization_id: str
    reason: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolAnswer:
    """What the adapter says of one call."""

    succeeded: bool
    possible_effect: bool
    # Whether the tool itself answered, rather than something on the way to it.
    from_tool: bool = False
    result: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    message: str = ""
    error_field: str = ""
    retryable: bool = False


class Refusal(Exception):
    """The domain says no before anything is called: an error `code` and every problem that was found."""

    def __init__(
        self,
        code: str,
        details: str,
        problems: Sequence[Problem] = (),
        *,
        retryable: bool = False,
        decision: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.retryable = retryable
        # What policy was asked and said, for the journal, where policy was asked.
        self.decision = dict(decision or {})
        self.code = code
        self.details = details
        self.problems = tuple(problems)
