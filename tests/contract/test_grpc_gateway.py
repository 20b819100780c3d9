"""The contract works with grpc-gateway: its generated routes answer the case file as the front door's own do."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.case_file import Case, cases
from tests.contract.test_cases import check, envelope
from tests.fix_sandbox import wait_until
from tests.fix_stack import RunningStack

pytestmark = pytest.mark.needs("go")

ALL = cases()
_PATIENCE_SECONDS = 30.0


@pytest.fixture(scope="module")
def door(stack: RunningStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.front_door, timeout=40) as client:
        yield client


@pytest.fixture(scope="module")
def gateway(stack: RunningStack, go_programs: dict[str, Path]) -> Iterator[httpx.Client]:
    """A client of grpc-gateway's routes, which call the stack's front door over gRPC."""
    command = [str(go_programs["gateway"]), "-backend", stack.front_door.removeprefix("http://")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            with httpx.Client(base_url=f"http://{process.stdout.readline().strip()}", timeout=40) as client:
                yield client
        finally:
            process.terminate()


def dispatched(client: httpx.Client, case: Case, headers: dict[str, str] | None = None) -> httpx.Response:
    """The answer to a case, which is sent again while the rate limit says no."""
    replies: list[httpx.Response] = []

    def let_in() -> bool:
        replies.append(client.post("/api/actions/dispatch", json=envelope(case), headers=headers))
        return replies[-1].status_code != HTTPStatus.TOO_MANY_REQUESTS

    wait_until(let_in, _PATIENCE_SECONDS, "the front door lets nothing in")
    return replies[-1]


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_the_gateway_answers_as_the_front_door_does(case: Case, gateway: httpx.Client, door: httpx.Client) -> None:
    reply = dispatched(gateway, case)
    assert reply.status_code == HTTPStatus.OK, reply.text
    assert reply.headers["content-type"] == "application/json"
    check(case, reply.json())
    if not case.ok:
        # What a refusal says is the same to the letter: names, empty lists, the form to fill in.
        assert comparable(reply.json()) == comparable(dispatched(door, case).json())


def comparable(value: Any) -> Any:
    """An answer without what is new in each, and without the order of problems: a Struct does not keep that of its fields."""
    if isinstance(value, dict):
        kept = {name: comparable(item) for name, item in value.items() if name not in {"correlationId", "cardId"}}
        kept.get("fieldViolations", []).sort(key=lambda violation: violation["field"])
        return kept
    return [comparable(item) for item in value] if isinstance(value, list) else value


def test_ok_false_is_printed(gateway: httpx.Client) -> None:
    assert '"ok":false' in gateway.post("/api/actions/dispatch", json={}).text.replace(" ", "")


def test_the_idempotency_key_header_reaches_the_domain(gateway: httpx.Client) -> None:
    case = next(case for case in ALL if case.ok and case.card == "booking_confirmation")
    body = envelope(case)
    del body["idempotencyKey"]
    headers = {"idempotency-key": f"gateway-{uuid.uuid4()}"}
    first, second = (gateway.post("/api/actions/dispatch", json=body, headers=headers).json() for _ in range(2))
    assert first["ok"] is True
    assert second == first


def test_reads_with_query_and_path_parameters_work(gateway: httpx.Client, stack: RunningStack) -> None:
    dispatched(gateway, ALL[0])
    operator = {"authorization": f"Bearer {stack.token(role='operator')}"}
    assert gateway.get("/api/services").json()["services"]
    assert gateway.get("/healthz").json()["ok"] is True
    entries = gateway.get("/api/action-log?page_size=1", headers=operator).json()["entries"]
    assert len(entries) == 1
    assert gateway.get(f"/api/action-log/{entries[0]['id']}", headers=operator).json()["id"] == entries[0]["id"]
    assert gateway.get("/api/action-log").status_code == HTTPStatus.UNAUTHORIZED


def test_the_watch_route_streams(gateway: httpx.Client, stack: RunningStack) -> None:
    operator = {"authorization": f"Bearer {stack.token(role='operator')}"}

    def first_line() -> str:
        with gateway.stream("GET", "/api/action-log:watch", headers=operator) as stream:
            return next(stream.iter_lines())

    asked: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(first_line)

        def seen() -> bool:
            # The gateway opens the stream with its first entry, so there has to be one after it asked.
            asked.append(gateway.post("/api/actions/dispatch", json={}).json().get("correlationId", ""))
            return watching.done()

        wait_until(seen, _PATIENCE_SECONDS, "nothing is streamed")
    assert any(correlation_id and correlation_id in watching.result() for correlation_id in asked)
