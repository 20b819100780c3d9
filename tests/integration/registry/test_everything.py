"""A server that is really a third party's: npm `@modelcontextprotocol/server-everything`, over HTTP and started here."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from switchboard.registry.v1 import server_registry_service_pb2 as pb

from tests.fix_sandbox import free_port, wait_until
from tests.integration.adapter.processes import AdapterProcess
from tests.integration.registry.conftest import Adapters
from tests.integration.registry.operator import Operator

HERE = Path(__file__).with_name("everything")
CACHE = Path(sys.prefix) / "server-everything"
_INSTALL_SECONDS = 180
_START_SECONDS = 30.0

pytestmark = pytest.mark.needs("node", "npm")


@pytest.fixture(scope="module")
def everything() -> list[str]:
    """What starts the server, installed once into the virtual environment."""
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
    program = modules / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
    return [str(shutil.which("node")), str(program)]


@pytest.fixture(scope="module")
def url(everything: list[str]) -> Iterator[str]:
    """Where the server speaks Streamable HTTP."""
    port = free_port()
    process = subprocess.Popen(
        [*everything, "streamableHttp"],
        env={**os.environ, "PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens, _START_SECONDS, "server-everything does not listen")
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def adapter(adapters: Adapters, everything: list[str]) -> AdapterProcess:
    """An adapter that may start the server, and no other program of Node's."""
    return adapters(MCP_STDIO_PROGRAMS=json.dumps([" ".join(everything)]), MCP_CHECK_SECONDS="600")


async def look_and_call(operator: Operator, name: str) -> None:
    """See that the server's tools are pinned and that those which suit an API can be called."""
    kept = await operator.server(name)
    assert kept.protocol_version == "2025-11-25"
    names = {found.name for found in kept.tools}
    assert {"echo", "get-sum", "get-structured-content"} <= names
    assert all(found.drift == pb.DRIFT_NONE for found in kept.tools), [found.reason for found in kept.tools if found.reason]
    echoed = await operator.call(name, "echo", message="hello")
    assert json.loads(echoed.result_json)["content"] == [{"type": "text", "text": "Echo: hello"}]
    added = await operator.call(name, "get-sum", a=2, b=3)
    assert "5" in json.loads(added.result_json)["content"][0]["text"]
    structured = await operator.call(name, "get-structured-content", location="Chicago")
    assert {"temperature", "conditions"} <= json.loads(structured.result_json).keys()
    wrong = await operator.call(name, "get-sum", a="two", b=3)
    assert wrong.error_code in {"TOOL_ERROR", "PROTOCOL_ERROR"}


@pytest.mark.requirement("S3.4")
async def test_it_is_registered_over_streamable_http_and_its_tools_are_called(operator: Operator, url: str) -> None:
    steps = await operator.register("over_http", url)
    assert steps[-1].HasField("server"), steps[-1].error
    await look_and_call(operator, "over_http")


async def test_it_is_started_here_and_its_tools_are_called(operator: Operator, everything: list[str]) -> None:
    steps = await operator.register("over_stdio", command=[*everything, "stdio"])
    assert steps[-1].HasField("server"), steps[-1].error
    await look_and_call(operator, "over_stdio")
    await operator.remove("over_stdio")


async def test_another_program_of_the_same_interpreter_is_refused(operator: Operator, everything: list[str]) -> None:
    assert "SWITCHBOARD_MCP_STDIO_PROGRAMS" in await operator.refused("other", command=[everything[0], "-e", "1"])


async def test_it_is_there_after_a_restart_of_the_adapter(operator: Operator, adapter: AdapterProcess, url: str) -> None:
    await operator.register("lasting", url)
    adapter.terminate()
    adapter.start()
    async with grpc.aio.insecure_channel(adapter.target) as channel:
        echoed = await Operator(channel).call("lasting", "echo", message="again")
    assert json.loads(echoed.result_json)["content"][0]["text"] == "Echo: again"
