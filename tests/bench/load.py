"""What a load generator is given and what it says afterwards. Above: `booking` and both generators. Below: nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

SERIAL = "@SERIAL"
"""Stands in a request's template where requests have to differ. A number of the same length takes its place."""
FIRST_SERIAL = 2_000_000
"""The first of those numbers: seven digits as well, and the end of a valid telephone number."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one generator did in one go. No call was given up: all that were sent were waited for."""

    sent: int
    answered: int
    failed: int
    """Answers that do not say that the booking was made."""
    broken: int
    """Connections or streams that ended without an answer."""
    seconds: float
    """From the first request to the last reply."""
    p50_ms: float
    p99_ms: float
    cpu_seconds: float
    """What the generator itself used."""

    @property
    def per_second(self) -> float:
        """Answered calls per second."""
        return self.answered / self.seconds if self.seconds > 0 else 0.0

    @property
    def sound(self) -> bool:
        """Whether every call that was sent was carried out and said so."""
        return self.answered > 0 and self.sent == self.answered and not self.failed and not self.broken

    def with_cpu(self, seconds: float) -> Load:
        """The same with the generator's CPU time."""
        return replace(self, cpu_seconds=seconds)

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)
