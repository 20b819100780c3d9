"""Mutual TLS between processes: who is let in, who is not, and what a process without a certificate says."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service_kit.grpc_server import build_server, error_interceptor
from service_kit.tls import TlsSettings, TlsUnusable, channel_credentials, expecting, open_channel, server_credentials
from stack.certificates import CertificateFiles, DevelopmentAuthority, new_authority, operator_certificate
from stack.state import StateDirectory
from tests.fix_stack import RunningStack
from tests.integration.envoy.envoy_process import running_front_door
from tests.integration.envoy.tokens import Issuer
from tests.integration.stack.forgery import part

SECONDS = 10
Authority = Callable[[str], DevelopmentAuthority]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A function that makes an authority with a folder of its own."""

    def make(name: str) -> DevelopmentAuthority:
        folder = tmp_path / name
        folder.mkdir()
        return DevelopmentAuthority(folder)

    return make


def settings(files: CertificateFiles, *peers: str, listen: str = "unix:/none") -> TlsSettings:
    """Settings of a process with these files."""
    return TlsSettings(
        listen=listen, tls_certificate=files.certificate, tls_key=files.key, tls_ca=files.authority, tls_peers=peers
    )


@asynccontextmanager
async def serving(own: TlsSettings) -> AsyncIterator[str]:
    """A server with `/test.Test/Do` and `/test.Test/Stream`; yields where it listens."""

    async def answer(request: StringValue, context: Any) -> StringValue:
        return StringValue(value="fine")

    async def stream(request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        yield StringValue(value="fine")

    server = build_server(own, (error_interceptor(),), services=("test.Test",))
    handlers = {
        "Do": grpc.unary_unary_rpc_method_handler(answer, StringValue.FromString, StringValue.SerializeToString),
        "Stream": grpc.unary_stream_rpc_method_handler(stream, StringValue.FromString, StringValue.SerializeToString),
    }
    server.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", handlers),))
    await server.start()
    try:
        yield server.listen
    finally:
        await server.stop(0)


async def call(channel: grpc.aio.Channel) -> tuple[grpc.StatusCode, grpc.StatusCode, grpc.StatusCode]:
    """Statuses of a call, of a stream and of a question for health."""

    async def unary() -> None:
        await channel.unary_unary("/test.Test/Do", StringValue.SerializeToString)(StringValue(), timeout=SECONDS)

    async def stream() -> None:
        do: Any = channel.unary_stream("/test.Test/Stream", StringValue.SerializeToString)
        async for _ in do(StringValue(), timeout=SECONDS):
            pass

    async def health() -> None:
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)

    found = []
    for ask in (unary, stream, health):
        try:
            await ask()
            found.append(grpc.StatusCode.OK)
        except grpc.aio.AioRpcError as problem:
            found.append(problem.code())
    return found[0], found[1], found[2]


OK, REFUSED, AWAY = grpc.StatusCode.OK, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE


