"""`switchboard stop [NAME]`: stop one process on purpose, so that it is not restarted, or the whole stack."""

from __future__ import annotations

import argparse

from stack.control import ask, running
from stack.errors import StackError
from stack.settings import load_stack_settings
from stack.state import StateDirectory

_PATIENCE = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", nargs="?", help="the process to stop; without one, everything")


def run(options: argparse.Namespace) -> int:
    """Stop it, and return once it is stopped."""
    state = StateDirectory(load_stack_settings().state)
    facts = running(state)
    ask(facts, {"command": "stop", "name": options.name}, timeout=_PATIENCE)
    if options.name is None and not state.wait_until_free(_PATIENCE):
        raise StackError(f"the supervisor (process {facts.pid}) is still stopping after {_PATIENCE:g} s")
    return 0
