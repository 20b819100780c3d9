"""A channel to the running stack's adapter, for commands of the person who runs the machine.

Above: `switchboard services` and `switchboard tools`. Below: the adapter's unix socket, and a certificate of the
run that only this user can read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import grpc

from service_kit.tls import expecting
from stack.certificates import ADAPTER as ADAPTER_IDENTITY
from stack.certificates import operator_certificate
from stack.control import ask, running
from stack.errors import StackError
from stack.settings import load_stack_settings
from stack.state import StateDirectory

ADAPTER = "mcp_adapter_service"
SECONDS = 10.0
ReplyT = TypeVar("ReplyT")


@contextmanager
def adapter_channel() -> Iterator[grpc.Channel]:
    """A channel to the adapter. Raises StackError where no stack runs."""
    state = StateDirectory(load_stack_settings().state)
    status = ask(running(state), {"command": "status"}, timeout=5)
    address = next((process["address"] for process in status["processes"] if process["name"] == ADAPTER), "")
    if not address:
        raise StackError("this stack has no adapter; see `switchboard status`")
    credentials = operator_certificate(state).channel_credentials()
    with grpc.secure_channel(address, credentials, options=expecting(ADAPTER_IDENTITY)) as channel:
        yield channel


def answered(call: Callable[[], ReplyT]) -> ReplyT:
    """Make a call; what the adapter refuses becomes one clear line."""
    try:
        return call()
    except grpc.RpcError as problem:
        if not isinstance(problem, grpc.Call):
            raise
        if problem.code() is grpc.StatusCode.UNAVAILABLE:
            raise StackError(f"the adapter does not answer; see the log of {ADAPTER}") from None
        raise StackError(f"refused: {problem.details()}") from None


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay rows out in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
