"""A Housecall Pro tool server beside the module's sandbox, on the same database, with uploaded photos to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.fix_postgres import MigratedDatabase
from tests.fix_sandbox import SandboxAddress, SandboxProcess
from tests.fix_tool_server import ToolServerProcess
from tests.integration.housecall_pro.vendor_view import VendorView
from tool_servers.housecall_pro import OWNER
from tool_servers.housecall_pro_sandbox.store import OWNER as SANDBOX_OWNER

API_KEY = "test-key"


@pytest.fixture(scope="module")
def database(module_database: Callable[..., MigratedDatabase]) -> MigratedDatabase:
    """One database with the schemas of the tool server and the sandbox, and a stand-in for the uploads of dispatch."""
    database = module_database(SANDBOX_OWNER, OWNER)
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(
            f"""
            create schema dispatch;
            create table dispatch.asset (asset_id text primary key, content bytea not null, content_type text not null);
            create function dispatch.read_asset(asset_id text) returns table (content bytea, content_type text)
            language sql security definer
            as 'select content, content_type from dispatch.asset where asset.asset_id = read_asset.asset_id';
            grant usage on schema dispatch to {OWNER.role};
            """.encode()
        )
    return database


@pytest.fixture(scope="module")
def sandbox_process(database: MigratedDatabase) -> Iterator[SandboxProcess]:
    """The module's sandbox."""
    process = SandboxProcess(database.url(SANDBOX_OWNER.role), api_key=API_KEY)
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def settings(database: MigratedDatabase, sandbox_process: SandboxProcess) -> dict[str, str]:
    """The tool server's settings. Leases are short, so that a killed server's work is soon free."""
    return {
        "SWITCHBOARD_DATABASE_URL": database.url(OWNER.role),
        "HOUSECALL_PRO_BASE_URL": sandbox_process.address.base_url,
        "HOUSECALL_PRO_API_KEY": API_KEY,
        "SWITCHBOARD_COMPANY_CACHE_SECONDS": "0",
        "SWITCHBOARD_LEASE_SECONDS": "1",
        "SWITCHBOARD_SETTLE_SECONDS": "0",
    }


@pytest.fixture(scope="module")
def server(settings: dict[str, str]) -> Iterator[ToolServerProcess]:
    """The module's tool server."""
    process = ToolServerProcess("tool_servers.housecall_pro", settings)
    process.start()
    yield process
    process.stop()


@pytest.fixture
def vendor(sandbox: SandboxAddress) -> Iterator[VendorView]:
    """The vendor's own view of things, reset, and its fault switches."""
    with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers, timeout=30) as client:
        yield VendorView(client)


@pytest.fixture
def upload(database: MigratedDatabase) -> Callable[[str, bytes], str]:
    """A function `(content_type, content) -> asset id`: what dispatch does with a photo."""

    def put(content_type: str, content: bytes) -> str:
        with psycopg.connect(database.owner_url, autocommit=True) as connection:
            row: Any = connection.execute(
                "insert into dispatch.asset values ('ast_' || replace(gen_random_uuid()::text, '-', ''), %s, %s) "
                "returning asset_id",
                (content, content_type),
            ).fetchone()
        return str(row[0])

    return put
