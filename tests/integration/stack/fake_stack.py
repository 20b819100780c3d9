"""`switchboard up` with small stand-ins for the services: everything else of it is the real thing.

usage: python -m tests.integration.stack.fake_stack [NAME:OPTION …]    (options of fake_service.py, `=` for a space)
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stack.composition import run_stack
from stack.errors import StackError
from stack.ports import LOOPBACK
from stack.probes import http_answers
from stack.process import ProcessSpec
from stack.settings import load_stack_settings
from stack.topology import Surroundings
from tool_servers.housecall_pro_sandbox.store import OWNER

FAKE_SERVICE = str(Path(__file__).with_name("fake_service.py"))
NAMES = ("first", "second", "door")


def fake_spec(name: str, port: int, *options: str) -> ProcessSpec:
    """A stand-in that listens on `port`."""
    return ProcessSpec(
        name=name,
        argv=(sys.executable, FAKE_SERVICE, str(port), *options),
        env=dict(os.environ),
        address=f"http://{LOOPBACK}:{port}",
        probe=http_answers(f"http://{LOOPBACK}:{port}/healthz"),
        stop_timeout=2.0,
    )


def topology(around: Surroundings) -> list[ProcessSpec]:
    """Two services and a door that answers on the public port."""
    options: dict[str, list[str]] = {name: [] for name in NAMES}
    for argument in sys.argv[1:]:
        name, _, option = argument.partition(":")
        options[name] += option.split("=", maxsplit=1)
    ports = [around.free_port(), around.free_port(), around.settings.http_port]
    return [fake_spec(name, port, *options[name]) for name, port in zip(NAMES, ports, strict=True)]


if __name__ == "__main__":
    try:
        run_stack(load_stack_settings(), topology, (OWNER,))
    except StackError as problem:
        sys.exit(f"switchboard: {problem}")
