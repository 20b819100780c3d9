"""What a caller sees when there are too many calls, or when dispatch_service is slow, gone or one of several."""

from __future__ import annotations

import threading
from pathlib import Path

import grpc
import httpx
import pytest

from tests.fix_sandbox import wait_until
from tests.integration.envoy.conftest import StartDoor, wait_until_ready
from tests.integration.envoy.envoy_process import IMAGE, START_SECONDS
from tests.integration.envoy.published import assert_published
from tests.integration.envoy.scripted_dispatch import Answer, ScriptedDispatch

DISPATCH = "/api/actions/dispatch"
RPC = "/switchboard.dispatch.v1.DispatchService/Dispatch"


@pytest.mark.usefixtures("dispatch")
def test_one_address_cannot_use_up_the_rate_limit_of_all(start_door: StartDoor) -> None:
    limit = {"per_second": 1, "burst": 10}
    with start_door(rate_limit=limit, rate_limit_share_per_address=0.5) as door, httpx.Client() as http:
        with httpx.Client(base_url=door.url) as probe:
            wait_until_ready(probe)
        replies = [http.post(f"{door.url}{DISPATCH}", json={}) for _ in range(9)]
        assert [reply.status_code for reply in replies[:5]] == [200] * 5
        refused = replies[-1]
        assert_published(refused.status_code, refused.headers, refused.content, expected=429, code="RATE_LIMITED")
        neighbour = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(transport=neighbour) as other:
            assert other.post(f"{door.url}{DISPATCH}", json={}).status_code == 200
        assert http.get(f"{door.url}/api/services").status_code == 200


@pytest.mark.usefixtures("dispatch")
def test_behind_a_proxy_the_clients_own_address_counts_and_a_whole_network_of_ipv6_as_one(start_door: StartDoor) -> None:
    limit = {"per_second": 1, "burst": 40}
    with (
        start_door(rate_limit=limit, rate_limit_share_per_address=0.1, trusted_proxies=1) as door,
        httpx.Client(base_url=door.url) as http,
    ):
        wait_until_ready(http)

        def statuses(*addresses: str) -> list[int]:
            # What stands left of the proxy's own entry is the client's to invent.
            return [
                http.post(DISPATCH, json={}, headers={"x-forwarded-for": f"9.9.9.{number}, {address}"}).status_code
                for number, address in enumerate(addresses)
            ]

        assert statuses(*["198.51.100.7"] * 6)[3:] == [200, 429, 429]
        assert statuses(*["198.51.100.8"] * 4) == [200] * 4
        assert statuses(*[f"2001:db8:0:1::{number}" for number in range(1, 7)])[3:] == [200, 429, 429]
        assert statuses("2001:db8:0:2::1") == [200]


@pytest.mark.usefixtures("dispatch")
def test_grpc_callers_are_limited_as_well_and_told_so_in_their_way(start_door: StartDoor) -> None:
    with start_door(rate_limit={"per_second": 1, "burst": 2}, rate_limit_share_per_address=1) as door:
        with httpx.Client(base_url=door.url) as probe:
            wait_until_ready(probe)
        assert [door.rpc(RPC) for _ in range(2)] == [b"", b""]
        with pytest.raises(grpc.RpcError) as caught:
            door.rpc(RPC)
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_slow_service_is_a_504_and_for_a_write_the_outcome_is_unknown(
    start_door: StartDoor, dispatch: ScriptedDispatch
) -> None:
    with start_door(timeout_seconds=0.3, dispatch_timeout_seconds=0.6) as door, httpx.Client(base_url=door.url) as http:
        wait_until_ready(http)
        release = threading.Event()
        dispatch.answer = Answer(wait=release)
        read = http.get("/api/services")
        write = http.post(DISPATCH, json={})
        release.set()
    assert_published(read.status_code, read.headers, read.content, expected=504, code="INTEGRATION_DOWN")
    assert_published(write.status_code, write.headers, write.content, expected=504, code="OUTCOME_UNKNOWN")


def test_without_a_service_calls_fail_at_once_and_work_again_when_it_is_back(start_door: StartDoor, directory: Path) -> None:
    socket = directory / "dispatch.sock"
    first = ScriptedDispatch(IMAGE, socket)
    with start_door(dispatch=[first.address]) as door, httpx.Client(base_url=door.url) as http:
        wait_until_ready(http)
        first.close()
        reply = http.post(DISPATCH, json={})
        assert_published(reply.status_code, reply.headers, reply.content, expected=503, code="INTEGRATION_DOWN")
        assert reply.elapsed.total_seconds() < 1
        second = ScriptedDispatch(IMAGE, socket)
        wait_until_ready(http)
        assert http.post(DISPATCH, json={}).status_code == 200
        second.close()


def test_a_write_whose_service_dies_under_it_is_not_called_failed(start_door: StartDoor, directory: Path) -> None:
    server = ScriptedDispatch(IMAGE, directory / "dispatch.sock")
    with start_door(dispatch=[server.address]) as door, httpx.Client(base_url=door.url, timeout=START_SECONDS) as http:
        wait_until_ready(http)
        release = threading.Event()
        server.answer = Answer(wait=release)
        server.calls.clear()
        replies: list[httpx.Response] = []
        caller = threading.Thread(target=lambda: replies.append(http.post(DISPATCH, json={})))
        caller.start()
        wait_until(lambda: bool(server.calls), START_SECONDS, "the call did not arrive")
        closing = threading.Thread(target=server.close)
        closing.start()
        caller.join(START_SECONDS)
        release.set()
        closing.join(START_SECONDS)
    reply = replies[0]
    assert_published(reply.status_code, reply.headers, reply.content, expected=503, code="OUTCOME_UNKNOWN")
    assert len([call for call in server.calls if call.method != "/switchboard.health.v1.HealthService/CheckHealth"]) == 1


def test_one_dead_endpoint_of_two_is_not_noticed(start_door: StartDoor, directory: Path) -> None:
    servers = [ScriptedDispatch(IMAGE, directory / f"{number}.sock") for number in (1, 2)]
    with (
        start_door(dispatch=[server.address for server in servers], rate_limit=None) as door,
        httpx.Client(base_url=door.url) as http,
    ):
        wait_until_ready(http)

        def both_served() -> bool:
            http.post(DISPATCH, json={})
            return all(any(call.method.endswith("DispatchCardAction") for call in server.calls) for server in servers)

        wait_until(both_served, START_SECONDS, "only one endpoint is used")
        servers[0].close()
        assert {http.post(DISPATCH, json={}).status_code for _ in range(50)} == {200}
        servers[1].close()
