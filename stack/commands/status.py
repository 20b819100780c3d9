"""`switchboard status`: the processes of the running stack. Asks the supervisor over its control socket."""

from __future__ import annotations

import argparse
import json
from typing import Any

from stack.control import ask, running
from stack.errors import StackError
from stack.report import process_table
from stack.settings import load_stack_settings
from stack.state import StateDirectory

_NOT_RUNNING = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Show the stack. Exit status 0 when it runs, 3 when it does not."""
    settings = load_stack_settings()
    state = StateDirectory(settings.state)
    try:
        status = ask(running(state), {"command": "status"}, timeout=5)
    except StackError as problem:
        if not options.json:
            print(problem)
            return _NOT_RUNNING
        status = {"frontDoor": settings.front_door, "state": "starting" if state.in_use else "stopped", "processes": []}
    print(json.dumps(status, indent=2) if options.json else _for_people(status))
    return _NOT_RUNNING if status["state"] == "stopped" else 0


def _for_people(status: dict[str, Any]) -> str:
    headline = f"Switchboard is {status['state']}: {status['frontDoor']}"
    return "\n".join([headline, "", *process_table(status["processes"])])
