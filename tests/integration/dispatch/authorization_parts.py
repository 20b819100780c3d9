"""Authorizations put together on a real database and served over real gRPC, in front of a journey that a test scripts.

Above: tests of authorizations. Below: everything of `dispatch_service.authorizations`, the journal's writer, the servicer.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import psycopg
from google.protobuf.json_format import MessageToDict, ParseDict
from psycopg.rows import dict_row
from switchboard.authorization.v1 import authorization_service_pb2, authorization_service_pb2_grpc
from switchboard.tool.v1 import tool_service_pb2

from dispatch_service.authorizations import request
from dispatch_service.authorizations.decisions import Decisions
from dispatch_service.authorizations.execution import Executor
from dispatch_service.authorizations.grants import Grants
from dispatch_service.authorizations.history import History
from dispatch_service.authorizations.ports import KeptRequest, Redecided
from dispatch_service.authorizations.store import AuthorizationStore
from dispatch_service.authorizations.upkeep import Upkeep
from dispatch_service.authorizations.work import JobQueue, Work
from dispatch_service.call import TOOL, Call, Plan, Waiting
from dispatch_service.journal import records, rows
from dispatch_service.journal.writer import JournalUnavailable, JournalWriter
from dispatch_service.keying import Keying
from dispatch_service.policy import Decision, Effect
from dispatch_service.principal import PAYLOAD_METADATA, Principal, Realm
from dispatch_service.servicers.authorization_messages import Messages
from dispatch_service.servicers.authorizations import AuthorizationServicer
from service_kit.contract.problems import Problem
from service_kit.contract.tools import ToolSpec, tools
from service_kit.grpc_server import build_server, error_interceptor
from service_kit.keys import Keyring
from service_kit.postgres import Database
from service_kit.tls import TlsSettings
from tests.fix_dispatch import OWNER
from tests.fix_postgres import MigratedDatabase

Pb = authorization_service_pb2
Response = tool_service_pb2.CallToolResponse
SERVICE = "switchboard.authorization.v1.AuthorizationService"
REALM = Realm(tenant="demo", people_issuer="https://people.example", services_issuer="https://services.example")
AGENT = Principal(tenant="demo", subject="agent-7", kind="model", role="agent")
OLGA = Principal(tenant="demo", subject="olga", kind="human", role="operator")
PETE = Principal(tenant="demo", subject="pete", kind="human", role="operator")
NOTE = {"thingId": "thing-1", "text": "Call Wilhelmina Oddfellow back on (608) 555-0177"}
SERVER, TOOL_NAME = "proving", "proving.note"
REASONING = "Wilhelmina asked for it on the telephone"


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until `condition()` is true, within a bound."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):
            pass


class ScriptedJourney:
    """The journey's two ports: policy says what a test wants, and the tool does what it wants."""

    def __init__(self, writer: JournalWriter) -> None:
        self._writer = writer
        self.allowed = Effect.ALLOW
        self.asked = Effect.NEEDS_AUTHORIZATION
        self.related = 15
        self.problem: Exception | None = None
        self.calls: list[KeptRequest] = []
        self.behaviour: Callable[[KeptRequest], Awaitable[Response]] = self.done

    def preview(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """What the tool says that it would do."""
        return {"summary": f"Writes: {arguments.get('text', '')}", "facts": {"relatedRecords": self.related}}

    async def redecide(self, kept: KeptRequest, arguments: dict[str, Any], *, authorized: bool) -> Redecided:
        """Say what the test wants."""
        if self.problem is not None:
            raise self.problem
        return Redecided(
            plan=replace(kept.kept.plan, arguments=arguments),
            decision=decision(self.allowed if authorized else self.asked),
            preview=self.preview(arguments),
        )

    async def carry_out(self, kept: KeptRequest, action_id: str) -> Response:
        """Do what the test wants, and journal the outcome as the journey does."""
        self.calls.append(kept)
        response = await self.behaviour(kept)
        now = datetime.now(UTC)
        status = "SUCCEEDED" if response.ok else "FAILED"
        row = {"status": status, "updated_at": now.isoformat()}
        await self._writer.close(records.Closing(action_id=action_id, type=records.OUTCOME, at=now, row=row))
        return response

    async def done(self, kept: KeptRequest) -> Response:
        """The tool's answer where all is well."""
        response = Response(ok=True, server=SERVER, tool=TOOL_NAME, correlation_id=kept.kept.correlation_id)
        response.result.data.update({"effectId": "eff-1", "said": kept.kept.plan.arguments["text"]})
        return response


def decision(effect: Effect) -> Decision:
    """A decision of policy."""
    return Decision(effect=effect, policy_ids=("proving.history",), reason="It has 15 related records.", offers_always=True)


@dataclass(kw_only=True)
class Parts:
    """One process's worth of authorizations, and its gRPC stub."""

    url: str
    owner_url: str
    keyring: Keyring
    keying: Keying
    database: Database
    writer: JournalWriter
    journey: ScriptedJourney
    store: AuthorizationStore
    grants: Grants
    queue: JobQueue
    decisions: Decisions
    executor: Executor
    upkeep: Upkeep
    work: Work
    stub: authorization_service_pb2_grpc.AuthorizationServiceStub = field(init=False)

    def rows(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Run a statement as the database's owner."""
        with psycopg.connect(self.owner_url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def status(self, authorization_id: str) -> str:
        """How an authorization stands."""
        return str(self.rows("select status from dispatch.authorization where id = %s", authorization_id)[0]["status"])

    def action(self, authorization_id: str) -> dict[str, Any]:
        """The action that an authorization is about."""
        statement = (
            "select action.* from dispatch.action join dispatch.authorization as waiting on waiting.action_id = action.id"
            " where waiting.id = %s"
        )
        return self.rows(statement, authorization_id)[0]

    def history(self, authorization_id: str) -> list[str]:
        """The types of the events of an authorization's action, in order."""
        action_id = self.action(authorization_id)["id"]
        found = self.rows("select type from dispatch.event where action_id = %s order by at, sequence", action_id)
        return [row["type"] for row in found]

    async def ask(
        self,
        arguments: dict[str, Any] | None = None,
        *,
        by: Principal = AGENT,
        tool: str = TOOL_NAME,
        hours: float = 72.0,
        key: str = "",
    ) -> str:
        """Let `by` ask for something that a person has to decide, and return the authorization's id."""
        spec = tools()[SERVER, tool]
        waiting = Waiting(
            authorization_id=request.new_authorization_id(),
            reason="It has 15 related records.",
            expires_at=datetime.now(UTC) + timedelta(hours=hours),
        )
        plan = Plan(presenter="tool", tool=spec, arguments=NOTE if arguments is None else arguments, view={})
        call = Call(
            door=TOOL,
            action=f"{SERVER}/{tool}",
            payload=spec.messages[0](),
            problems=(),
            thread_id="thread-1",
            session_id="",
            idempotency_key=key or waiting.authorization_id,
            principal=by,
            correlation_id="c0ffee00-0000-4000-8000-000000000001",
            tool=spec,
            reasoning=REASONING,
        )
        claim = self.keying.claim(call, plan)
        row = request.queued(
            waiting=waiting,
            action_id=records.new_action_id(),
            call=call,
            plan=plan,
            decision=decision(Effect.NEEDS_AUTHORIZATION),
            preview=self.journey.preview(plan.arguments),
            scope=claim.scope,
            keying=self.keying,
        )
        sealed = replace(claim, sealed_result=self.keying.seal_result(Response(ok=False), claim.scope))
        opening = rows.pending(call, plan, sealed, policy_ids=("proving.history",), authorization=row, keying=self.keying)
        opened = await self.writer.open(opening)
        assert opened.won
        return waiting.authorization_id

    async def ask_until_possible(self) -> str:
        """Ask for something and have it allowed, as soon as the database lets us."""
        async with asyncio.timeout(20):
            while True:
                try:
                    waiting = await self.ask()
                    await self.decide(waiting, "authorized")
                except (JournalUnavailable, grpc.aio.AioRpcError):
                    continue
                return waiting

    async def decide(self, authorization_id: str, decided: str, by: Principal = OLGA, **fields: Any) -> dict[str, Any]:
        """Decide over gRPC and return the answer's JSON."""
        message = ParseDict({"id": authorization_id, "decision": decided, **fields}, Pb.DecideAuthorizationRequest())
        return as_dict(await self.stub.DecideAuthorization(message, metadata=token(by), timeout=20))

    async def get(self, authorization_id: str, by: Principal = OLGA) -> dict[str, Any]:
        """Look at one over gRPC."""
        return as_dict(
            await self.stub.GetAuthorization(Pb.GetAuthorizationRequest(id=authorization_id), metadata=token(by), timeout=20)
        )

    async def listed(self, by: Principal = OLGA, **fields: Any) -> dict[str, Any]:
        """List over gRPC."""
        message = ParseDict(fields, Pb.ListAuthorizationsRequest())
        return as_dict(await self.stub.ListAuthorizations(message, metadata=token(by), timeout=20))

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Let a worker do what the queue holds."""
        task = asyncio.create_task(self.work.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=30)
            assert task.done(), "the worker does not stop"


def as_dict(message: Any) -> dict[str, Any]:
    """A message's JSON."""
    document: dict[str, Any] = MessageToDict(message)
    return document


def token(by: Principal) -> tuple[tuple[str, str], ...]:
    """The metadata that the door makes of `by`'s token."""
    now = int(time.time())
    payload: dict[str, Any] = {"sub": by.subject, "tenant": by.tenant, "role": by.role, "iat": now - 60, "exp": now + 600}
    if by.kind == "human":
        payload |= {"iss": REALM.people_issuer, "auth_time": now - 60}
    else:
        payload |= {"iss": REALM.services_issuer, "kind": by.kind}
    return ((PAYLOAD_METADATA, base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")),)


class NoForeignTools:
    """Nothing here calls a third party's tool."""

    async def problems(self, tool: ToolSpec, document: Mapping[str, Any], path: str) -> Sequence[Problem]:
        raise AssertionError(f"{tool.server}/{tool.name} is not a third party's")


def put_together(database: MigratedDatabase, keys_file: Path, *, lease: float = 1.0) -> Parts:
    """Everything that one process has; nothing is opened yet."""
    url = database.url(OWNER.role)
    keyring = Keyring.from_file(keys_file)
    keying, pool = Keying(keyring), Database(url)
    writer = JournalWriter(url, batch=64, timeout=5.0, lease=5.0, derived_window=120.0)
    journey, history, queue = ScriptedJourney(writer), History(writer), JobQueue(url)
    store, grants = AuthorizationStore(pool, keyring), Grants(pool, history)
    decisions = Decisions(
        database=pool,
        store=store,
        grants=grants,
        history=history,
        queue=queue,
        redecide=journey,
        keying=keying,
        foreign=NoForeignTools(),
    )
    executor = Executor(
        database=pool, store=store, history=history, redecide=journey, carrier=journey, keying=keying, lease=lease
    )
    upkeep = Upkeep(store=store, decisions=decisions, kept_days=30)
    return Parts(
        url=url,
        owner_url=database.owner_url,
        keyring=keyring,
        keying=keying,
        database=pool,
        writer=writer,
        journey=journey,
        store=store,
        grants=grants,
        queue=queue,
        decisions=decisions,
        executor=executor,
        upkeep=upkeep,
        work=Work(queue, executor=executor, upkeep=upkeep, every=1),
    )


@asynccontextmanager
async def running(parts: Parts, folder: Path) -> AsyncIterator[Parts]:
    """Open everything and serve, without a worker."""
    await parts.database.open()
    writing = asyncio.create_task(parts.writer.run())
    await parts.writer.connect()
    target = f"unix:{folder}/a.sock"
    settings = TlsSettings(listen=target, tls="off")
    server = build_server(settings, (error_interceptor(),), services=[SERVICE])
    servicer = AuthorizationServicer(
        realm=REALM, store=parts.store, decisions=parts.decisions, grants=parts.grants, messages=Messages(parts.keying)
    )
    authorization_service_pb2_grpc.add_AuthorizationServiceServicer_to_server(servicer, server.server)
    await server.start()
    async with grpc.aio.insecure_channel(target) as channel:
        parts.stub = authorization_service_pb2_grpc.AuthorizationServiceStub(channel)
        yield parts
    await server.stop(0)
    parts.writer.stop()
    await asyncio.wait_for(writing, 30)
    await parts.database.close()


def keys_in(folder: Path) -> Path:
    """A file with new keys."""
    path = folder / "keys.json"
    names = ("hmac", "seal", "slot", "cursor")
    path.write_text(
        json.dumps({name: {"id": name, "key": base64.b64encode(name.encode().ljust(32, b"-")).decode()} for name in names}),
        encoding="utf-8",
    )
    return path
