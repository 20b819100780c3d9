"""Dry runs: the runtime asks the servicer's preview and never the tool."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from service_kit.contract.tools import tools_of
from tests.bench.echo_server import EchoServicer
from tests.fix_tool_server import TOKEN, ToolServerProcess, modern, modern_call, principal
from tests.integration.housecall_pro.vendor_view import AVAILABILITY, BOOKING, ESTIMATE, booking, estimate
from tests.integration.tool_runtime.unruly_server import SECRET
from tool_servers.runtime.catalogue import bind

DRY_RUN = "switchboard.dev/dry-run"
DRY = {DRY_RUN: True}
LOOKUP = {"serviceHcpId": "svc_1", "zip": "60601"}


def test_a_dry_run_answers_with_the_preview_and_is_marked(echo: ToolServerProcess) -> None:
    result = echo.call(BOOKING, booking(), meta=DRY).result
    assert result["structuredContent"] == {
        "summary": "Makes one job.",
        "changes": [{"kind": "CHANGE_KIND_CREATE", "what": "job"}],
        "facts": {"items": 1},
    }
    assert result["_meta"][DRY_RUN] is True
    assert result["content"] == [{"type": "text", "text": "Book a visit: this is what it would do; nothing was done."}]
    assert (result["isError"], result["resultType"]) == (False, "complete")


def test_a_call_that_is_no_dry_run_is_not_marked(echo: ToolServerProcess) -> None:
    for meta in ({}, {DRY_RUN: False}):
        result = echo.call(BOOKING, booking(), key="k", meta=meta).result
        assert result["structuredContent"]["jobId"]
        assert DRY_RUN not in result["_meta"]


def test_both_ways_into_the_server_know_dry_runs(echo: ToolServerProcess) -> None:
    """A body without a length goes the SDK's way."""
    for tool, arguments, mark in (
        (BOOKING, booking(), True),
        (BOOKING, {}, True),
        (AVAILABILITY, LOOKUP, True),
        (BOOKING, booking(), "yes"),
    ):
        body, headers = modern_call(tool, arguments, {DRY_RUN: mark})
        short = echo.post(body, headers=headers)
        sent = headers | {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json", "Content-Type": "application/json"}
        long = httpx.post(f"{echo.base_url}/mcp", content=iter([json.dumps(body).encode()]), headers=sent)
        assert (short.status_code, short.json()) == (long.status_code, long.json())


def test_tools_that_preview_say_so_in_the_listing(echo: ToolServerProcess) -> None:
    body, headers = modern("tools/list", {})
    listed = {tool["name"]: tool.get("_meta") for tool in echo.post(body, headers=headers).json()["result"]["tools"]}
    assert listed == {
        AVAILABILITY: None,
        BOOKING: {"switchboard.dev/previews": True},
        ESTIMATE: {"switchboard.dev/previews": True},
    }


def test_a_tool_that_only_reads_has_no_dry_run(echo: ToolServerProcess) -> None:
    error = echo.call(AVAILABILITY, LOOKUP, meta=DRY).error
    assert (error["code"], error["effect"]) == ("INVALID_ARGUMENT", "none")
    assert echo.call(AVAILABILITY, LOOKUP, meta={DRY_RUN: False}).value["served"]


@pytest.mark.parametrize("mark", ["true", 1, 0, {}, [], "false"])
def test_a_mark_that_cannot_be_read_lets_nothing_through(unruly: ToolServerProcess, mark: Any) -> None:
    error = unruly.call(BOOKING, booking(), key="k", meta={DRY_RUN: mark}).error
    assert (error["code"], error["effect"]) == ("INVALID_ARGUMENT", "none")


def test_a_dry_run_needs_no_key_and_takes_a_good_one(unruly: ToolServerProcess) -> None:
    assert unruly.call(BOOKING, booking(), meta=DRY).value["summary"] == "///  True"
    assert unruly.call(BOOKING, booking(), key="k-1", meta=DRY).value["summary"] == "/// k-1 True"
    assert unruly.call(BOOKING, booking(), key="x" * 256, meta=DRY).error["code"] == "INVALID_ARGUMENT"


def test_arguments_are_checked_as_for_the_call(echo: ToolServerProcess) -> None:
    arguments = booking(address={"line1": "12 Main Street", "city": 5}, nonsense=1)
    assert echo.call(BOOKING, arguments, meta=DRY).error == echo.call(BOOKING, arguments, key="k").error


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("raise", ("INTERNAL", False, "none")),
        ("timeout", ("INTERNAL", False, "none")),
        ("database", ("INTEGRATION_DOWN", True, "none")),
        ("hang", ("INTEGRATION_DOWN", True, "none")),
        ("conflict", ("CONFLICT", True, "none")),
    ],
)
def test_a_preview_that_fails_has_changed_nothing(unruly: ToolServerProcess, how: str, expected: tuple[str, bool, str]) -> None:
    reply = unruly.call(BOOKING, booking(notes=how), meta=DRY, deadline_ms=300)
    assert (reply.error["code"], reply.error["retryable"], reply.error["effect"]) == expected
    assert SECRET not in str(reply.result)


def test_a_dry_run_does_not_run_the_tool(unruly: ToolServerProcess) -> None:
    unruly.call(ESTIMATE, estimate(), meta=DRY)
    assert httpx.get(f"{unruly.base_url}/healthz").status_code == 200


def test_a_dry_run_is_counted_apart_from_calls(unruly: ToolServerProcess) -> None:
    unruly.call(BOOKING, booking(), meta=DRY)
    assert 'code="PREVIEWED",tool="housecall_pro.create_booking"' in httpx.get(f"{unruly.base_url}/metrics").text


def test_a_preview_knows_whose_data_the_caller_is_limited_to(unruly: ToolServerProcess) -> None:
    token = principal(tier="T2", owner="o-1", buildings=["b-1", "b-2"], resident="r-1")
    value = unruly.call(BOOKING, booking(), meta=DRY | {"switchboard.dev/principal": token}).value
    assert value["summary"] == "T2/o-1/b-1,b-2/r-1  True"


@pytest.mark.parametrize("buildings", ["b-1", [1], {"b-1": True}])
def test_buildings_that_are_no_list_of_texts_are_refused(unruly: ToolServerProcess, buildings: Any) -> None:
    token = principal(buildings=buildings)
    error = unruly.call(BOOKING, booking(), key="k", meta={"switchboard.dev/principal": token}).error
    assert error["code"] == "FORBIDDEN"


@pytest.mark.parametrize("tool", [spec.method for spec in tools_of("housecall_pro") if not spec.reads_only])
def test_a_server_whose_writing_tool_has_no_preview_does_not_start(tool: str) -> None:
    name = {"CreateBooking": "preview_create_booking", "CreateEstimateRequest": "preview_create_estimate_request"}[tool]
    lacking = type("Lacking", (EchoServicer,), {name: None})
    with pytest.raises(TypeError, match=name):
        bind("housecall_pro", lacking())
