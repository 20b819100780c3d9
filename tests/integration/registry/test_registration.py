"""Registering third-party servers: looked at step by step, pinned, kept; and what is refused with one clear line."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import psycopg
import pytest
from psycopg import conninfo
from switchboard.options.v1 import options_pb2
from switchboard.registry.v1 import server_registry_service_pb2 as pb

from tests.fix_postgres import MigratedDatabase
from tests.integration.adapter.processes import AdapterProcess, eventually
from tests.integration.registry.conftest import Adapters
from tests.integration.registry.operator import Operator
from tests.integration.registry.third_party import ThirdParty, tool


async def test_a_server_is_looked_at_step_by_step_pinned_and_kept(operator: Operator, server: ThirdParty) -> None:
    steps = await operator.register("jira", server.url)
    told = " | ".join(step.step for step in steps)
    assert "2026-07-28" in told
    assert "It listed 2 tools so far | It listed 3 tools so far | It lists 3 tools" in told
    assert [step.done for step in steps] == [False] * (len(steps) - 1) + [True]
    kept = steps[-1].server
    assert (kept.name, kept.protocol_version, kept.registered_by, kept.timeout_seconds) == (
        "jira",
        "2026-07-28",
        "operator-1",
        25,
    )
    assert kept.healthy
    assert not kept.drifted
    assert [found.name for found in kept.tools] == ["create_ticket", "find_ticket", "close_ticket"]
    one = kept.tools[0]
    assert one.pin.startswith("sha256:")
    assert one.description == "Does create_ticket."
    assert dict(one.input_schema) == {"type": "object"}
    assert one.effect == options_pb2.EFFECT_DESTRUCTIVE
    assert one.permission == options_pb2.PERMISSION_LEVEL_REQUIRES_AUTHORIZATION
    assert not any((one.idempotent, one.enabled_for_all, one.enabled_for))


async def test_calls_reach_the_server_without_anything_of_the_caller(operator: Operator, server: ThirdParty) -> None:
    await operator.register("tickets", server.url)
    answer = await operator.call("tickets", "find_ticket")
    assert answer.result_json == b'{"done":"find_ticket"}'
    [(name, meta, headers)] = server.seen
    assert name == "find_ticket"
    assert "switchboard.dev/principal" not in meta
    assert "authorization" not in headers
    assert (await operator.call("tickets", "no_such_tool")).error_code == "UNKNOWN_TOOL"
    assert len(server.seen) == 1


async def test_names_of_ours_and_names_in_use_are_taken(operator: Operator, server: ThirdParty) -> None:
    await operator.register("only_once", server.url)
    for name in ("housecall_pro", "configured", "only_once"):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await operator.register(name, server.url)
        assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/mcp", "SWITCHBOARD_MCP_HTTP_HOSTS"),
        ("http://10.0.0.1/mcp", "SWITCHBOARD_MCP_HTTP_HOSTS"),
        ("http://127.1/mcp", "SWITCHBOARD_MCP_HTTP_HOSTS"),
        ("https://name:secret@example.com/mcp", "credentials"),
        ("https://secret@example.com/mcp", "credentials"),
        ("https://example.com/mcp?api_key=secret", "query"),
        ("https://example.com/mcp#part", "fragment"),
        ("ftp://example.com/mcp", "https://host/mcp"),
        ("file:///etc/passwd", "https://host/mcp"),
        ("https:///mcp", "https://host/mcp"),
        ("mcp", "https://host/mcp"),
        ("https://example.com:99999/mcp", "https://host/mcp"),
        ("https://exa mple.com/mcp", "https://host/mcp"),
        ("http://127.0.0.1:9/mcp", "by its settings"),
        ("", "either"),
    ],
)
async def test_a_url_that_may_not_be_used_is_refused_in_one_line(operator: Operator, url: str, why: str) -> None:
    error = await operator.refused("forbidden", url)
    assert why in error
    assert "secret" not in error
    assert "\n" not in error


async def test_a_command_that_the_settings_do_not_allow_is_refused(operator: Operator) -> None:
    assert "SWITCHBOARD_MCP_STDIO_PROGRAMS" in await operator.refused("shell", command=["sh", "-c", "true"])


async def test_a_server_that_cannot_be_reached_is_not_kept(operator: Operator) -> None:
    assert "refused the connection" in await operator.refused("away", "http://127.0.0.1:1/mcp")


async def test_a_server_that_is_not_mcp_is_not_kept(operator: Operator, server: ThirdParty) -> None:
    assert await operator.refused("website", server.url.replace("/mcp", "/elsewhere"))


async def test_a_redirect_is_not_followed(operator: Operator, server: ThirdParty) -> None:
    server.redirect = "https://example.com/mcp"
    assert "redirects elsewhere" in await operator.refused("redirected", server.url)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "object", "properties": {"a": {"$ref": "https://example.com/schema.json"}}}, "never fetched"),
        ({"type": "object", "properties": {"a": {"type": "colour"}}}, "not valid JSON Schema"),
        ({"type": "object", "$schema": "https://example.com/own"}, "dialect"),
        ({"type": "object", "description": "x" * 70_000}, "64 KiB"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}, "allOf": [{"$ref": "#/$defs/none"}]}, "refers"),
        (
            {
                "type": "object",
                "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 9} for n in range(9)} | {"d9": {}},
                "allOf": [{"$ref": "#/$defs/d0"}],
            },
            "",
        ),
    ],
)
async def test_a_schema_that_cannot_be_used_costs_its_tool_and_not_the_server(
    operator: Operator, server: ThirdParty, schema: dict[str, Any], why: str
) -> None:
    server.tools.append(tool("odd", input_schema=schema))
    steps = await operator.register("odd", server.url)
    try:
        [odd] = [found for found in steps[-1].server.tools if found.name == "odd"]
        assert odd.drift == pb.DRIFT_UNUSABLE
        assert why in odd.reason
        assert odd.reason
        assert not odd.pin
        assert any("odd cannot be used" in step.step for step in steps)
        answer = await operator.call("odd", "odd")
        assert answer.error_code == "TOOL_NOT_ACCEPTED"
        assert (await operator.call("odd", "find_ticket")).result_json
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await operator.enable("odd", "odd")
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    finally:
        await operator.remove("odd")


async def test_a_token_is_kept_sealed_and_seen_nowhere(
    operator: Operator, server: ThirdParty, adapter: AdapterProcess, database: MigratedDatabase
) -> None:
    server.token = "a-vendor-token-that-nobody-may-see"
    assert "credentials" in await operator.refused("sealed", server.url)
    steps = await operator.register("sealed", server.url, token=server.token)
    assert steps[-1].server.has_token
    assert (await operator.call("sealed", "find_ticket")).result_json
    assert server.seen[0][2]["authorization"] == f"Bearer {server.token}"
    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute("select s::text, h::text from adapter.registered_server s, adapter.registered_server_history h")
        written = str(rows.fetchall()) + str(connection.execute("select sealed_token from adapter.registered_server").fetchall())
    assert server.token not in written
    assert server.token.encode().hex() not in written
    assert server.token not in adapter.log.read_text()
    assert server.token not in str(await operator.server("sealed"))


async def test_a_sealed_token_is_sent_to_no_other_address_than_it_was_given_for(
    operator: Operator, server: ThirdParty, adapters: Adapters, database: MigratedDatabase
) -> None:
    await operator.register("moved", server.url, token="a-token")
    with psycopg.connect(database.owner_url) as connection:
        elsewhere = server.url.replace("/mcp", "/mcp2")
        connection.execute("update adapter.registered_server set url = %s where name = 'moved'", (elsewhere,))
    another = adapters()
    async with grpc.aio.insecure_channel(another.target) as channel:
        answer = await Operator(channel).call("moved", "find_ticket")
    assert answer.error_code == "SERVER_UNUSABLE"
    assert not server.seen


async def test_a_credential_by_reference_is_for_the_address_and_tenants_that_the_settings_say(
    adapters: Adapters, server: ThirdParty
) -> None:
    server.token = "a-vendor-token"
    origin = server.url.removesuffix("/mcp")
    allowed = f'{{"VENDOR_TOKEN": {{"place": "{origin}", "tenants": ["demo"]}}, "PATH": {{"place": "https://example.com"}}}}'
    process = adapters(VENDOR_TOKEN=server.token, MCP_TOKENS=allowed)
    async with grpc.aio.insecure_channel(process.target) as channel:
        operator = Operator(channel)
        steps = await operator.register("referred", server.url, token_environment="VENDOR_TOKEN")
        assert steps[-1].server.has_token, steps[-1].error
        assert (await operator.call("referred", "find_ticket")).result_json
        for name in ("PATH", "SWITCHBOARD_DATABASE_URL", "NOT_SET"):
            assert "SWITCHBOARD_MCP_TOKENS" in await operator.refused("other", server.url, token_environment=name)
        stranger = Operator(channel, tenant="another")
        assert "SWITCHBOARD_MCP_TOKENS" in await stranger.refused("mine", server.url, token_environment="VENDOR_TOKEN")
        await operator.remove("referred")


@pytest.mark.requirement("S4.24")
async def test_two_tenants_have_two_servers_of_one_name(
    operator: Operator, channel: grpc.aio.Channel, server: ThirdParty
) -> None:
    other = Operator(channel, tenant="another")
    await operator.register("shared", server.url)
    assert (await other.call("shared", "find_ticket")).error_code == "NOT_FOUND"
    with pytest.raises(grpc.aio.AioRpcError):
        await other.server("shared")
    server.tools = [tool("close_ticket")]
    await other.register("shared", server.url)
    assert (await other.call("shared", "find_ticket")).error_code == "UNKNOWN_TOOL"
    assert (await other.call("shared", "close_ticket")).result_json
    await other.remove("shared")
    assert "shared" in [found.name for found in await operator.servers()]


async def test_a_call_without_tenant_or_actor_is_refused(operator: Operator) -> None:
    for metadata in ((), operator.metadata[:1], operator.metadata[1:]):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await operator.registry.ListRegisteredServers(pb.ListRegisteredServersRequest(), metadata=metadata)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_other_adapters_have_a_change_within_a_second_and_a_restart_keeps_it(
    operator: Operator, adapters: Adapters, server: ThirdParty
) -> None:
    replica = adapters()
    async with grpc.aio.insecure_channel(replica.target) as channel:
        there = Operator(channel)
        await operator.register("everywhere", server.url)

        async def known() -> bool:
            return bool((await there.call("everywhere", "find_ticket")).result_json)

        assert await eventually(known, 5) < 1.5
        await operator.remove("everywhere")

        async def forgotten() -> bool:
            return (await there.call("everywhere", "find_ticket")).error_code == "NOT_FOUND"

        assert await eventually(forgotten, 5) < 1.5
        await operator.register("lasting", server.url)
    replica.terminate()
    replica.start()
    async with grpc.aio.insecure_channel(replica.target) as channel:
        assert (await Operator(channel).call("lasting", "find_ticket")).result_json


async def test_a_removed_server_finishes_the_calls_that_began_and_takes_no_new_one(
    operator: Operator, server: ThirdParty
) -> None:
    await operator.register("leaving", server.url)
    held = asyncio.create_task(operator.call("leaving", "find_ticket", hold=True))
    await asyncio.to_thread(server.holding.wait, 10)
    await operator.remove("leaving")
    assert (await operator.call("leaving", "find_ticket")).error_code == "NOT_FOUND"
    server.released.set()
    assert (await held).result_json == b'{"done":"find_ticket"}'


@pytest.mark.requirement("S4.24")
async def test_what_is_said_of_a_tool_is_kept_and_every_change_is_written_down(
    operator: Operator, server: ThirdParty, database: MigratedDatabase
) -> None:
    await operator.register("audited", server.url)
    configured = await operator.configure(
        "audited",
        "find_ticket",
        effect=options_pb2.EFFECT_READ,
        idempotent=True,
        permission=options_pb2.PERMISSION_LEVEL_UNRESTRICTED,
        sensitive=True,
    )
    assert configured.effect == options_pb2.EFFECT_READ
    assert configured.sensitive
    await operator.enable("audited", "find_ticket", subject="ada")
    enabled = await operator.enable("audited", "find_ticket", subject="ben")
    assert list(enabled.enabled_for) == ["ada", "ben"]
    assert not enabled.enabled_for_all
    assert (await operator.enable("audited", "find_ticket")).enabled_for_all
    taken_back = await operator.enable("audited", "find_ticket", subject="ada", enabled=False)
    assert list(taken_back.enabled_for) == ["ben"]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await operator.enable("audited", "no_such_tool")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    await operator.remove("audited")
    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute(
            "select what, tool, actor, correlation_id from adapter.registered_server_history where server = 'audited' order by id"
        ).fetchall()
    assert [row[0] for row in rows] == ["registered", "configured", "enabled", "enabled", "enabled", "disabled", "removed"]
    assert {row[2:] for row in rows} == {("operator-1", "corr-1")}
    with psycopg.connect(database.url("switchboard_adapter")) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("delete from adapter.registered_server_history")


async def test_registered_tools_are_called_while_postgres_is_away(
    adapters: Adapters, server: ThirdParty, database: MigratedDatabase
) -> None:
    process = adapters()
    name = conninfo.conninfo_to_dict(database.owner_url)["dbname"]
    elsewhere = conninfo.make_conninfo(database.owner_url, dbname="postgres")
    async with grpc.aio.insecure_channel(process.target) as channel:
        operator = Operator(channel)
        await operator.register("steady", server.url)
        with psycopg.connect(elsewhere, autocommit=True) as connection:
            connection.execute(f'alter database "{name}" allow_connections false')
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
            try:
                assert (await operator.call("steady", "find_ticket")).result_json
                assert "steady" in [listed.name for listed in await operator.servers()]
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await operator.enable("steady", "find_ticket")
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            finally:
                connection.execute(f'alter database "{name}" allow_connections true')

        async def back() -> bool:
            try:
                return bool((await operator.enable("steady", "find_ticket")).enabled_for_all)
            except grpc.aio.AioRpcError:
                return False

        await eventually(back, 20)
