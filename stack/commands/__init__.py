"""The subcommands of `switchboard`: one module each, listed once in COMMANDS.

A module has `add_arguments(parser: argparse.ArgumentParser) -> None` and `run(options: argparse.Namespace) -> int`,
which returns the exit status and raises StackError for whatever a person can put right.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """Where a subcommand is and what it does, in one line for `--help`."""

    module: str
    help: str


COMMANDS = {
    "up": Command("stack.commands.up", "start everything and keep it running in the foreground"),
    "status": Command("stack.commands.status", "show the processes, their pids and addresses"),
    "stop": Command("stack.commands.stop", "stop one process, or the whole stack"),
    "start": Command("stack.commands.start", "start a process that was stopped"),
    "token": Command("stack.commands.token", "print a development token"),
    "services": Command("stack.commands.services", "list or change what can be booked, and see who changed it"),
    "tools": Command("stack.commands.tools", "list the tools and how their servers are"),
    "servers": Command("stack.commands.servers", "third-party MCP servers: add, see, accept, configure, enable, remove"),
    "policy": Command("stack.commands.policy", "check the policies, explain a decision, or decide the log again"),
    "verify-log": Command("stack.commands.verify_log", "check the journal for edits, gaps and truncation"),
}