@pytest.fixture(params=["unix", "tcp"])
def listen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where a server listens."""
    return f"unix:{tmp_path_factory.mktemp('s')}/s" if request.param == "unix" else "127.0.0.1:0"


async def test_a_listed_process_is_let_in_and_one_that_is_not_may_only_ask_for_health(authority: Authority, listen: str) -> None:
    ours = authority("ours")
    async with serving(settings(ours.issue("dispatch"), "envoy", "model_gateway", listen=listen)) as target:
        for name, expected in {
            "envoy": (OK, OK, OK),
            "model_gateway": (OK, OK, OK),
            "adapter": (REFUSED, REFUSED, OK),
            "dispatch": (REFUSED, REFUSED, OK),
            "envoy2": (REFUSED, REFUSED, OK),
        }.items():
            async with open_channel(target, "dispatch", settings(ours.issue(name, f"caller-{name}"))) as channel:
                assert await call(channel) == expected, name


async def test_plain_text_no_certificate_and_anothers_authority_are_refused_for_health_as_well(
    authority: Authority, listen: str
) -> None:
    ours, theirs = authority("ours"), authority("theirs")
    impostor, right = theirs.issue("envoy"), ours.issue("envoy")
    root = right.authority.read_bytes()
    async with serving(settings(ours.issue("dispatch"), "envoy", listen=listen)) as target:
        async with grpc.aio.insecure_channel(target) as plain:
            assert await call(plain) == (AWAY, AWAY, AWAY)
        without = grpc.ssl_channel_credentials(root)
        unknown = grpc.ssl_channel_credentials(root, impostor.key.read_bytes(), impostor.certificate.read_bytes())
        for credentials in (without, unknown):
            async with grpc.aio.secure_channel(target, credentials, options=expecting("dispatch")) as channel:
                assert await call(channel) == (AWAY, AWAY, AWAY)
        async with open_channel(target, "dispatch", settings(right)) as channel:
            assert await call(channel) == (OK, OK, OK)


async def test_a_caller_does_not_speak_to_a_process_of_another_name_or_authority(authority: Authority, listen: str) -> None:
    ours, theirs = authority("ours"), authority("theirs")
    async with serving(settings(ours.issue("adapter"), "envoy", listen=listen)) as target:
        for caller in (ours.issue("envoy"), theirs.issue("envoy")):
            async with open_channel(target, "dispatch", settings(caller)) as channel:
                assert await call(channel) == (AWAY, AWAY, AWAY)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tls_certificate": None}, "set SWITCHBOARD_TLS_CERTIFICATE, SWITCHBOARD_TLS_KEY and SWITCHBOARD_TLS_CA"),
        ({"tls_ca": None}, "SWITCHBOARD_TLS=off"),
        ({"tls_peers": ()}, 'set SWITCHBOARD_TLS_PEERS, such as ["envoy"]'),
        ({"tls_key": Path("/nowhere/key")}, "cannot read /nowhere/key"),
        ({"tls_key": "another's"}, "is not the key of"),
        ({"tls_certificate": "a key"}, "is not a PEM file"),
    ],
)
def test_what_a_process_lacks_is_one_line(authority: Authority, change: dict[str, Any], sentence: str) -> None:
    ours = authority("ours")
    own, other = settings(ours.issue("dispatch"), "envoy"), ours.issue("adapter")
    words = {"another's": other.key, "a key": other.key}
    change = {name: words.get(value, value) if isinstance(value, str) else value for name, value in change.items()}
    with pytest.raises(TlsUnusable) as caught:
        server_credentials(own.model_copy(update=change))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_plain_text_has_to_be_asked_for() -> None:
    off = TlsSettings(listen="unix:/none", tls="off")
    assert (server_credentials(off), channel_credentials(off)) == (None, None)


@pytest.mark.parametrize("module", ["dispatch_service", "mcp_adapter_service"])
def test_a_service_without_a_certificate_does_not_start_and_says_what_to_do(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("", "_CERTIFICATE", "_KEY", "_CA", "_PEERS"):
        monkeypatch.delenv(f"SWITCHBOARD_TLS{name}", raising=False)
    environment = {
        "SWITCHBOARD_LISTEN": f"unix:{tmp_path}/s",
        "SWITCHBOARD_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "SWITCHBOARD_ADAPTER_TARGET": f"unix:{tmp_path}/a",
        "SWITCHBOARD_KEYS_FILE": str(_keys(tmp_path)),
        "SWITCHBOARD_TENANT_FILE": "config/tenant.json",
        "SWITCHBOARD_TLS_PEERS": '["envoy"]',
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "SWITCHBOARD_TLS_CERTIFICATE" in done.stderr


def _keys(folder: Path) -> Path:
    from stack.keys import ensure_service_keys

    state = StateDirectory(folder / "state")
    state.prepare()
    return ensure_service_keys(state)


def test_each_start_has_an_authority_of_its_own_whose_key_is_kept_nowhere(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    new_authority(state).issue("dispatch")
    before = {file.name: file.read_bytes() for file in state.tls.iterdir()}
    new_authority(state)
    after = {file.name: file.read_bytes() for file in state.tls.iterdir()}
    assert sorted(before) == ["ca.pem", "dispatch.key", "dispatch.pem", "switchboard.key", "switchboard.pem"]
    assert sorted(after) == ["ca.pem", "switchboard.key", "switchboard.pem"]
    assert not set(before.values()) & set(after.values())
    assert {file.stat().st_mode & 0o777 for file in state.tls.iterdir()} == {0o600}
    assert state.tls.stat().st_mode & 0o777 == 0o700
    assert operator_certificate(state).key.is_file()


@pytest.mark.parametrize("name", ["dispatch_service", "mcp_adapter_service"])
async def test_a_running_service_takes_no_plain_text_not_even_for_health(stack: RunningStack, name: str) -> None:
    async with grpc.aio.insecure_channel(stack.process(name).address) as channel:
        assert await call(channel) == (AWAY, AWAY, AWAY)


async def test_only_the_door_may_tell_dispatch_who_calls(stack: RunningStack) -> None:
    payload = part(stack.identity.claims(role="operator", tenant="demo", subject="boss"))
    certificates = stack.state.tls
    for name, expected in {
        "envoy": OK,
        "switchboard": REFUSED,
        "mcp_adapter_service": REFUSED,
        "dispatch_service": REFUSED,
    }.items():
        files = CertificateFiles(
            certificate=certificates / f"{name}.pem", key=certificates / f"{name}.key", authority=certificates / "ca.pem"
        )
        async with open_channel(stack.process("dispatch_service").address, "dispatch", settings(files)) as channel:
            log: Any = channel.unary_unary("/switchboard.audit.v1.ActionLogService/ListActionLog")
            try:
                await log(b"", metadata=(("x-jwt-payload", payload),), timeout=SECONDS)
                found = OK
            except grpc.aio.AioRpcError as problem:
                found = problem.code()
        assert found is expected, name


def test_the_door_speaks_to_dispatch_and_to_nobody_else_in_its_place(stack: RunningStack) -> None:
    tls = {
        "certificate": str(stack.state.tls / "envoy.pem"),
        "key": str(stack.state.tls / "envoy.key"),
        "authority": str(stack.state.tls / "ca.pem"),
    }
    public = {
        "issuers": [Issuer("https://issuer.example").settings],
        "dispatch": [stack.process("dispatch_service").address],
        "health_checks": False,
    }
    for identity, status in {"dispatch": 200, "adapter": 503}.items():
        expected = {**public, "dispatch_tls": {**tls, "identity": f"spiffe://switchboard/{identity}"}}
        with (
            tempfile.TemporaryDirectory(prefix="door-") as folder,
            running_front_door(expected, Path(folder)) as door,
            httpx.Client(base_url=door.url, timeout=30) as http,
        ):
            assert http.get("/api/services").status_code == status, identity
            assert http.get("/api/site").status_code == status


def test_commands_reach_the_adapter_with_the_runs_own_certificate(stack: RunningStack) -> None:
    done = stack.command("services")
    assert done.returncode == 0, done.stderr
    assert "drain-cleaning" in done.stdout
