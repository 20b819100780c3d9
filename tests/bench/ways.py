"""The ways in that are compared: (a) to (d) each one link longer than the one before, (e) and (f) with a token; (s) is what
anybody would write in (a)'s place.

Above: `measure`. Below: `booking` (what is sent), `generators` (how), `stacks` (where to).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.bench import booking
from tests.bench.generators import run_grpc, run_wrk
from tests.bench.load import Load
from tests.bench.stacks import ECHO, REAL, MeasuredStack

# Which stack, which run (it is the bookings' thread), how many in flight, for how many seconds.
Drive = Callable[[MeasuredStack, str, int, float], Load]

_MADE = '"ok":true'
_DONE = '"isError":false'


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way in. `journals` says whether its calls pass the dispatch service."""

    letter: str
    title: str
    stack: str
    journals: bool
    drive: Drive


def _direct(stack: MeasuredStack, run: str, in_flight: int, seconds: float) -> Load:
    url = stack.tool_url
    template = booking.mcp_call(urlsplit(url).netloc, stack.tool_token, run)
    return run_wrk(url, template, _DONE, in_flight, seconds)


def _bare(stack: MeasuredStack, run: str, in_flight: int, seconds: float) -> Load:
    url = stack.sdk_url
    return run_wrk(url, booking.mcp_call(urlsplit(url).netloc, stack.tool_token, run), _DONE, in_flight, seconds)


def _grpc(stack: MeasuredStack, run: str, in_flight: int, seconds: float) -> Load:
    return run_grpc(
        stack.dispatch_socket,
        booking.GRPC_METHOD,
        booking.grpc_message(run),
        certificates=stack.certificates,
        in_flight=in_flight,
        seconds=seconds,
    )


def _json(stack: MeasuredStack, run: str, in_flight: int, seconds: float) -> Load:
    return run_wrk(stack.front_door, booking.json_click(stack.authority, run), _MADE, in_flight, seconds)


def _with_token(stack: MeasuredStack, run: str, in_flight: int, seconds: float) -> Load:
    template = booking.json_click(stack.authority, run, token=stack.operator_token)
    return run_wrk(stack.front_door, template, _MADE, in_flight, seconds)


def _by_name(stack: MeasuredStack, run: str, in_flight: int, seconds: float) -> Load:
    template = booking.json_tool_call(stack.authority, run, token=stack.operator_token)
    return run_wrk(stack.front_door, template, _MADE, in_flight, seconds)


def _booking(stack: MeasuredStack, run: str, in_flight: int, seconds: float) -> Load:
    stack.empty_sandbox()
    return _json(stack, run, in_flight, seconds)


WAYS = (
    Way(letter="a", title="echo tool, directly over MCP", stack=ECHO, journals=False, drive=_direct),
    Way(letter="s", title="the same echo on the bare MCP SDK", stack=ECHO, journals=False, drive=_bare),
    Way(letter="b", title="gRPC dispatch of it", stack=ECHO, journals=True, drive=_grpc),
    Way(letter="c", title="JSON through Envoy", stack=ECHO, journals=True, drive=_json),
    Way(letter="d", title="the booking path (sandbox)", stack=REAL, journals=True, drive=_booking),
    Way(letter="e", title="(c) with a token", stack=ECHO, journals=True, drive=_with_token),
    Way(letter="f", title="the tool by its name, with a token", stack=ECHO, journals=True, drive=_by_name),
)
