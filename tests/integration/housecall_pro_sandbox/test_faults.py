"""Each fault switch, as a client on a real connection sees it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fix_sandbox import wait_until

ADA = {"first_name": "Ada", "last_name": "Byron", "mobile_number": "3125550100"}


def switch_on(vendor: httpx.Client, **rule: Any) -> None:
    response = vendor.post("/_sandbox/faults", json=rule)
    assert response.status_code == 201, response.text


def customers(vendor: httpx.Client) -> int:
    total: int = vendor.get("/customers").json()["total_items"]
    return total


def test_status_answers_as_told_and_does_nothing(vendor: httpx.Client) -> None:
    switch_on(vendor, method="POST", path="/customers", mode="status", status=503, body={"error": "down"}, times=1)
    response = vendor.post("/customers", json=ADA)
    assert (response.status_code, response.json()) == (503, {"error": "down"})
    assert customers(vendor) == 0
    assert vendor.post("/customers", json=ADA).status_code == 201


def test_status_with_text_answers_like_a_proxy_page(vendor: httpx.Client) -> None:
    switch_on(vendor, path="/jobs", mode="status", status=502, body="<html>Bad Gateway</html>", times=1)
    response = vendor.get("/jobs")
    assert response.headers["content-type"].startswith("text/html")
    assert response.text == "<html>Bad Gateway</html>"


def test_drop_before_closes_the_connection_and_does_nothing(vendor: httpx.Client) -> None:
    switch_on(vendor, method="POST", path="/customers", mode="drop_before", times=1)
    with pytest.raises(httpx.TransportError):
        vendor.post("/customers", json=ADA)
    assert customers(vendor) == 0


def test_drop_after_closes_the_connection_once_the_work_is_done(vendor: httpx.Client) -> None:
    switch_on(vendor, method="POST", path="/customers", mode="drop_after", times=1)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        vendor.post("/customers", json=ADA)
    assert customers(vendor) == 1


def test_a_retry_after_a_dropped_reply_makes_a_second_record(vendor: httpx.Client) -> None:
    switch_on(vendor, method="POST", path="/customers", mode="drop_after", times=1)
    with pytest.raises(httpx.TransportError):
        vendor.post("/customers", json=ADA)
    assert vendor.post("/customers", json=ADA).status_code == 201
    assert customers(vendor) == 2


def test_garbage_does_the_work_and_answers_what_is_not_json(vendor: httpx.Client) -> None:
    switch_on(vendor, method="POST", path="/customers", mode="garbage", times=1)
    response = vendor.post("/customers", json=ADA)
    assert response.status_code == 201
    with pytest.raises(ValueError, match=r".+"):
        response.json()
    assert customers(vendor) == 1


def test_delay_outlasts_a_client_and_does_the_work_all_the_same(vendor: httpx.Client) -> None:
    switch_on(vendor, method="POST", path="/customers", mode="delay", delay_seconds=0.5, times=1)
    with pytest.raises(httpx.ReadTimeout):
        vendor.post("/customers", json=ADA, timeout=0.1)
    wait_until(lambda: customers(vendor) == 1, 10, "the delayed work is not done")


def test_delay_answers_a_patient_client(vendor: httpx.Client) -> None:
    switch_on(vendor, path="/company", mode="delay", delay_seconds=0.2)
    response = vendor.get("/company")
    assert response.status_code == 200
    assert response.elapsed.total_seconds() >= 0.2


def test_a_rule_without_times_strikes_until_it_is_cleared(vendor: httpx.Client) -> None:
    switch_on(vendor, path="/company", mode="status", status=500)
    assert [vendor.get("/company").status_code for _ in range(3)] == [500, 500, 500]
    assert vendor.request("DELETE", "/_sandbox/faults").json() == {"faults": []}
    assert vendor.get("/company").status_code == 200


def test_a_rule_with_times_counts_down_in_the_list(vendor: httpx.Client) -> None:
    switch_on(vendor, path="/company", mode="status", status=500, times=2)
    vendor.get("/company")
    assert [rule["remaining"] for rule in vendor.get("/_sandbox/faults").json()["faults"]] == [1]
    vendor.get("/company")
    assert vendor.get("/_sandbox/faults").json() == {"faults": []}


@pytest.mark.parametrize(
    ("glob", "path", "struck"),
    [
        ("/jobs", "/jobs", True),
        ("/jobs", "/jobs/job_1", False),
        ("/customers/*", "/customers/cus_1", True),
        ("/customers/*", "/customers/cus_1/addresses", False),
        ("/customers/**", "/customers/cus_1/addresses", True),
        ("/**", "/company", True),
    ],
)
def test_a_glob_covers_one_segment_by_one_star_and_any_by_two(vendor: httpx.Client, glob: str, path: str, struck: bool) -> None:
    switch_on(vendor, path=glob, mode="status", status=418)
    assert (vendor.get(path).status_code == 418) is struck


def test_a_rule_for_one_method_leaves_the_others_alone(vendor: httpx.Client) -> None:
    switch_on(vendor, method="POST", path="/customers", mode="status", status=500)
    assert vendor.get("/customers").status_code == 200
    assert vendor.post("/customers", json=ADA).status_code == 500


def test_a_fault_never_locks_out_the_switches_or_the_health_check(vendor: httpx.Client) -> None:
    switch_on(vendor, path="/**", mode="drop_before")
    assert vendor.get("/healthz").json() == {"ok": True}
    assert vendor.get("/_sandbox/faults").status_code == 200


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"mode": "status", "path": "/jobs"}, "needs a status"),
        ({"mode": "delay", "path": "/jobs"}, "needs delay_seconds"),
        ({"mode": "explode", "path": "/jobs"}, "mode"),
        ({"mode": "drop_after"}, "path"),
        ({"mode": "drop_after", "path": "jobs"}, "path"),
    ],
)
def test_a_rule_that_could_not_strike_is_refused(vendor: httpx.Client, rule: dict[str, Any], field: str) -> None:
    response = vendor.post("/_sandbox/faults", json=rule)
    assert response.status_code == 422
    assert field in response.json()["message"]


def test_calls_are_counted_by_endpoint_and_outcome_without_ids(vendor: httpx.Client) -> None:
    switch_on(vendor, method="POST", path="/customers", mode="drop_after", times=1)
    with pytest.raises(httpx.TransportError):
        vendor.post("/customers", json=ADA)
    vendor.post("/customers", json=ADA)
    vendor.get(f"/customers/cus_{0:032x}")
    vendor.get("/nowhere")
    wait_until(lambda: len(vendor.get("/_sandbox/calls").json()["calls"]) == 3, 5, "a call is not counted")
    assert vendor.get("/_sandbox/calls").json()["calls"] == [
        {"method": "GET", "path": "(no such path)", "count": 1, "statuses": {"404": 1}},
        {"method": "GET", "path": "/customers/{customer_id}", "count": 1, "statuses": {"404": 1}},
        {"method": "POST", "path": "/customers", "count": 2, "statuses": {"201": 1, "dropped": 1}},
    ]


def test_reset_clears_faults_counts_and_records(vendor: httpx.Client) -> None:
    vendor.post("/customers", json=ADA)
    switch_on(vendor, path="/company", mode="status", status=500)
    assert vendor.post("/_sandbox/reset").json() == {"ok": True}
    assert vendor.get("/_sandbox/faults").json() == {"faults": []}
    assert vendor.get("/_sandbox/calls").json() == {"calls": []}
    assert customers(vendor) == 0
