"""When to call again, and after how long. Pure but for its source of chance.

Above: `ResilientClient` asks after each attempt. Below: `mcp_client.outcomes`.

A call is repeated only if the fault may pass by itself, and only if nothing can have happened (`Effect.NONE`) or the caller
knows that repeating is safe: a read, or a write with an idempotency key on a tool that we configured as idempotent.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from mcp_adapter_service.mcp_client.outcomes import Effect, Fault, ToolReply

# Jitter spreads callers; it guards no secret.
_CHANCE = random.Random().random  # noqa: S311


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """RetryPolicy bounds the attempts of one call; times in seconds."""

    max_attempts: int = 3
    base_delay: float = 0.05
    max_delay: float = 2.0
    min_attempt: float = 0.05
    """An attempt that would have less time than this is not begun."""
    chance: Callable[[], float] = field(default=_CHANCE, repr=False)
    """Returns a number from 0 up to 1."""

    def delay(self, reply: ToolReply, *, attempt: int, remaining: float, safe_to_repeat: bool) -> float | None:
        """Return how long to wait before attempt number `attempt` + 1; None to let `reply` stand."""
        if not isinstance(reply, Fault) or not reply.retryable or attempt >= self.max_attempts:
            return None
        if reply.effect is not Effect.NONE and not safe_to_repeat:
            return None
        ceiling = min(self.max_delay, self.base_delay * 2 ** (attempt - 1))
        # Half fixed, half chance: never at once, and never all callers together.
        delay = ceiling / 2 + ceiling / 2 * self.chance()
        if reply.retry_after is not None:
            delay = max(delay, reply.retry_after)
        return delay if delay + self.min_attempt <= remaining else None
