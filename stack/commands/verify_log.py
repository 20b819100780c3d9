"""`switchboard verify-log`: check the journal's hash chains against edits, gaps, truncation and reordering."""

from __future__ import annotations

import argparse

from stack.database import current_access
from stack.keys import ensure_service_keys
from stack.settings import load_stack_settings
from stack.state import StateDirectory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options."""


def run(options: argparse.Namespace) -> int:
    """Check the journal. Exit status 0 when it is whole."""
    settings = load_stack_settings()
    state = StateDirectory(settings.state)
    access = current_access(settings, state)
    # Loaded only here: the service's code is much to load for a command that may have nothing to look at.
    from dispatch_service import verify_log

    return int(verify_log.main(access.url("switchboard_dispatch"), ensure_service_keys(state)))
