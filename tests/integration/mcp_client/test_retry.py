"""The retry policy: what may be repeated, how often, and after how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_adapter_service.mcp_client import Code, Effect, Fault, ToolFailed, ToolReply, ToolSucceeded, faults
from mcp_adapter_service.resilience import RetryPolicy

_FAULTS: list[Fault] = [
    faults.refused("s", Code.CONNECTION_REFUSED),
    faults.refused("s", Code.TLS_FAILED),
    faults.timed_out("s"),
    faults.unknown("s"),
    *(faults.http("s", status) for status in (307, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504)),
    *(faults.protocol("s", code) for code in (Code.BAD_JSON, Code.UNKNOWN_TOOL, Code.TOOL_CRASHED, Code.REPLY_TOO_LARGE)),
]


@given(st.sampled_from(_FAULTS), st.integers(1, 6), st.floats(0, 60), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_a_call_is_repeated_only_where_that_is_right_and_always_within_the_deadline(
    fault: Fault, attempt: int, remaining: float, safe: bool, chance: float
) -> None:
    policy = RetryPolicy(chance=lambda: chance)

    delay = policy.delay(fault, attempt=attempt, remaining=remaining, safe_to_repeat=safe)

    if delay is not None:
        assert fault.retryable
        assert fault.effect is Effect.NONE or safe
        assert attempt < policy.max_attempts
        assert 0 < delay <= remaining - policy.min_attempt
        assert delay <= policy.max_delay


@pytest.mark.parametrize("reply", [ToolSucceeded(), ToolFailed()])
def test_what_the_tool_said_stands(reply: ToolReply) -> None:
    assert RetryPolicy().delay(reply, attempt=1, remaining=60, safe_to_repeat=True) is None


def test_the_delay_doubles_and_has_a_bound() -> None:
    policy = RetryPolicy(max_attempts=10, base_delay=0.1, max_delay=1.0, chance=lambda: 0.0)
    fault = faults.refused("s", Code.CONNECTION_REFUSED)

    delays = [policy.delay(fault, attempt=n, remaining=60, safe_to_repeat=False) for n in range(1, 7)]

    assert delays == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.5, 0.5])


def test_retry_after_is_waited_for_or_the_call_is_given_up() -> None:
    policy = RetryPolicy()
    limited = faults.http("s", 429, 3.0)

    assert policy.delay(limited, attempt=1, remaining=10, safe_to_repeat=False) == 3.0
    assert policy.delay(limited, attempt=1, remaining=3.0, safe_to_repeat=False) is None


@pytest.mark.parametrize(
    ("status", "effect"),
    [(status, Effect.NONE) for status in (307, 400, 401, 403, 404, 405, 413, 429)]
    + [(status, Effect.POSSIBLE) for status in (408, 409, 422, 500, 501, 502, 503, 504)],
)
def test_an_http_status_says_whether_anything_may_have_happened(status: int, effect: Effect) -> None:
    assert faults.http("s", status).effect is effect


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_sentence_for_people(code: Code) -> None:
    text = faults.text_of("crm", code)

    assert text.startswith("The tool server 'crm' ")
    assert text.endswith(".")
