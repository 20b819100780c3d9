"""`switchboard up`: start everything and keep it running in the foreground. What `make run` ends in."""

from __future__ import annotations

import argparse

from stack.composition import run_stack
from stack.database import OWNERS
from stack.settings import load_stack_settings
from stack.topology import processes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options: everything is a setting."""


def run(options: argparse.Namespace) -> int:
    """Run the stack until a signal or `switchboard stop`. Exit status 0 when it was asked to stop."""
    run_stack(load_stack_settings(), processes, OWNERS)
    return 0
