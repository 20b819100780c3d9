"""Fixtures: a third-party server, an adapter that looks at it often, and a company's dispatch in front of both."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from mcp_adapter_service.service_mapping import OWNER as ADAPTER
from tests.fix_dispatch import OWNER as DISPATCH
from tests.fix_dispatch import DispatchProcess
from tests.fix_postgres import MigratedDatabase
from tests.integration.adapter.processes import AdapterProcess
from tests.integration.foreign.company import Company
from tests.integration.registry.third_party import ThirdParty, third_party, tool

TICKET = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1, "maxLength": 80},
        "priority": {"type": "string", "enum": ["low", "high"]},
        "points": {"type": "integer", "minimum": 1, "maximum": 13},
        "reporter": {"type": "object", "properties": {"email": {"type": "string"}}, "required": ["email"]},
        "labels": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
    },
    "required": ["title", "reporter"],
    "additionalProperties": False,
}


@pytest.fixture
def server() -> Iterator[ThirdParty]:
    """A third-party server of the test's own, which knows tickets."""
    with third_party() as running:
        running.tools = [
            tool("create_ticket", title="Create a ticket", input_schema=TICKET),
            tool("find_ticket", input_schema={"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}),
        ]
        running.answers = {"create_ticket": {"key": "JIRA-123"}, "find_ticket": {"title": "Printer of Wilhelmina Oddfellow"}}
        yield running


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short folder: a unix socket's path has about a hundred bytes."""
    path = Path(tempfile.mkdtemp(prefix="fo-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def adapter_process(folder: Path, module_database: Callable[..., MigratedDatabase]) -> Iterator[AdapterProcess]:
    """A real adapter, the module's."""
    keys_file, key = folder / "adapter-keys.json", base64.b64encode(b"k" * 32).decode()
    keys_file.write_text(json.dumps({name: {"id": name, "key": key} for name in ("hmac", "seal", "slot", "cursor")}))
    process = AdapterProcess(
        folder,
        module_database(ADAPTER).url(ADAPTER.role),
        {
            "SWITCHBOARD_MCP__CONFIGURED__URL": "http://127.0.0.1:9/mcp",
            "SWITCHBOARD_KEYS_FILE": str(keys_file),
            "SWITCHBOARD_MCP_CHECK_SECONDS": "0.3",
        },
    )
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def dispatch_process(
    adapter_process: AdapterProcess, folder: Path, module_database: Callable[..., MigratedDatabase]
) -> Iterator[DispatchProcess]:
    """A dispatch process in front of it, the module's."""
    process = DispatchProcess(folder, module_database(DISPATCH), adapter_process.target)

    async def start() -> None:
        await process.start()
        await process.disconnect()

    asyncio.run(start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
async def company(dispatch_process: DispatchProcess) -> AsyncIterator[Company]:
    """A company that has no third-party servers yet, and has asked for nothing."""
    dispatch_process.rows("truncate dispatch.claim, dispatch.authorization, dispatch.grant, dispatch.action, dispatch.waiting")
    await dispatch_process.connect()
    company = Company(dispatch_process)
    yield company
    await company.forget_servers()
    await dispatch_process.disconnect()


@pytest.fixture
async def jira(company: Company, server: ThirdParty) -> Company:
    """The same with the third-party server registered as `jira`, and nothing of it enabled."""
    steps = await company.register("jira", server.url)
    assert steps[-1].done, steps
    assert not steps[-1].error, steps
    return company
