"""Tool calls: what goes in, what comes out, what is refused and how."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.fix_tool_server import ERROR, TENANT, ToolServerProcess, modern_call, principal
from tests.integration.housecall_pro.vendor_view import AVAILABILITY, BOOKING, ESTIMATE, booking, estimate
from tests.integration.tool_runtime.unruly_server import SECRET

LOOKUP = {"serviceHcpId": "svc_1", "zip": "60601"}


def test_a_result_is_structured_and_a_short_text(echo: ToolServerProcess) -> None:
    result = echo.call(BOOKING, booking(), key="k").result
    assert result["structuredContent"] == {
        "jobId": f"job_{0:032x}",
        "status": "BOOKING_STATUS_SCHEDULED",
        "startTime": "2027-03-09T14:00:00Z",
        "endTime": "2027-03-09T15:00:00Z",
        "timeZone": "America/Chicago",
        "preferredUnavailable": False,
    }
    assert result["content"] == [{"type": "text", "text": "Book a visit: done."}]
    assert (result["isError"], result["resultType"]) == (False, "complete")


def test_absent_optional_fields_are_null_and_integers_are_numbers(unruly: ToolServerProcess) -> None:
    value = unruly.call(BOOKING, booking(), key="k").value
    assert (value["startTime"], value["status"]) == (None, "BOOKING_STATUS_UNSPECIFIED")
    assert unruly.call(ESTIMATE, estimate(), key="k").value["photosAttached"] == 2**31 - 1


def test_a_servicer_gets_key_correlation_id_principal_and_deadline(unruly: ToolServerProcess) -> None:
    value = unruly.call(BOOKING, booking(), key="k-1", meta={"switchboard.dev/correlation-id": "c-1"}).value
    assert (value["jobId"], value["timeZone"]) == ("k-1", f"{TENANT}/u-1/service c-1 True")


@pytest.mark.parametrize("correlation_id", ["a b", "x" * 200, 7, {}])
def test_a_correlation_id_that_could_hold_anything_is_dropped(unruly: ToolServerProcess, correlation_id: Any) -> None:
    value = unruly.call(BOOKING, booking(), key="k", meta={"switchboard.dev/correlation-id": correlation_id}).value
    assert value["timeZone"] == f"{TENANT}/u-1/service  True"


def test_every_problem_with_the_arguments_is_told_at_once(echo: ToolServerProcess) -> None:
    arguments = booking(address={"line1": "12 Main Street", "city": 5}, notes="x" * 2001, nonsense=1)
    arguments["customer"] = arguments["customer"] | {"phone": "call me"}
    error = echo.call(BOOKING, arguments, key="k").error
    assert (error["code"], error["retryable"], error["effect"]) == ("INVALID_ARGUMENT", False, "none")
    found = {(violation["field"], violation["rule"], violation["missing"]) for violation in error["violations"]}
    assert found == {
        ("customer.phone", "format.phone", False),
        ("address.city", "type", False),
        ("address.state", "required", True),
        ("address.zip", "required", True),
        ("notes", "string.max_len", False),
        ("nonsense", "unknown_field", False),
    }
    assert "call me" not in str(error)


def test_an_error_is_also_a_line_of_text(unruly: ToolServerProcess) -> None:
    result = unruly.call(BOOKING, booking(notes="conflict"), key="k").result
    assert result["content"] == [{"type": "text", "text": "CONFLICT: It is taken."}]
    assert result["_meta"][ERROR] == {
        "code": "CONFLICT",
        "message": "It is taken.",
        "field": "slot.startTime",
        "retryable": True,
        "effect": "none",
    }


@pytest.mark.parametrize(
    ("how", "write", "read"),
    [
        ("raise", ("INTERNAL", False, "possible"), ("INTERNAL", False, "none")),
        ("timeout", ("INTERNAL", False, "possible"), ("INTERNAL", False, "none")),
        ("database", ("OUTCOME_UNKNOWN", True, "possible"), ("INTEGRATION_DOWN", True, "none")),
        ("hang", ("OUTCOME_UNKNOWN", True, "possible"), ("INTEGRATION_DOWN", True, "none")),
        ("unknown", ("OUTCOME_UNKNOWN", True, "possible"), ("OUTCOME_UNKNOWN", True, "possible")),
    ],
)
def test_what_a_servicer_lets_fly_is_told_without_its_text(
    unruly: ToolServerProcess, how: str, write: tuple[str, bool, str], read: tuple[str, bool, str]
) -> None:
    written = unruly.call(BOOKING, booking(notes=how), key="k", deadline_ms=300)
    looked = unruly.call(AVAILABILITY, LOOKUP | {"serviceHcpId": how}, deadline_ms=300)
    for reply, expected in ((written, write), (looked, read)):
        assert (reply.error["code"], reply.error["retryable"], reply.error["effect"]) == expected
        assert SECRET not in str(reply.result)


def test_an_unknown_tool_is_an_error_of_the_protocol(echo: ToolServerProcess) -> None:
    body, headers = modern_call("housecall_pro.nonsense", {}, {})
    response = echo.post(body, headers=headers)
    assert response.json()["error"]["code"] == -32602


def test_a_write_without_an_idempotency_key_is_refused_and_a_read_is_not(echo: ToolServerProcess) -> None:
    error = echo.call(BOOKING, booking()).error
    assert (error["code"], error["effect"]) == ("INVALID_ARGUMENT", "none")
    assert "switchboard.dev/idempotency-key" in error["message"]
    assert echo.call(AVAILABILITY, LOOKUP).value["served"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", 7])
def test_an_idempotency_key_that_cannot_be_kept_is_refused(echo: ToolServerProcess, key: Any) -> None:
    assert echo.call(BOOKING, booking(), meta={"switchboard.dev/idempotency-key": key}).error["code"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "token",
    [
        principal(key="another-token-that-is-long-enough-too"),
        principal(expires_in=-10),
        principal(tenant=""),
        "nonsense",
        {"tenant": TENANT},
    ],
)
def test_a_principal_that_is_not_signed_with_our_token_is_refused(unruly: ToolServerProcess, token: Any) -> None:
    error = unruly.call(BOOKING, booking(), key="k", meta={"switchboard.dev/principal": token}).error
    assert (error["code"], error["effect"]) == ("FORBIDDEN", "none")


def test_a_tool_that_needs_a_tenant_refuses_a_call_that_names_none(unruly: ToolServerProcess) -> None:
    body, headers = modern_call(BOOKING, booking(notes="tenant"), {"switchboard.dev/idempotency-key": "k"})
    result = unruly.post(body, headers=headers).json()["result"]
    assert result["_meta"][ERROR]["code"] == "FORBIDDEN"


def test_for_use_by_hand_a_key_is_minted_and_a_tenant_is_set() -> None:
    process = ToolServerProcess("tests.integration.tool_runtime.unruly_server", {"SWITCHBOARD_HAND_USE_TENANT": "demo"})
    process.start()
    try:
        body, headers = modern_call(BOOKING, booking(), {})
        values = [process.post(body, headers=headers).json()["result"]["structuredContent"] for _ in range(2)]
    finally:
        process.stop()
    assert all(value["timeZone"].startswith("demo/hand/human") for value in values)
    assert values[0]["jobId"] != values[1]["jobId"]


def test_metrics_count_calls_by_tool_and_code_and_hold_no_data(unruly: ToolServerProcess) -> None:
    unruly.call(BOOKING, booking(), key="k")
    unruly.call(BOOKING, booking(notes="conflict"), key="k")
    text = httpx.get(f"{unruly.base_url}/metrics").text
    assert re.search(r'switchboard_tool_calls_total\{code="OK",tool="housecall_pro.create_booking"\} [1-9]', text)
    assert re.search(r'switchboard_tool_calls_total\{code="CONFLICT",tool="housecall_pro.create_booking"\} [1-9]', text)
    assert 'switchboard_tool_call_seconds_bucket{le="0.005",tool="housecall_pro.create_booking"}' in text
    assert "Grace" not in text
