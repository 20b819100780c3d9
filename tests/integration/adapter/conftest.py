"""Fixtures: one tool server and one adapter a module, and stubs on the adapter."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import grpc
import pytest
from switchboard.adapter.v1 import adapter_service_pb2_grpc as pb_grpc
from switchboard.adapter.v1 import service_mapping_service_pb2_grpc as mapping_grpc

from mcp_adapter_service.service_mapping import OWNER
from tests.fix_postgres import MigratedDatabase
from tests.integration.adapter.calls import Mappings, Stub
from tests.integration.adapter.processes import TOKEN, AdapterProcess, ToolProcess

Adapters = Callable[..., AdapterProcess]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short folder: a unix socket's path has about a hundred bytes."""
    path = Path(tempfile.mkdtemp(prefix="ad-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def tool() -> Iterator[ToolProcess]:
    """A running tool server."""
    process = ToolProcess()
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def database(module_database: Callable[..., MigratedDatabase]) -> MigratedDatabase:
    """The module's database with the adapter's schema."""
    return module_database(OWNER)


@pytest.fixture(scope="module")
def adapters(folder: Path, database: MigratedDatabase, tool: ToolProcess) -> Iterator[Adapters]:
    """A function that starts an adapter which knows the tool server as `housecall_pro`, of our contract, and as `foreign`."""
    started: list[AdapterProcess] = []

    def start(**settings: str) -> AdapterProcess:
        given = {f"SWITCHBOARD_{name}": value for name, value in settings.items()}
        process = AdapterProcess(
            folder,
            database.url(OWNER.role),
            {
                "SWITCHBOARD_MCP__HOUSECALL_PRO__URL": tool.url,
                "SWITCHBOARD_MCP__HOUSECALL_PRO__TOKEN": TOKEN,
                "SWITCHBOARD_MCP__FOREIGN__URL": tool.url,
                "SWITCHBOARD_MCP__FOREIGN__IDEMPOTENT_TOOLS": '["idempotent"]',
                "SWITCHBOARD_MCP__FOREIGN__READ_TOOLS": '["read"]',
                **given,
            },
        )
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop()


@pytest.fixture(scope="module")
def adapter(adapters: Adapters) -> AdapterProcess:
    """The module's adapter."""
    return adapters()


@pytest.fixture
async def channel(adapter: AdapterProcess) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the module's adapter."""
    async with grpc.aio.insecure_channel(adapter.target) as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Stub:
    """AdapterService of the module's adapter."""
    return pb_grpc.AdapterServiceStub(channel)


@pytest.fixture
def mappings(channel: grpc.aio.Channel) -> Mappings:
    """ServiceMappingService of the module's adapter."""
    return mapping_grpc.ServiceMappingServiceStub(channel)
