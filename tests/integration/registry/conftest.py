"""Fixtures: a third-party server, an adapter that looks at servers often, and an operator."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import grpc
import pytest

from mcp_adapter_service.service_mapping import OWNER
from tests.fix_postgres import MigratedDatabase
from tests.integration.adapter.processes import AdapterProcess
from tests.integration.registry.operator import Operator
from tests.integration.registry.third_party import ThirdParty, third_party

Adapters = Callable[..., AdapterProcess]


@pytest.fixture
def server() -> Iterator[ThirdParty]:
    """A third-party server of the test's own."""
    with third_party() as running:
        yield running


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short folder: a unix socket's path has about a hundred bytes."""
    path = Path(tempfile.mkdtemp(prefix="rg-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def database(module_database: Callable[..., MigratedDatabase]) -> MigratedDatabase:
    """The module's database with the adapter's schema."""
    return module_database(OWNER)


@pytest.fixture(scope="module")
def keys_file(folder: Path) -> Path:
    """A keys file of the tests' own."""
    path = folder / "keys.json"
    key = base64.b64encode(b"k" * 32).decode()
    path.write_text(json.dumps({name: {"id": name, "key": key} for name in ("hmac", "seal", "slot", "cursor")}))
    return path


@pytest.fixture(scope="module")
def adapters(folder: Path, database: MigratedDatabase, keys_file: Path) -> Iterator[Adapters]:
    """A function that starts an adapter; what it is given are more settings."""
    started: list[AdapterProcess] = []

    def start(**settings: str) -> AdapterProcess:
        process = AdapterProcess(
            folder,
            database.url(OWNER.role),
            {
                "SWITCHBOARD_MCP__CONFIGURED__URL": "http://127.0.0.1:9/mcp",
                "SWITCHBOARD_KEYS_FILE": str(keys_file),
                "SWITCHBOARD_MCP_CHECK_SECONDS": "0.3",
                **{name if name.startswith("VENDOR") else f"SWITCHBOARD_{name}": value for name, value in settings.items()},
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
def operator(channel: grpc.aio.Channel) -> Operator:
    """An operator of the tenant `demo`."""
    return Operator(channel)
