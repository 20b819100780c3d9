"""What can go wrong at the vendor, told apart by what it means for us.

Above: `vendor` raises `VendorProblem`; `work` and `servicer` turn it into a tool error with `as_tool_error`. Below: the
runtime's error tree.

    reply                                  may it have happened?   worth a retry?
    no connection                          no                      yes
    timeout, connection broken             yes                     yes
    429                                    no                      yes
    400, 401, 403, 404, 409, 422, …        no                      no
    5xx                                    yes                     yes
    2xx that is not the vendor's JSON      yes                     yes
"""

from __future__ import annotations

from typing import Any

import orjson

from tool_servers.runtime import IntegrationDown

_UNAUTHORISED = (401, 403)
_NOT_FOUND = 404
_LIMITED = 429


class VendorProblem(Exception):
    """A call to the vendor did not work. `status` is None where there was no reply.

    `uncertain` says that the vendor may have done what was asked. The vendor's own words are not kept.
    """

    def __init__(self, *, status: int | None, uncertain: bool, retryable: bool) -> None:
        super().__init__(f"the vendor answered {status}" if status else "the vendor did not answer")
        self.status = status
        self.uncertain = uncertain
        self.retryable = retryable

    @property
    def not_offered(self) -> bool:
        """Whether the vendor does not have that call, or not for this company."""
        return self.status in (403, 404)


def refused(status: int) -> VendorProblem:
    """Return the problem of a reply that is no success."""
    broken = status >= 500
    return VendorProblem(status=status, uncertain=broken, retryable=broken or status in (408, _LIMITED))


def as_tool_error(problem: VendorProblem) -> IntegrationDown:
    """Return what the caller is told where nothing was booked."""
    return IntegrationDown(_sentence(problem.status), retryable=problem.retryable)


def _sentence(status: int | None) -> str:
    if status in _UNAUTHORISED:
        return "The scheduling system does not accept our access; the office has to check it."
    if status == _LIMITED:
        return "The scheduling system is busy; try again in a moment."
    if status is None or status >= 500 or status < 300:
        return "The scheduling system does not answer as it should at the moment; try again later."
    return "The scheduling system refused the request; the office has to look at it."


def shape_of(body: bytes) -> str:
    """Say in which of the vendor's shapes an error was written, for the log: never what it said."""
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "not_json"
    match document:
        case {"errors": {}}:
            shape = "errors_by_field"
        case {"error": {"message": _}}:
            shape = "error_message"
        case {"error": str()}:
            shape = "error_text"
        case {"message": _, "attr": _}:
            shape = "message_attr"
        case {"message": _}:
            shape = "message"
        case _:
            shape = "unknown"
    return shape
