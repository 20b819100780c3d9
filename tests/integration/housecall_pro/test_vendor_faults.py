"""Bookings while the vendor fails: what is said, what is done, and that nothing is ever done twice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.fix_sandbox import SandboxProcess, wait_until
from tests.fix_tool_server import ToolServerProcess
from tests.integration.housecall_pro.vendor_view import AVAILABILITY, BOOKING, VendorView, booking, new_key, reference

ARGUMENTS = booking(preferred={"timeWindow": "PM"})
LOOKUP = {"serviceHcpId": booking()["serviceHcpId"], "zip": "60601"}


@pytest.fixture
def patient(settings: dict[str, str]) -> Iterator[ToolServerProcess]:
    """A tool server that gives the vendor time to finish what it was sent."""
    process = ToolServerProcess(
        "tool_servers.housecall_pro",
        settings | {"SWITCHBOARD_SETTLE_SECONDS": "4", "SWITCHBOARD_VENDOR_TIMEOUT": "1"},
    )
    process.start()
    yield process
    process.stop()


def facts(error: dict[str, Any]) -> tuple[str, bool, str]:
    """What a caller decides by."""
    return error["code"], error["retryable"], error["effect"]


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, False), (403, False), (404, False), (422, False), (429, True), (500, True), (503, True)],
)
@pytest.mark.parametrize("path", ["/company", "/customers", "/company/schedule_availability/booking_windows"])
def test_a_refused_read_fails_the_booking_without_effect(
    server: ToolServerProcess, vendor: VendorView, path: str, status: int, retryable: bool
) -> None:
    vendor.fail("GET", path, "status", status=status)
    assert facts(server.call(BOOKING, ARGUMENTS, key=new_key()).error) == ("INTEGRATION_DOWN", retryable, "none")
    vendor.heal()
    assert vendor.customers() == []


@pytest.mark.parametrize(
    "body",
    [
        {"message": "Unprocessable"},
        {"error": {"message": "Unprocessable"}},
        {"error": "Unprocessable"},
        {"errors": {"phone": ["is odd"]}},
        {"message": "Unprocessable", "attr": "phone"},
        "<html>secret</html>",
    ],
)
def test_no_shape_of_refusal_reaches_the_caller(server: ToolServerProcess, vendor: VendorView, body: Any) -> None:
    vendor.fail("POST", "/jobs", "status", status=422, body=body)
    error = server.call(BOOKING, ARGUMENTS, key=new_key()).error
    assert facts(error) == ("INTEGRATION_DOWN", False, "none")
    assert "Unprocessable" not in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize("mode", ["drop_before", "garbage"])
def test_a_read_is_tried_a_second_time(server: ToolServerProcess, vendor: VendorView, mode: str) -> None:
    vendor.fail("GET", "/company/schedule_availability/booking_windows", mode, times=1)
    assert server.call(AVAILABILITY, LOOKUP).value["slots"]


def test_a_limited_read_is_not_tried_again_at_once(server: ToolServerProcess, vendor: VendorView) -> None:
    vendor.fail("GET", "/company", "status", status=429, times=1)
    assert facts(server.call(AVAILABILITY, LOOKUP).error) == ("INTEGRATION_DOWN", True, "none")
    assert vendor.calls("GET", "/company") == 1


@pytest.mark.parametrize("mode", ["drop_before", "garbage"])
def test_a_read_that_keeps_failing_fails_the_call(server: ToolServerProcess, vendor: VendorView, mode: str) -> None:
    vendor.fail("GET", "/company/schedule_availability/booking_windows", mode)
    assert facts(server.call(AVAILABILITY, LOOKUP).error) == ("INTEGRATION_DOWN", True, "none")


def test_a_vendor_that_hangs_is_given_up_within_the_deadline(server: ToolServerProcess, vendor: VendorView) -> None:
    vendor.fail("GET", "/company", "delay", delay_seconds=5)
    assert facts(server.call(BOOKING, ARGUMENTS, key=new_key(), deadline_ms=1500).error) == ("INTEGRATION_DOWN", True, "none")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429])
def test_a_refused_job_is_no_effect_and_the_same_key_books_later(
    server: ToolServerProcess, vendor: VendorView, status: int
) -> None:
    key = new_key()
    vendor.fail("POST", "/jobs", "status", status=status, times=1)
    assert facts(server.call(BOOKING, ARGUMENTS, key=key).error) == ("INTEGRATION_DOWN", status == 429, "none")
    assert vendor.jobs() == []
    value = server.call(BOOKING, ARGUMENTS, key=key).value
    assert [job["id"] for job in vendor.jobs()] == [value["jobId"]]
    assert len(vendor.customers()) == 1


@pytest.mark.parametrize("mode", ["drop_after", "garbage"])
def test_a_job_whose_reply_is_lost_is_found_and_not_made_twice(server: ToolServerProcess, vendor: VendorView, mode: str) -> None:
    key = new_key()
    vendor.fail("POST", "/jobs", mode, times=1)
    value = server.call(BOOKING, ARGUMENTS, key=key).value
    (job,) = vendor.jobs()
    assert (value["jobId"], value["status"]) == (job["id"], "BOOKING_STATUS_SCHEDULED")
    assert (value["startTime"], value["endTime"]) == (job["schedule"]["scheduled_start"], job["schedule"]["scheduled_end"])
    assert server.call(BOOKING, ARGUMENTS, key=key).value == value
    assert len(vendor.jobs()) == 1


def test_a_job_that_cannot_even_be_looked_up_is_unknown_until_the_same_key_finds_it(
    server: ToolServerProcess, vendor: VendorView
) -> None:
    key = new_key()
    vendor.fail("POST", "/jobs", "drop_after", times=1)
    vendor.fail("GET", "/jobs", "status", status=503)
    assert facts(server.call(BOOKING, ARGUMENTS, key=key).error) == ("OUTCOME_UNKNOWN", True, "possible")
    assert facts(server.call(BOOKING, ARGUMENTS, key=key).error) == ("OUTCOME_UNKNOWN", True, "possible")
    vendor.heal()
    value = server.call(BOOKING, ARGUMENTS, key=key).value
    assert [job["id"] for job in vendor.jobs()] == [value["jobId"]]
    assert vendor.calls("POST", "/jobs") == 1


def test_a_job_is_found_among_many_others_of_its_customer(server: ToolServerProcess, vendor: VendorView) -> None:
    server.call(BOOKING, booking(), key=new_key())
    (customer,) = vendor.customers()
    key = new_key()
    vendor.fail("POST", "/jobs", "drop_after", times=1)
    vendor.fail("GET", "/jobs", "status", status=503)
    assert server.call(BOOKING, booking(), key=key).error["code"] == "OUTCOME_UNKNOWN"
    vendor.heal()
    for _ in range(105):
        vendor.add_job(customer_id=customer["id"], address_id=customer["addresses"][0]["id"])
    job_id = server.call(BOOKING, booking(), key=key).value["jobId"]
    assert [job["id"] for job in vendor.jobs() if reference(key) in job["tags"]] == [job_id]


@pytest.mark.parametrize(("mode", "rule"), [("drop_before", {}), ("status", {"status": 500})])
def test_a_job_that_was_never_made_is_unknown_first_and_made_by_the_same_key(
    server: ToolServerProcess, vendor: VendorView, mode: str, rule: dict[str, Any]
) -> None:
    key = new_key()
    vendor.fail("POST", "/jobs", mode, times=1, **rule)
    assert facts(server.call(BOOKING, ARGUMENTS, key=key).error) == ("OUTCOME_UNKNOWN", True, "possible")
    value = server.call(BOOKING, ARGUMENTS, key=key).value
    assert [job["id"] for job in vendor.jobs()] == [value["jobId"]]


def test_a_job_that_the_vendor_makes_late_is_not_made_twice(patient: ToolServerProcess, vendor: VendorView) -> None:
    key = new_key()
    vendor.fail("POST", "/jobs", "delay", delay_seconds=2.5, times=1)
    assert facts(patient.call(BOOKING, ARGUMENTS, key=key).error) == ("OUTCOME_UNKNOWN", True, "possible")
    assert facts(patient.call(BOOKING, ARGUMENTS, key=key).error) == ("OUTCOME_UNKNOWN", True, "possible")
    wait_until(lambda: bool(vendor.jobs()), 10, "the vendor has not made the job")
    value = patient.call(BOOKING, ARGUMENTS, key=key).value
    assert [job["id"] for job in vendor.jobs()] == [value["jobId"]]


@pytest.mark.parametrize("mode", ["drop_after", "garbage"])
def test_a_customer_whose_reply_is_lost_is_found_and_not_made_twice(
    server: ToolServerProcess, vendor: VendorView, mode: str
) -> None:
    vendor.fail("POST", "/customers", mode, times=1)
    assert server.call(BOOKING, ARGUMENTS, key=new_key()).value["jobId"]
    assert len(vendor.customers()) == 1


@pytest.mark.parametrize(("mode", "rule"), [("drop_before", {}), ("status", {"status": 502})])
def test_a_customer_that_was_not_made_is_made_by_the_same_key(
    server: ToolServerProcess, vendor: VendorView, mode: str, rule: dict[str, Any]
) -> None:
    key = new_key()
    vendor.fail("POST", "/customers", mode, times=1, **rule)
    assert facts(server.call(BOOKING, ARGUMENTS, key=key).error) == ("INTEGRATION_DOWN", True, "none")
    assert server.call(BOOKING, ARGUMENTS, key=key).value["jobId"]
    assert (len(vendor.customers()), len(vendor.jobs())) == (1, 1)


@pytest.mark.parametrize("mode", ["drop_after", "garbage"])
def test_an_address_whose_reply_is_lost_is_found_and_not_made_twice(
    server: ToolServerProcess, vendor: VendorView, mode: str
) -> None:
    server.call(BOOKING, booking(), key=new_key())
    vendor.fail("POST", "/customers/*/addresses", mode, times=1)
    elsewhere = booking()["address"] | {"line1": "99 Oak Avenue"}
    assert server.call(BOOKING, booking(address=elsewhere), key=new_key()).value["jobId"]
    assert len(vendor.customers()[0]["addresses"]) == 2


def test_a_server_killed_after_the_customer_was_made_goes_on_where_it_stopped(
    server: ToolServerProcess, vendor: VendorView
) -> None:
    key = new_key()
    vendor.fail("POST", "/customers", "delay", delay_seconds=1.5, times=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.call, BOOKING, ARGUMENTS, key=key)
        wait_until(lambda: not vendor.faults(), 10, "no customer was posted")
        server.kill()
        assert first.exception() is not None
    wait_until(lambda: bool(vendor.customers()), 10, "the vendor has not made the customer")
    assert vendor.jobs() == []
    server.start()
    value = server.call(BOOKING, ARGUMENTS, key=key).value
    assert [job["id"] for job in vendor.jobs()] == [value["jobId"]]
    assert len(vendor.customers()) == 1


def test_a_server_killed_while_the_job_was_being_made_finds_the_job(server: ToolServerProcess, vendor: VendorView) -> None:
    key = new_key()
    vendor.fail("POST", "/jobs", "delay", delay_seconds=1, times=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.call, BOOKING, ARGUMENTS, key=key)
        wait_until(lambda: not vendor.faults(), 10, "no job was posted")
        server.kill()
        assert first.exception() is not None
    wait_until(lambda: bool(vendor.jobs()), 10, "the vendor has not made the job")
    server.start()
    value = server.call(BOOKING, ARGUMENTS, key=key).value
    assert [job["id"] for job in vendor.jobs()] == [value["jobId"]]
    assert value["startTime"] == vendor.jobs()[0]["schedule"]["scheduled_start"]


def test_a_vendor_that_is_not_there_is_an_integration_that_is_down(
    server: ToolServerProcess, vendor: VendorView, sandbox_process: SandboxProcess
) -> None:
    key = new_key()
    sandbox_process.stop()
    try:
        assert facts(server.call(BOOKING, ARGUMENTS, key=key).error) == ("INTEGRATION_DOWN", True, "none")
    finally:
        sandbox_process.start()
    assert server.call(BOOKING, ARGUMENTS, key=key).value["jobId"]
