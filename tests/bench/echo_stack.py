"""A stack as `switchboard up` starts it, in which the echo server stands in the tool server's place.

Above: `stacks` runs `python -m tests.bench.echo_stack`, with `--profile` where services are to be profiled. Below:
`stack.composition`, and `stack.topology` for every process but the two that belong to the vendor.
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
from stack.process import ProcessSpec
from stack.settings import load_stack_settings
from stack.topology import Surroundings, processes

PROFILED = ("dispatch_service", "mcp_adapter_service")


def echo_processes(around: Surroundings) -> list[ProcessSpec]:
    """The stack's processes; whoever is at the address of the Housecall Pro tool server answers at once."""
    return [
        replace(spec, argv=(sys.executable, "-m", "tests.bench.echo_server")) if spec.name == "housecall_pro" else spec
        for spec in processes(around)
        if spec.name != "housecall_pro_sandbox"
    ]


def profiled(specs: Sequence[ProcessSpec], kind: str, folder: Path) -> list[ProcessSpec]:
    """The same, with the services of PROFILED under a profiler that writes into `folder`."""
    return [
        replace(spec, argv=(sys.executable, "-m", "tests.bench.profiled", kind, str(folder / spec.name), *spec.argv[2:]))
        if spec.name in PROFILED
        else spec
        for spec in specs
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stack until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", nargs=2, metavar=("KIND", "FOLDER"))
    profile = parser.parse_args(arguments).profile

    def topology(around: Surroundings) -> list[ProcessSpec]:
        specs = echo_processes(around)
        return profiled(specs, profile[0], Path(profile[1])) if profile else specs

    try:
        run_stack(load_stack_settings(), topology, OWNERS)
    except StackError as problem:
        print(f"echo stack: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
