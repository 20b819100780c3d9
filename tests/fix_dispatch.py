"""The dispatch service as a process of its own, on a real database, in front of an adapter that a test scripts.

Above: tests of the journey and the journal, which need an adapter that answers as told. Below: `fix_postgres`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from psycopg.rows import dict_row
from switchboard.adapter.v1 import (
    adapter_service_pb2,
    adapter_service_pb2_grpc,
    service_mapping_service_pb2,
    service_mapping_service_pb2_grpc,
)
from switchboard.dispatch.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc

from service_kit.migrations import Owner
from tests.fix_postgres import MigratedDatabase

OWNER = Owner(package="dispatch_service", schema="dispatch", role="switchboard_dispatch")
ROOT = Path(__file__).resolve().parent.parent
Behaviour = Callable[[adapter_service_pb2.InvokeToolRequest], Awaitable[adapter_service_pb2.InvokeToolResponse]]

BOOKED = {
    "jobId": "job_" + "0" * 32,
    "status": "BOOKING_STATUS_SCHEDULED",
    "startTime": "2030-01-07T15:00:00Z",
    "endTime": "2030-01-07T17:00:00Z",
    "timeZone": "America/Chicago",
    "preferredUnavailable": False,
}


def succeeded(result: dict[str, Any]) -> adapter_service_pb2.InvokeToolResponse:
    """An adapter's answer with a result."""
    return adapter_service_pb2.InvokeToolResponse(
        outcome=adapter_service_pb2.TOOL_OUTCOME_SUCCEEDED,
        effect=adapter_service_pb2.EFFECT_CERTAINTY_DONE,
        result_json=json.dumps(result).encode(),
    )


