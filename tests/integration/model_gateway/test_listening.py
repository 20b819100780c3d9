"""Whoever reaches the gateway is believed to be the front door: so only the front door may."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service_kit.tls import server_name
from stack.certificates import CertificateFiles, DevelopmentAuthority
from tests.fix_sandbox import free_port, wait_until

_START_SECONDS = 20.0


@pytest.fixture
def authority(tmp_path: Path) -> DevelopmentAuthority:
    """The authority of the processes in a test."""
    return DevelopmentAuthority(tmp_path)


def environment(own: CertificateFiles, listen: str) -> dict[str, str]:
    """The environment of a gateway with this certificate; its dispatch is not there."""
    return {
        **os.environ,
        **own.environment("envoy"),
        "SWITCHBOARD_LISTEN": listen,
        "SWITCHBOARD_DISPATCH_TARGET": "unix:/nowhere/dispatch.sock",
    }


@pytest.fixture
def port(authority: DevelopmentAuthority, tmp_path: Path) -> Iterator[int]:
    """The port of a gateway that listens on TCP."""
    port = free_port()
    log = tmp_path / "gateway.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "model_gateway"],
            env=environment(authority.issue("model_gateway"), f"127.0.0.1:{port}"),
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(
            lambda: process.poll() is not None or '"serving"' in log.read_text(encoding="utf-8"), _START_SECONDS, "no gateway"
        )
        yield port
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def asked(port: int, authority: DevelopmentAuthority, own: CertificateFiles | None) -> httpx.Response:
    """Ask the gateway for its health, with this certificate."""
    context = ssl.create_default_context(cafile=str(authority.operator.authority))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    with httpx.Client(verify=context) as http:
        return http.get(
            f"https://127.0.0.1:{port}/healthz",
            headers={"host": "gateway"},
            extensions={"sni_hostname": server_name("model_gateway")},
        )


def test_on_tcp_it_hears_the_front_door_and_no_other_process(port: int, authority: DevelopmentAuthority, tmp_path: Path) -> None:
    assert asked(port, authority, authority.issue("envoy")).status_code == 503, "it answers, and its dispatch is not there"
    other = tmp_path / "other"
    other.mkdir()
    for stranger in (authority.issue("adapter"), None, DevelopmentAuthority(other).issue("envoy")):
        with pytest.raises(httpx.TransportError):
            asked(port, authority, stranger)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/healthz")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SWITCHBOARD_TLS_CERTIFICATE": ""}, "SWITCHBOARD_TLS_CERTIFICATE"),
        ({"SWITCHBOARD_TLS_PEERS": "[]"}, "nobody may call this process"),
        ({"SWITCHBOARD_LISTEN": "unix:/nowhere/gateway.sock"}, "cannot listen on unix:/nowhere/gateway.sock"),
        ({"SWITCHBOARD_LISTEN": "8080"}, "setting SWITCHBOARD_LISTEN"),
    ],
)
def test_what_it_lacks_is_one_line(authority: DevelopmentAuthority, change: dict[str, str], said: str) -> None:
    settings = {**environment(authority.issue("model_gateway"), f"127.0.0.1:{free_port()}"), **change}
    if not settings["SWITCHBOARD_TLS_CERTIFICATE"]:
        del settings["SWITCHBOARD_TLS_CERTIFICATE"]
    done = subprocess.run(
        [sys.executable, "-m", "model_gateway"], env=settings, capture_output=True, text=True, timeout=_START_SECONDS, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
