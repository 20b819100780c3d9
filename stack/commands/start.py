"""`switchboard start NAME`: start a process that was stopped, and return once it is ready."""

from __future__ import annotations

import argparse

from stack.control import ask, running
from stack.settings import load_stack_settings
from stack.state import StateDirectory

_PATIENCE = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", help="the process to start; `switchboard up` starts the whole stack")


def run(options: argparse.Namespace) -> int:
    """Start it."""
    state = StateDirectory(load_stack_settings().state)
    ask(running(state), {"command": "start", "name": options.name}, timeout=_PATIENCE)
    return 0
