"""Every fault's code, what it says to a person and what it means for the caller: one table, and one way to make each.

Above: everything in this package and `resilience/`. Below: `outcomes`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypedDict

from mcp_adapter_service.mcp_client.outcomes import (
    Effect,
    Fault,
    HttpFault,
    ProtocolFault,
    Refused,
    TimedOut,
    Unknown,
)


class Code(StrEnum):
    """The short constant codes that faults carry."""

    # Refused: nothing was sent.
    CONNECTION_REFUSED = "CONNECTION_REFUSED"
    HOST_NOT_FOUND = "HOST_NOT_FOUND"
    TLS_FAILED = "TLS_FAILED"
    CONNECT_TIMED_OUT = "CONNECT_TIMED_OUT"
    NOT_SENT = "NOT_SENT"
    NOT_RUNNING = "NOT_RUNNING"
    DEADLINE_PASSED = "DEADLINE_PASSED"
    HANDSHAKE_FAILED = "HANDSHAKE_FAILED"
    BREAKER_OPEN = "BREAKER_OPEN"
    QUEUE_FULL = "QUEUE_FULL"
    QUEUE_TIMED_OUT = "QUEUE_TIMED_OUT"
    RATE_EXCEEDED = "RATE_EXCEEDED"
    # Sent, and nothing came back.
    NO_ANSWER = "NO_ANSWER"
    CONNECTION_LOST = "CONNECTION_LOST"
    # An HTTP error.
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    ENDPOINT_NOT_FOUND = "ENDPOINT_NOT_FOUND"
    RATE_LIMITED = "RATE_LIMITED"
    REDIRECTED = "REDIRECTED"
    REQUEST_REJECTED = "REQUEST_REJECTED"
    SERVER_ERROR = "SERVER_ERROR"
    UNAVAILABLE = "UNAVAILABLE"
    # An answer that is not MCP.
    BAD_HTTP = "BAD_HTTP"
    BAD_CONTENT_TYPE = "BAD_CONTENT_TYPE"
    COMPRESSED = "COMPRESSED"
    BAD_JSON = "BAD_JSON"
    BAD_REPLY = "BAD_REPLY"
    REPLY_TOO_LARGE = "REPLY_TOO_LARGE"
    NO_REPLY = "NO_REPLY"
    # A JSON-RPC error.
    UNKNOWN_TOOL = "UNKNOWN_TOOL"
    ARGUMENTS_REJECTED = "ARGUMENTS_REJECTED"
    METHOD_NOT_FOUND = "METHOD_NOT_FOUND"
    VERSION_UNSUPPORTED = "VERSION_UNSUPPORTED"
    HEADER_MISMATCH = "HEADER_MISMATCH"
    CAPABILITY_MISSING = "CAPABILITY_MISSING"
    TOOL_CRASHED = "TOOL_CRASHED"
    RPC_ERROR = "RPC_ERROR"


@dataclass(frozen=True, slots=True)
class _Meaning:
    text: str
    effect: Effect
    retryable: bool
    blames_server: bool


_N, _P = Effect.NONE, Effect.POSSIBLE

_MEANINGS: Final[dict[Code, _Meaning]] = {
    Code.CONNECTION_REFUSED: _Meaning("refused the connection; check that it runs and its address", _N, True, True),
    Code.HOST_NOT_FOUND: _Meaning("has a host name that does not resolve; check its address", _N, True, True),
    Code.TLS_FAILED: _Meaning("could not be reached over TLS; check its certificate", _N, False, True),
    Code.CONNECT_TIMED_OUT: _Meaning("did not accept a connection in time; check the network to it", _N, True, True),
    Code.NOT_SENT: _Meaning("closed the connection before the call was sent; try again", _N, True, True),
    Code.NOT_RUNNING: _Meaning("does not run just now; it is started again in a moment, if its command is right", _N, True, True),
    Code.DEADLINE_PASSED: _Meaning("was not called: the deadline had passed; allow more time", _N, True, False),
    Code.HANDSHAKE_FAILED: _Meaning("did not complete the handshake, so nothing was called; try again", _N, True, True),
    Code.BREAKER_OPEN: _Meaning("failed repeatedly and is left alone for a moment; try again later", _N, True, False),
    Code.QUEUE_FULL: _Meaning("has too many calls waiting; try again later", _N, True, False),
    Code.QUEUE_TIMED_OUT: _Meaning("had no free place before the deadline; try again later", _N, True, False),
    Code.RATE_EXCEEDED: _Meaning("is called as often as it allows already; try again later", _N, True, False),
    Code.NO_ANSWER: _Meaning("did not answer in time; check there whether it was done", _P, True, True),
    Code.CONNECTION_LOST: _Meaning("dropped the connection; check there whether it was done", _P, True, True),
    Code.UNAUTHORIZED: _Meaning("does not accept our credentials; check its token", _N, False, False),
    Code.FORBIDDEN: _Meaning("does not allow us this call; check what its token may do", _N, False, False),
    Code.ENDPOINT_NOT_FOUND: _Meaning("has nothing at its configured address; check the URL", _N, False, False),
    Code.RATE_LIMITED: _Meaning("limits how often it is called; try again later", _N, True, False),
    Code.REDIRECTED: _Meaning("redirects elsewhere, which is not followed; configure the final URL", _N, False, False),
    Code.REQUEST_REJECTED: _Meaning("rejected the request; check that it speaks MCP at this URL", _N, False, False),
    Code.SERVER_ERROR: _Meaning("failed with a server error; check there whether it was done", _P, True, True),
    Code.UNAVAILABLE: _Meaning("is unavailable; check there whether it was done", _P, True, True),
    Code.BAD_HTTP: _Meaning("answered with something that is not HTTP; check its address", _P, False, True),
    Code.BAD_CONTENT_TYPE: _Meaning("answered with something that is not JSON; check its URL", _P, False, True),
    Code.COMPRESSED: _Meaning("answered in a compressed form that nobody asked for; report it", _P, False, True),
    Code.BAD_JSON: _Meaning("answered with malformed JSON; report it to whoever runs it", _P, False, True),
    Code.BAD_REPLY: _Meaning("answered with something that is not an MCP result; report it", _P, False, True),
    Code.REPLY_TOO_LARGE: _Meaning("answered with more than the size limit; ask for less", _P, False, False),
    Code.NO_REPLY: _Meaning("took the call and gave no answer; check there whether it was done", _P, False, True),
    Code.UNKNOWN_TOOL: _Meaning("does not have this tool; check the tool's name", _N, False, False),
    Code.ARGUMENTS_REJECTED: _Meaning("rejected the call's arguments; check them against its schema", _N, False, False),
    Code.METHOD_NOT_FOUND: _Meaning("does not offer this kind of call", _N, False, False),
    Code.VERSION_UNSUPPORTED: _Meaning("speaks no revision of MCP that we speak", _N, False, False),
    Code.HEADER_MISMATCH: _Meaning("wants arguments repeated as headers; list its tools again", _N, False, False),
    Code.CAPABILITY_MISSING: _Meaning("needs a client capability that we do not have", _N, False, False),
    Code.TOOL_CRASHED: _Meaning("failed inside; check there whether it was done", _P, True, False),
    Code.RPC_ERROR: _Meaning("answered with an error; check there whether it was done", _P, False, False),
}


def text_of(server: str, code: Code) -> str:
    """The sentence for a person."""
    return f"The tool server '{server}' {_MEANINGS[code].text}."


class _Common(TypedDict):
    code: str
    text: str
    effect: Effect
    retryable: bool
    blames_server: bool


def _common(server: str, code: Code, effect: Effect | None = None) -> _Common:
    meaning = _MEANINGS[code]
    return {
        "code": code.value,
        "text": text_of(server, code),
        "effect": effect or meaning.effect,
        "retryable": meaning.retryable,
        "blames_server": meaning.blames_server,
    }


def refused(server: str, code: Code, *, retry_after: float | None = None) -> Refused:
    """Return the fault of a call that was not sent."""
    return Refused(**_common(server, code, Effect.NONE), retry_after=retry_after)


def timed_out(server: str) -> TimedOut:
    """Return the fault of a call that was sent and not answered in time."""
    return TimedOut(**_common(server, Code.NO_ANSWER))


def unknown(server: str) -> Unknown:
    """Return the fault of a call whose connection was lost after it was sent."""
    return Unknown(**_common(server, Code.CONNECTION_LOST))


def protocol(
    server: str, code: Code, *, rpc_code: int | None = None, status: int = 200, effect: Effect | None = None
) -> ProtocolFault:
    """Return the fault of a JSON-RPC error or of an answer that is not MCP; `effect` where the status settles it."""
    return ProtocolFault(**_common(server, code, effect), rpc_code=rpc_code, status=status)


# Statuses by which HTTP says that the request was turned away, not acted on.
REFUSING_STATUSES: Final = frozenset({400, 401, 402, 403, 404, 405, 406, 407, 411, 413, 414, 415, 417, 421, 426, 429, 431})

# The other redirects may be how a server answers what it has done already ("see there for the result").
_REDIRECTS_BEFORE_THE_ACT: Final = frozenset({301, 307, 308})

_STATUS_CODES: Final[dict[int, Code]] = {
    401: Code.UNAUTHORIZED,
    407: Code.UNAUTHORIZED,
    403: Code.FORBIDDEN,
    404: Code.ENDPOINT_NOT_FOUND,
    429: Code.RATE_LIMITED,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.UNAVAILABLE,
}


def http(server: str, status: int, retry_after: float | None = None, challenge: str | None = None) -> HttpFault:
    """Return the fault of an HTTP error status."""
    code = _STATUS_CODES.get(status)
    if code is None:
        rejected = Code.REDIRECTED if status < 400 else Code.REQUEST_REJECTED
        code = rejected if status < 500 else Code.SERVER_ERROR
    effect = Effect.NONE if status in REFUSING_STATUSES or status in _REDIRECTS_BEFORE_THE_ACT else Effect.POSSIBLE
    return HttpFault(**_common(server, code, effect), retry_after=retry_after, status=status, challenge=challenge)


def before_the_call(server: str, fault: Fault) -> Fault:
    """Return `fault`, met in a handshake, as the fault of the call that therefore was never sent."""
    if isinstance(fault, TimedOut | Unknown):
        return refused(server, Code.HANDSHAKE_FAILED)
    if fault.effect is Effect.NONE:
        return fault
    return replace(fault, effect=Effect.NONE, text=text_of(server, Code.HANDSHAKE_FAILED))
