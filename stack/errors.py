"""What can go wrong when a person runs the stack. The command line prints the message and exits; no traceback.

Errors:
    StackError            one clear line that says what to do
    └── ProcessFailed     a process did not become healthy; carries the last lines of its log
"""

from __future__ import annotations


class StackError(Exception):
    """A person can put this right; the message is the one line that says how."""


class ProcessFailed(StackError):
    """`name` ended or stayed unhealthy. `log_tail` holds its last log lines, `log_file` where the rest is."""

    def __init__(self, message: str, *, name: str, log_file: str, log_tail: list[str]) -> None:
        super().__init__(message)
        self.name = name
        self.log_file = log_file
        self.log_tail = log_tail
