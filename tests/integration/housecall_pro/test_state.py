"""What the tool server keeps, says of itself and starts with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest

from tests.fix_postgres import MigratedDatabase
from tests.fix_tool_server import TOKEN, ToolServerProcess
from tests.integration.housecall_pro.vendor_view import BOOKING, ESTIMATE, VendorView, booking, estimate, new_key


@pytest.fixture
def other(settings: dict[str, str], request: pytest.FixtureRequest) -> Iterator[ToolServerProcess]:
    """A tool server with changed settings."""
    process = ToolServerProcess("tool_servers.housecall_pro", settings | request.param)
    process.start()
    yield process
    process.stop()


def health(server: ToolServerProcess) -> tuple[int, dict[str, object]]:
    """Status and body of the health check."""
    response = httpx.get(f"{server.base_url}/healthz", timeout=20)
    return response.status_code, response.json()


def test_the_step_state_holds_nothing_personal(server: ToolServerProcess, vendor: VendorView, database: MigratedDatabase) -> None:
    key = new_key()
    vendor.fail("POST", "/jobs", "status", status=422, times=1)
    personal = booking(notes="Beware of the dog", preferred={"timeWindow": "AM"})
    server.call(BOOKING, personal, key=key)
    server.call(BOOKING, personal, key=key)
    server.call(ESTIMATE, estimate(), key=new_key())
    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute(
            "select work::text, convert_from(coalesce(result, ''), 'latin1') from housecall_pro.work"
        ).fetchall()
    stored = str(rows)
    assert vendor.jobs()[0]["id"] in stored
    for word in ("Grace", "Hopper", "5550142", "example.com", "Main", "60601", "dog", "sink", key):
        assert word not in stored


def test_health_says_whether_a_booking_could_work(server: ToolServerProcess, vendor: VendorView) -> None:
    assert health(server) == (200, {"ok": True})
    vendor.fail("GET", "/company", "status", status=503)
    status, body = health(server)
    assert (status, body["ok"]) == (503, False)
    assert "HOUSECALL_PRO_BASE_URL" in str(body["message"])


@pytest.mark.parametrize("other", [{"HOUSECALL_PRO_API_KEY": "wrong"}], indirect=True)
def test_health_says_that_the_api_key_is_wrong(other: ToolServerProcess, vendor: VendorView) -> None:
    status, body = health(other)
    assert status == 503
    assert "HOUSECALL_PRO_API_KEY" in str(body["message"])
    error = other.call(BOOKING, booking(), key=new_key()).error
    assert (error["code"], error["retryable"], error["effect"]) == ("INTEGRATION_DOWN", False, "none")


@pytest.mark.parametrize("other", [{"SWITCHBOARD_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}], indirect=True)
def test_without_its_database_nothing_is_booked(other: ToolServerProcess, vendor: VendorView) -> None:
    status, body = health(other)
    assert status == 503
    assert "SWITCHBOARD_DATABASE_URL" in str(body["message"])
    error = other.call(BOOKING, booking(), key=new_key()).error
    assert (error["code"], error["retryable"], error["effect"]) == ("INTEGRATION_DOWN", True, "none")
    assert vendor.customers() == []


@pytest.mark.parametrize(
    "other", [{"SWITCHBOARD_TIME_WINDOWS": '{"am": "06:00-10:00", "evening": "19:00-22:00"}'}], indirect=True
)
def test_the_parts_of_the_day_are_a_setting(other: ToolServerProcess, vendor: VendorView) -> None:
    arguments = {"serviceHcpId": booking()["serviceHcpId"], "zip": "60601", "service": booking()["service"]}
    early = other.call("housecall_pro.get_availability", arguments | {"timeWindow": "AM"}).value["slots"]
    late = other.call("housecall_pro.get_availability", arguments | {"timeWindow": "EVENING"}).value["slots"]

    def hours(slots: list[dict[str, str]]) -> set[int]:
        return {datetime.fromisoformat(slot["startTime"]).astimezone(ZoneInfo("America/Chicago")).hour for slot in slots}

    assert (hours(early), hours(late)) == ({8, 9}, {19})


def test_a_bad_setting_is_one_line_and_status_2() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tool_servers.housecall_pro"],
        env={
            "SWITCHBOARD_LISTEN": "127.0.0.1:0",
            "SWITCHBOARD_TOOL_TOKEN": TOKEN,
            "SWITCHBOARD_DATABASE_URL": "postgresql://x",
            "HOUSECALL_PRO_API_KEY": "key",
            "SWITCHBOARD_TIME_WINDOWS": '{"am": "12:00-08:00"}',
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.strip().splitlines() == [
        "setting SWITCHBOARD_TIME_WINDOWS__AM__END: Value error, must end after it starts"
    ]