class ScriptedAdapter(
    adapter_service_pb2_grpc.AdapterServiceServicer, service_mapping_service_pb2_grpc.ServiceMappingServiceServicer
):
    """An adapter that does what `behaviour` says and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[adapter_service_pb2.InvokeToolRequest] = []
        self.behaviour: Behaviour = self._book

    async def _book(self, request: adapter_service_pb2.InvokeToolRequest) -> adapter_service_pb2.InvokeToolResponse:
        return succeeded(BOOKED)

    async def InvokeTool(self, request: adapter_service_pb2.InvokeToolRequest, context: Any) -> Any:
        self.calls.append(request)
        return await self.behaviour(request)

    async def InvokeTools(self, requests: Any, context: Any) -> None:
        await context.send_initial_metadata((("x-switchboard-stream", "open"),))
        writing, under_way = asyncio.Lock(), set()

        async def answer(numbered: adapter_service_pb2.NumberedCall) -> None:
            reply = await self.InvokeTool(numbered.call, context)
            answers = [adapter_service_pb2.NumberedAnswer(number=numbered.number, answer=reply)]
            async with writing:
                await context.write(adapter_service_pb2.InvokeToolsResponse(answers=answers))

        try:
            while (message := await context.read()) is not grpc.aio.EOF:
                for numbered in message.calls:
                    call = asyncio.create_task(answer(numbered))
                    under_way.add(call)
                    call.add_done_callback(under_way.discard)
        finally:
            for call in under_way:
                call.cancel()

    async def ListServers(self, request: Any, context: Any) -> Any:
        return adapter_service_pb2.ListServersResponse(servers=[adapter_service_pb2.ListedServer(name="housecall_pro")])

    async def CheckServer(self, request: Any, context: Any) -> Any:
        return adapter_service_pb2.CheckServerResponse(healthy=True)

    async def ListServiceMappings(self, request: Any, context: Any) -> Any:
        mapping = service_mapping_service_pb2.ServiceMapping(
            service_id="drain-cleaning",
            name="Drain cleaning",
            duration_minutes=60,
            price_from_cents=12900,
            currency="USD",
            server="housecall_pro",
            active=True,
        )
        return service_mapping_service_pb2.ListServiceMappingsResponse(mappings=[mapping])


class DispatchProcess:
    """One dispatch process: start, stop or kill it, call it, look into its database."""

    def __init__(
        self, folder: Path, database: MigratedDatabase, adapter_target: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.database = database
        self.log_file = folder / "dispatch.log"
        self._target = f"unix:{folder}/dispatch-{secrets.token_hex(3)}.sock"
        self._environment = {
            **os.environ,
            "SWITCHBOARD_LISTEN": self._target,
            # No certificates: what is tested here is behind the door.
            "SWITCHBOARD_TLS": "off",
            # Tests click faster than people do.
            "SWITCHBOARD_VISITOR_RATE_PER_SECOND": "0",
            "SWITCHBOARD_DATABASE_URL": database.url("switchboard_dispatch"),
            "SWITCHBOARD_ADAPTER_TARGET": adapter_target,
            "SWITCHBOARD_KEYS_FILE": str(_keys_file(folder)),
            "SWITCHBOARD_TENANT_FILE": str(ROOT / "config" / "tenant.json"),
            "SWITCHBOARD_JOURNAL_LEASE_SECONDS": "1",
            **(environment or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.channel: grpc.aio.Channel | None = None

    async def start(self, **settings: str) -> None:
        """Start the process and wait until it serves."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 (starting it takes no time; waiting for it is awaited below)
                [sys.executable, "-m", "dispatch_service"],
                cwd=ROOT,
                env=self._environment | {f"SWITCHBOARD_{name.upper()}": value for name, value in settings.items()},
                stderr=log,
                stdout=log,
            )
        await self.connect()

    async def connect(self) -> None:
        """Open the channel to a process that was started, perhaps by another test, which had an event loop of its own."""
        self.channel = grpc.aio.insecure_channel(self._target)
        await asyncio.wait_for(self.channel.channel_ready(), 20)

    async def disconnect(self) -> None:
        """Close the channel before its event loop ends."""
        if self.channel is not None:
            await self.channel.close()
        self.channel = None

    @property
    def stub(self) -> dispatch_service_pb2_grpc.DispatchServiceStub:
        """A stub of DispatchService."""
        assert self.channel is not None
        return dispatch_service_pb2_grpc.DispatchServiceStub(self.channel)

    async def click(
        self, action: str, payload: dict[str, Any], *, key: str = "", thread: str = "thread-1", **metadata: str
    ) -> dict[str, Any]:
        """Send one card action as loose JSON and return the answer's JSON."""
        request = ParseDict(
            {"action": action, "payload": payload, "context": {"threadId": thread}, "idempotencyKey": key},
            dispatch_service_pb2.DispatchCardActionRequest(),
        )
        reply = await self.stub.DispatchCardAction(request, timeout=30, metadata=tuple(metadata.items()))
        answer: dict[str, Any] = MessageToDict(reply)
        return answer

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    async def stop(self) -> int:
        """End the process as an operator would, and return its exit status."""
        if self.channel is not None:
            await self.channel.close()
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, 20)

    def rows(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Run a statement as the database's owner."""
        with psycopg.connect(self.database.owner_url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    @property
    def log(self) -> str:
        """Everything that the process wrote."""
        return self.log_file.read_text(encoding="utf-8")


def _keys_file(folder: Path) -> Path:
    path = folder / "keys.json"
    if not path.exists():
        keys = {
            name: {"id": name, "key": base64.b64encode(secrets.token_bytes(32)).decode()}
            for name in ("hmac", "seal", "slot", "cursor")
        }
        path.write_text(json.dumps(keys), encoding="utf-8")
    return path


@pytest.fixture
async def adapter() -> AsyncIterator[tuple[ScriptedAdapter, str]]:
    """A scripted adapter and the target that it listens on."""
    with tempfile.TemporaryDirectory(prefix="adp-") as folder:
        servicer, server = ScriptedAdapter(), grpc.aio.server()
        adapter_service_pb2_grpc.add_AdapterServiceServicer_to_server(servicer, server)
        service_mapping_service_pb2_grpc.add_ServiceMappingServiceServicer_to_server(servicer, server)
        target = f"unix:{folder}/a.sock"
        server.add_insecure_port(target)
        await server.start()
        yield servicer, target
        await server.stop(0)


@pytest.fixture
async def dispatch(
    adapter: tuple[ScriptedAdapter, str], fresh_database: Callable[..., MigratedDatabase]
) -> AsyncIterator[DispatchProcess]:
    """A running dispatch process on a database of its own."""
    with tempfile.TemporaryDirectory(prefix="dsp-") as folder:
        process = DispatchProcess(Path(folder), fresh_database(OWNER), adapter[1])
        await process.start()
        yield process
        with contextlib.suppress(ProcessLookupError):
            await process.stop()


def booking(**changes: Any) -> dict[str, Any]:
    """A complete booking payload, with changes."""
    return {
        "threadId": "thread-1",
        "serviceId": "drain-cleaning",
        "customer": {
            "firstName": "Wilhelmina",
            "lastName": "Oddfellow",
            "phone": "(608) 555-0177",
            "email": "wilma@oddfellow.example",
        },
        "address": {"line1": "417 Quince Lane", "city": "Madison", "state": "WI", "zip": "53703"},
        "preferred": {"timeWindow": "AM"},
        "notes": "Side door; the dog is called Biscuit",
        **changes,
    }
