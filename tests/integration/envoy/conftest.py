"""One scripted dispatch server and one Envoy for the whole folder; tests that need other settings start their own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fix_sandbox import wait_until
from tests.integration.envoy.envoy_process import IMAGE, START_SECONDS, FrontDoor, running_front_door
from tests.integration.envoy.scripted_dispatch import Answer, ScriptedDispatch
from tests.integration.envoy.tokens import Issuer

SHOP = "https://shop.example"

StartDoor = Callable[..., AbstractContextManager[FrontDoor]]


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="door-") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """The issuer that every front door of these tests trusts."""
    return Issuer("https://issuer.example")


@pytest.fixture(scope="session")
def shared_dispatch() -> Iterator[ScriptedDispatch]:
    """The scripted server behind the shared front door."""
    with tempfile.TemporaryDirectory(prefix="door-") as path:
        server = ScriptedDispatch(IMAGE, Path(path) / "dispatch.sock")
        yield server
        server.close()


@pytest.fixture
def dispatch(shared_dispatch: ScriptedDispatch) -> ScriptedDispatch:
    """The scripted server, with nothing scripted and nothing recorded."""
    shared_dispatch.answer = Answer()
    shared_dispatch.calls.clear()
    return shared_dispatch


@pytest.fixture(scope="session")
def door(shared_dispatch: ScriptedDispatch, issuer: Issuer) -> Iterator[FrontDoor]:
    """A front door with its default settings but for rate limits, which the other tests would run into."""
    settings = {
        "dispatch": [shared_dispatch.address],
        "issuers": [issuer.settings],
        "allowed_origins": [SHOP],
        "rate_limit": None,
    }
    with (
        tempfile.TemporaryDirectory(prefix="door-") as path,
        running_front_door(settings, Path(path)) as running,
        httpx.Client(base_url=running.url) as http,
    ):
        wait_until_ready(http)
        yield running
        # A script that fails leaves the reply as it was, and a warning means a setting that will go.
        assert running.log.read_text(encoding="utf-8") == ""


@pytest.fixture
def start_door(directory: Path, issuer: Issuer, shared_dispatch: ScriptedDispatch) -> StartDoor:
    """Start a front door of a test's own, with these settings besides the usual ones."""

    def start(**settings: Any) -> AbstractContextManager[FrontDoor]:
        usual = {"dispatch": [shared_dispatch.address], "issuers": [issuer.settings]}
        return running_front_door({**usual, **settings}, directory)

    return start


@pytest.fixture
def http(door: FrontDoor) -> Iterator[httpx.Client]:
    """A client of the shared front door."""
    with httpx.Client(base_url=door.url, timeout=START_SECONDS) as client:
        yield client


@pytest.fixture
def signed_in(issuer: Issuer) -> dict[str, str]:
    """Headers of a caller with a good token."""
    return {"authorization": f"Bearer {issuer.token()}"}


def wait_until_ready(http: httpx.Client) -> None:
    """Return when the door knows its dispatch server to be healthy."""
    wait_until(lambda: http.get("/healthz").status_code == httpx.codes.OK, START_SECONDS, "no healthy dispatch server")
