"""The process: health, reflection, metrics, its end on SIGTERM, and settings that it refuses."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import grpc
import httpx
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from switchboard.adapter.v1 import adapter_service_pb2_grpc as pb_grpc

from tests.fix_sandbox import free_port
from tests.integration.adapter.calls import call
from tests.integration.adapter.conftest import Adapters
from tests.integration.adapter.processes import AdapterProcess, ToolProcess, eventually


def test_reflection_lists_both_services(adapter: AdapterProcess) -> None:
    with grpc.insecure_channel(adapter.target) as channel:
        services = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert {"switchboard.adapter.v1.AdapterService", "switchboard.adapter.v1.ServiceMappingService"} <= set(services)


async def test_metrics_count_calls_by_outcome_under_names_of_ours(adapters: Adapters) -> None:
    address = f"127.0.0.1:{free_port()}"
    process = adapters(METRICS_LISTEN=address)
    async with grpc.aio.insecure_channel(process.target) as channel:
        stub = pb_grpc.AdapterServiceStub(channel)
        await stub.InvokeTool(call("foreign", "read"))
        await stub.InvokeTool(call("foreign", "a-name-that-anybody-may-choose"))
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://{address}/metrics")).text
    assert 'switchboard_adapter_tool_calls_total{outcome="succeeded",server="foreign",tool="read"} 1.0' in text
    assert 'switchboard_adapter_tool_calls_total{outcome="succeeded",server="foreign",tool="other"} 1.0' in text
    assert 'switchboard_adapter_breaker_open{server="foreign"} 0.0' in text
    assert "anybody" not in text


async def test_sigterm_lets_a_running_call_finish_and_takes_no_new_one(adapters: Adapters, tool: ToolProcess) -> None:
    process = adapters(MCP__FOREIGN__TIMEOUT_SECONDS="1.0")
    before = tool.state().get("begun", 0)
    async with grpc.aio.insecure_channel(process.target) as channel:
        stub = pb_grpc.AdapterServiceStub(channel)
        held = stub.InvokeTool(call("foreign", "echo", b'{"behave":"hold"}'))

        async def begun() -> bool:
            return (await asyncio.to_thread(tool.state)).get("begun", 0) > before

        await eventually(begun, 5)
        ended = asyncio.create_task(asyncio.to_thread(process.terminate))
        assert (await held).error_code == "TIMEOUT"
        assert await ended == 0


def test_logs_hold_neither_the_token_nor_arguments_nor_vendor_ids(adapter: AdapterProcess) -> None:
    log = adapter.log.read_text()
    assert '"serving"' in log
    for secret in ("a-tool-token", "svc_0000", "customer's name"):
        assert secret not in log


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("MCP__FOREIGN__URL", "not a url", "setting SWITCHBOARD_MCP__FOREIGN__URL"),
        ("MCP__FOREIGN__READ_TOOLS", "[", 'settings: error parsing value for field "mcp"'),
        ("MCP__FOREIGN__CONCURRENCY", "0", "setting SWITCHBOARD_MCP__FOREIGN__CONCURRENCY"),
        ("MCP__FOREIGN__TIMEOUT", "5", "setting SWITCHBOARD_MCP__FOREIGN__TIMEOUT"),
        ("SERVICES_FILE", "/nowhere/services.json", "cannot read /nowhere/services.json"),
    ],
)
def test_a_setting_that_cannot_work_is_one_clear_line(adapter: AdapterProcess, name: str, value: str, line: str) -> None:
    ended = start_with(adapter, name, value)
    assert ended.returncode == 2
    assert line in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_address_in_use_is_one_clear_line(adapter: AdapterProcess, tool: ToolProcess) -> None:
    ended = start_with(adapter, "LISTEN", f"127.0.0.1:{tool.port}")
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(f"cannot listen on 127.0.0.1:{tool.port}: ")


def start_with(adapter: AdapterProcess, name: str, value: str) -> subprocess.CompletedProcess[str]:
    """Run an adapter with one setting changed, to its end."""
    environment = {**adapter.environment, "SWITCHBOARD_LISTEN": "127.0.0.1:0", f"SWITCHBOARD_{name}": value}
    return subprocess.run(
        [sys.executable, "-m", "mcp_adapter_service"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
