"""The gateway's `/mcp` before the official conformance runner: through Envoy, with a token, a third party's server behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest

from tests.conformance import report
from tests.conformance.everything import TOOLS, everything
from tests.conformance.front import front
from tests.conformance.runner import Runner
from tests.conformance.scenarios import GATEWAY_CANNOT_APPLY, REVISIONS
from tests.fix_sandbox import wait_until
from tests.fix_stack import RunningStack
from tests.integration.model_gateway.conftest import through_the_door

_NAME = "everything"
_SECONDS = 20.0
_TOOL_META = "switchboard.dev/tool"


@pytest.fixture(scope="module")
def runner() -> Runner:
    """The installed runner."""
    return Runner.installed()


@pytest.fixture
def backend(stack: RunningStack) -> Iterator[None]:
    """A third party's server with the tools that the runner calls, registered, and enabled for everybody."""
    with everything() as url, httpx.Client(base_url=stack.front_door, timeout=60) as operator:
        operator.headers["Authorization"] = f"Bearer {stack.token(role='operator')}"
        registered = operator.post("/api/servers", json={"name": _NAME, "url": url})
        assert registered.status_code == httpx.codes.OK, registered.text
        last = json.loads(registered.text.strip().splitlines()[-1].removeprefix("data:"))
        assert last["done"], registered.text
        assert not last["error"], registered.text
        for tool in TOOLS:
            known = {"tool": tool, "effect": "EFFECT_READ", "permission": "PERMISSION_LEVEL_UNRESTRICTED"}
            _done(operator.post(f"/api/servers/{_NAME}/tools:configure", json=known))
            _done(operator.post(f"/api/servers/{_NAME}/tools:enable", json={"tool": tool, "enabled": True}))
        wait_until(lambda: _listed(stack) >= set(TOOLS), _SECONDS, "the tools are not listed")
        yield
        _done(operator.delete(f"/api/servers/{_NAME}"))


@pytest.mark.slow
@pytest.mark.needs("npm")
@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.usefixtures("backend")
async def test_the_gateway_passes_every_scenario_that_applies(
    revision: str, runner: Runner, stack: RunningStack, capsys: pytest.CaptureFixture[str]
) -> None:
    excuses = GATEWAY_CANNOT_APPLY[revision]
    async with through_the_door(stack) as client:
        shown = [(tool.name, (tool.meta or {}).get(_TOOL_META, {})) for tool in (await client.list_tools()).tools]
    names = {own["name"]: alias for alias, own in shown if own.get("server") == _NAME}

    async with front(f"{stack.front_door}/mcp", stack.token(role="agent"), names) as url:
        run = await asyncio.to_thread(runner.server, url, revision)

    with capsys.disabled():
        print("", *report.lines(f"gateway, {revision}", run, excuses), sep="\n")
    assert report.problems(run, excuses) == []


def _done(response: httpx.Response) -> None:
    assert response.status_code == httpx.codes.OK, response.text


def _listed(stack: RunningStack) -> set[str]:
    bearer = {"Authorization": f"Bearer {stack.token(role='agent')}"}
    tools = httpx.get(f"{stack.front_door}/api/tools", headers=bearer, timeout=30).json()["tools"]
    return {tool["name"] for tool in tools if tool.get("server") == _NAME}
