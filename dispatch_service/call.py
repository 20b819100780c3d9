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


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One action as it came in: parsed into its message, with every problem that the contract found."""

    action: str
    payload: Message | None
    problems: Sequence[Problem]
    thread_id: str
    session_id: str
    idempotency_key: str
    principal: Principal
    correlation_id: str
    client: Mapping[str, str] = field(default_factory=dict)
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

    def __init__(self, code: str, details: str, problems: Sequence[Problem] = (), *, retryable: bool = False) -> None:
        super().__init__(code)
        self.retryable = retryable
        self.code = code
        self.details = details
        self.problems = tuple(problems)
