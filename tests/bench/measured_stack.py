"""A stack as `switchboard up` starts it, with what measuring wants changed: an echo for a tool, services under a profiler.

Above: `stacks` runs `python -m tests.bench.measured_stack`. Below: `stack.composition`, and `stack.topology` for the processes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stack.composition import run_stack
from stack.database import OWNERS
from stack.errors import StackError
from stack.ports import LOOPBACK
from stack.probes import http_answers
from stack.process import ProcessSpec
from stack.settings import load_stack_settings
from stack.topology import Surroundings, processes

PROFILABLE = ("dispatch_service", "mcp_adapter_service", "housecall_pro", "housecall_pro_sandbox")
"""The processes that are Python of ours."""

_TOOL_SERVER, _SANDBOX = "housecall_pro", "housecall_pro_sandbox"
_ECHO, _SDK_ECHO = "tests.bench.echo_server", "tests.bench.sdk_echo_server"
SDK_ECHO = "sdk_echo"


def echoing(specs: Sequence[ProcessSpec], sdk_listen: str) -> list[ProcessSpec]:
    """The stack's processes, but whoever is at the tool server's address answers at once, and needs no vendor. Beside them, at
    `sdk_listen`, the same echo on the bare SDK."""
    tool = next(spec for spec in specs if spec.name == _TOOL_SERVER)
    sdk = replace(
        tool,
        name=SDK_ECHO,
        argv=(sys.executable, "-m", _SDK_ECHO),
        env={**tool.env, "SWITCHBOARD_LISTEN": sdk_listen},
        address=f"http://{sdk_listen}",
        metrics="",
        probe=http_answers(f"http://{sdk_listen}/healthz", wanted=None),
    )
    return [
        sdk,
        *_echoing(specs),
    ]


def _echoing(specs: Sequence[ProcessSpec]) -> list[ProcessSpec]:
    return [
        replace(spec, argv=(sys.executable, "-m", _ECHO)) if spec.name == _TOOL_SERVER else spec
        for spec in specs
        if spec.name != _SANDBOX
    ]


def profiling(specs: Sequence[ProcessSpec], kind: str, folder: Path, services: Sequence[str]) -> list[ProcessSpec]:
    """The same processes, those named in `services` under a profiler that writes into `folder`."""
    return [
        replace(spec, argv=(sys.executable, "-m", "tests.bench.profiled", kind, str(folder / spec.name), *spec.argv[2:]))
        if spec.name in services
        else spec
        for spec in specs
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stack until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--echo", action="store_true")
    parser.add_argument("--profile", metavar="KIND")
    parser.add_argument("--into", type=Path, metavar="FOLDER")
    parser.add_argument("--service", action="append", default=[])
    options = parser.parse_args(arguments)

    def topology(around: Surroundings) -> list[ProcessSpec]:
        specs = echoing(processes(around), f"{LOOPBACK}:{around.free_port()}") if options.echo else processes(around)
        return profiling(specs, options.profile, options.into, options.service) if options.profile else specs

    try:
        run_stack(load_stack_settings(), topology, OWNERS)
    except StackError as problem:
        print(f"measured stack: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
