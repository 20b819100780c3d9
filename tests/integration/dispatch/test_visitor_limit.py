"""How often a visitor may call: by session and address, in bounded memory, and without a trace in the journal."""

from __future__ import annotations

import grpc
import httpx
import pytest

from dispatch_service.principal import ANONYMOUS, VISITOR, Principal
from dispatch_service.rate_limit import VisitorLimit
from service_kit.errors import ResourceExhausted
from tests.callers import caller
from tests.fix_dispatch import DispatchProcess
from tests.fix_sandbox import free_port

NOBODY = Principal(tenant="demo", subject=ANONYMOUS, kind="human", role=VISITOR)
SOMEBODY = Principal(tenant="demo", subject="ann", kind="human", role="customer")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def admitted(limit: VisitorLimit, address: str, session: str, *, calls: int, principal: Principal = NOBODY) -> int:
    """How many of so many calls are let in."""
    count = 0
    for _ in range(calls):
        try:
            limit.admit(principal, {"x-envoy-external-address": address}, session)
        except ResourceExhausted:
            continue
        count += 1
    return count


def test_a_session_has_a_burst_and_then_as_many_as_come_back_in_time() -> None:
    clock = Clock()
    limit = VisitorLimit(per_second=2, burst=5, clock=clock)
    assert admitted(limit, "198.51.100.7", "s", calls=9) == 5
    clock.now += 1.5
    assert admitted(limit, "198.51.100.7", "s", calls=9) == 3
    clock.now += 3600
    assert admitted(limit, "198.51.100.7", "s", calls=9) == 5


def test_another_session_and_another_address_have_their_own_and_a_token_has_none() -> None:
    limit = VisitorLimit(per_second=1, burst=2, clock=Clock())
    assert admitted(limit, "198.51.100.7", "s", calls=3) == 2
    assert admitted(limit, "198.51.100.7", "t", calls=3) == 2
    assert admitted(limit, "198.51.100.8", "s", calls=3) == 2
    assert admitted(limit, "198.51.100.7", "s", calls=3, principal=SOMEBODY) == 3
    assert admitted(VisitorLimit(per_second=0, burst=1), "198.51.100.7", "s", calls=3) == 3


def test_a_network_of_ipv6_is_one_address() -> None:
    limit = VisitorLimit(per_second=1, burst=2, clock=Clock())
    assert sum(admitted(limit, f"2001:db8:0:1::{number:x}", "", calls=1) for number in range(1, 9)) == 2
    assert admitted(limit, "2001:db8:0:2::1", "", calls=3) == 2
    assert admitted(limit, "not::an::address", "", calls=3) == 2


def test_memory_is_bounded_whatever_sessions_come() -> None:
    limit = VisitorLimit(per_second=1, burst=2, most=100, clock=Clock())
    for number in range(1000):
        admitted(limit, "198.51.100.7", f"{number}" * 500, calls=1)
    assert len(limit) == 100
    # The latest is still known.
    assert admitted(limit, "198.51.100.7", "999" * 500, calls=2) == 1


@pytest.mark.requirement("S3.17")
async def test_who_is_turned_away_is_counted_and_not_journalled(dispatch: DispatchProcess) -> None:
    await dispatch.stop()
    metrics = free_port()
    await dispatch.start(visitor_rate_per_second="0.001", visitor_burst="3", metrics_listen=f"127.0.0.1:{metrics}")
    for _ in range(3):
        assert (await dispatch.click("", {}))["error"]["code"] == "MISSING_FIELDS"
    for _ in range(5):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await dispatch.click("", {})
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(caught.value.trailing_metadata() or ())["x-switchboard-error-code"] == "RATE_LIMITED"
    assert (await dispatch.click("", {}, **dict(caller("customer"))))["error"]["code"] == "MISSING_FIELDS"
    assert len(dispatch.rows("select 1 from dispatch.action")) == 4
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"http://127.0.0.1:{metrics}/metrics")).text
    assert "switchboard_rate_limited_total 5.0" in text
