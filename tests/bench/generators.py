"""Runs a load generator against one way in and says what it measured.

Above: `measure`. Below: wrk with `load.lua` for HTTP, `grpc_load` for gRPC, each a process of its own.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.load import FIRST_SERIAL, Load

_SCRIPT = Path(__file__).with_name("load.lua")
_DRAIN_SECONDS = 30
_DRAINED = "drained"


class GeneratorMissing(Exception):
    """A program that the bench needs is not installed; the message says how to get it."""


class GeneratorFailed(Exception):
    """A generator ended without a result."""


def require_generators() -> None:
    """Raise GeneratorMissing unless wrk is there."""
    if shutil.which("wrk") is None:
        raise GeneratorMissing("the load generator wrk is missing; install it with: sudo apt-get install wrk")


def run_wrk(url: str, template: bytes, good: str, in_flight: int, seconds: float) -> Load:
    """Send the HTTP requests of `template` to `url` over `in_flight` connections for `seconds`.

    A reply is good when its status is 200 and its body contains `good`.
    """
    with tempfile.NamedTemporaryFile(prefix="bench-") as file:
        file.write(template)
        file.flush()
        limit = int(seconds) + _DRAIN_SECONDS
        command = ["wrk", "--threads=1", f"--connections={in_flight}", f"--duration={limit}s", f"--timeout={limit}s"]
        command += [f"--script={_SCRIPT}", url, "--", file.name, good, str(seconds), str(FIRST_SERIAL)]
        used_before = _used_by_children()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as wrk:
            assert wrk.stdout is not None
            assert wrk.stderr is not None
            for line in wrk.stdout:
                if line.strip() == _DRAINED:
                    wrk.send_signal(signal.SIGINT)  # It prints its results and ends.
                    break
            lines = wrk.stdout.read().splitlines()
            complaint = wrk.stderr.read().strip()
    return _load(lines, complaint, "wrk").with_cpu(_used_by_children() - used_before)


def run_grpc(socket: str, method: str, template: bytes, *, certificates: Path, in_flight: int, seconds: float) -> Load:
    """Send the gRPC messages of `template` to `method` at the unix socket `socket`, over one connection, with the front door's
    certificate out of the folder `certificates`."""
    with tempfile.NamedTemporaryFile(prefix="bench-") as file:
        file.write(template)
        file.flush()
        command = [
            sys.executable,
            "-m",
            "tests.bench.grpc_load",
            f"--socket={socket}",
            f"--certificates={certificates}",
            f"--template={file.name}",
        ]
        command += [f"--method={method}", f"--in-flight={in_flight}", f"--seconds={seconds}", f"--first-serial={FIRST_SERIAL}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return _load(done.stdout.splitlines(), done.stderr.strip(), "the gRPC generator")


def _load(lines: list[str], complaint: str, name: str) -> Load:
    if complaint:
        print(f"  {name}: {complaint.splitlines()[-1]}", file=sys.stderr)
    result = next((line for line in reversed(lines) if line.startswith("{")), None)
    if result is None:
        raise GeneratorFailed(f"{name} gave no result")
    return Load(**{"cpu_seconds": 0.0, **json.loads(result)})


def _used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
