"""What policy is asked, and what it says.

Above: the journey and authorizations, which ask. Below: the principal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dispatch_service.principal import Principal


class Effect(StrEnum):
    """What becomes of a call, from the most to the least that a caller gets."""

    ALLOW = "ALLOW"
    NEEDS_REASONING = "NEEDS_REASONING"
    NEEDS_AUTHORIZATION = "NEEDS_AUTHORIZATION"
    DENY = "DENY"

    @property
    def strictness(self) -> int:
        """Zero for what is allowed, more for what is asked for first, most for what is refused."""
        return _STRICTNESS[self]


_STRICTNESS = {effect: number for number, effect in enumerate(Effect)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """May `principal` do this? `action` is `card/NAME` or `tool/SERVER/TOOL`.

    `scope` holds the values that the arguments name, under tenant, owner, building, resident and subject. `facts` are those of a
    preview by their contract names (PreviewFacts), None where none was made. `items` is how many things the call is about, as far
    as its arguments tell. `authorized` says that a person has decided to let exactly this happen.
    """

    principal: Principal
    action: str
    scope: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    facts: Mapping[str, Any] | None = None
    items: int = 0
    reasoning: bool = False
    authorized: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What policy says. `reason` is for a person and empty where the call is allowed.

    A DENY that is `hidden` has to be answered as if there were no such thing: it is about somebody else's data. `offers_always`
    says that a grant would have spared the question. `policy_ids` are those that decided, with the grants that counted, which
    `grant_ids` are by themselves. `third_party` are the groups of a third-party tool as it was configured then.
    """

    effect: Effect
    policy_ids: tuple[str, ...] = ()
    reason: str = ""
    hidden: bool = False
    offers_always: bool = False
    grant_ids: tuple[str, ...] = ()
    third_party: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GrantRef:
    """A standing permission that is in force: `subject` may call this tool without a person's decision."""

    id: str
    subject: str
    subject_kind: str
    server: str
    tool: str
