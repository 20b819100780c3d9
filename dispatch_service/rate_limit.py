"""How often a visitor may call: a token bucket for each session at each address, for callers without a token only.

Above: servicers that answer visitors, before they do any work. Below: nothing; each process counts for itself, and the front door
counts addresses before that. A refusal is counted and not journalled: a flood must not fill the journal.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from dispatch_service.metrics import RATE_LIMITED
from dispatch_service.principal import Principal
from service_kit.errors import ResourceExhausted

ADDRESS_METADATA = "x-envoy-external-address"

_MOST = 20_000
_NETWORK_BITS = 64  # What one IPv6 customer has to call from.


class VisitorLimit:
    """Buckets of `burst` calls that refill at `per_second`; 0 lifts the limit.

    The least recently used are forgotten, full or not: whoever comes with a new session every time meets the front door's limit
    of an address.
    """

    def __init__(self, *, per_second: float, burst: int, most: int = _MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[int, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def admit(self, principal: Principal, metadata: Mapping[str, str], session_id: str = "") -> None:
        """Count one call. Raises ResourceExhausted where a visitor has made too many."""
        if self._per_second <= 0 or not principal.is_anonymous:
            return
        # A number stands for the pair, however long a session id somebody thinks of.
        key = hash((_network(metadata.get(ADDRESS_METADATA, "")), session_id))
        now = self._clock()
        left, counted_at = self._buckets.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - counted_at) * self._per_second)
        admitted = left >= 1
        self._buckets[key] = (left - 1 if admitted else left, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        if not admitted:
            RATE_LIMITED.inc()
            raise ResourceExhausted("RATE_LIMITED", "Too many calls: wait a moment and try again.")


def _network(address: str) -> str:
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((address, _NETWORK_BITS), strict=False))
    except ValueError:
        return address
