"""What the front door says when a call fails: one table, written as local replies of Envoy and as the Lua filter's tables.

Above: `stack.envoy_config`. Below: nothing. The sentences are ours: no text of a library or of Envoy reaches a caller.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a call failed: the published code, a sentence for a person, whether the same call may succeed later."""

    code: str
    details: str
    retryable: bool = False


REASONS: dict[int, Reason] = {
    400: Reason(code="INVALID_ARGUMENT", details="The request cannot be understood: its JSON or a parameter does not fit."),
    401: Reason(code="UNAUTHENTICATED", details="This call needs a valid access token."),
    403: Reason(code="FORBIDDEN", details="The caller may not do this."),
    404: Reason(code="NOT_FOUND", details="There is nothing here by that name."),
    405: Reason(code="INVALID_ARGUMENT", details="This path does not take that HTTP method."),
    408: Reason(code="INVALID_ARGUMENT", details="The request did not arrive in time.", retryable=True),
    409: Reason(code="CONFLICT", details="The call conflicts with an earlier one."),
    413: Reason(code="INVALID_ARGUMENT", details="The request body is too large."),
    429: Reason(code="RATE_LIMITED", details="Too many calls: wait a moment and try again.", retryable=True),
    431: Reason(code="INVALID_ARGUMENT", details="The request headers are too large."),
    500: Reason(code="INTERNAL", details="Something broke on our side."),
    502: Reason(code="INTEGRATION_DOWN", details="The service gave no usable answer."),
    503: Reason(code="INTEGRATION_DOWN", details="The service is not available right now: try again.", retryable=True),
    504: Reason(code="INTEGRATION_DOWN", details="The service did not answer in time."),
}

# A write that went out and whose answer did not come back: saying that it failed would be a guess.
LOST_REPLY = Reason(
    code="OUTCOME_UNKNOWN", details="The answer was lost: it may have been carried out. Look before trying again."
)

# Statuses that no row above has, by class.
_OTHER_CLIENT_ERROR = Reason(code="INVALID_ARGUMENT", details="The request cannot be served as it was sent.")

# gRPC status of dispatch_service to the HTTP status of a JSON reply; every other one is 500.
HTTP_STATUS_OF_GRPC: dict[int, int] = {
    3: 400,  # INVALID_ARGUMENT
    4: 504,  # DEADLINE_EXCEEDED
    5: 404,  # NOT_FOUND
    6: 409,  # ALREADY_EXISTS
    7: 403,  # PERMISSION_DENIED
    8: 429,  # RESOURCE_EXHAUSTED
    9: 400,  # FAILED_PRECONDITION
    10: 409,  # ABORTED
    11: 400,  # OUT_OF_RANGE
    14: 503,  # UNAVAILABLE
    16: 401,  # UNAUTHENTICATED
}

# Every reply carries these; `x-correlation-id` is the id that the services and the logs know the call by.
REPLY_HEADERS = {"x-correlation-id": "%REQ(X-REQUEST-ID)%", "x-content-type-options": "nosniff"}
API_REPLY_HEADERS = {"cache-control": "no-store"}


def header_option(name: str, value: str) -> dict[str, Any]:
    """An Envoy HeaderValueOption that sets `name`, whatever was there."""
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def local_replies(challenges: Mapping[str, str]) -> list[dict[str, Any]]:
    """Mappers for the replies that Envoy makes itself; the first that matches is taken. `challenges` are what a 401 says in
    `www-authenticate`, by the regular expression of the path."""
    by_status = [(_status("EQ", status), reason) for status, reason in REASONS.items()]
    by_class = [(_status("GE", 500), REASONS[500]), (_status("GE", 400), _OTHER_CLIENT_ERROR)]
    mappers = [_mapper(_and(_TRANSCODED_WRITE, _REPLY_LOST), _json_body(LOST_REPLY))]
    for path, challenge in challenges.items():
        matches = _and(_status("EQ", 401), _path(path))
        mappers.append(_mapper(matches, _json_body(REASONS[401]), headers={"www-authenticate": challenge}))
    for status, reason in (*by_status, *by_class):
        mappers += [
            # Of a request that could not even be read there is no id yet.
            _mapper(_and(_WITHOUT_ID, status), _json_body(reason), correlation_id="%UNIQUE_ID%"),
            # gRPC's own form, in which the body's text becomes `grpc-message`: the sentence alone.
            _mapper(_and(_NATIVE_GRPC, status), {"text_format_source": {"inline_string": reason.details}}),
            _mapper(status, _json_body(reason)),
        ]
    return mappers


def lua_reason(reason: Reason) -> str:
    """One reason as a Lua table. JSON's strings are Lua's, as long as they are plain ASCII without slashes."""
    fields = {"code": reason.code, "details": reason.details, "retryable": reason.retryable}
    return "{ " + ", ".join(f"{name} = {json.dumps(value)}" for name, value in fields.items()) + " }"


def lua_reasons() -> str:
    """`REASONS` as the rows of a Lua table."""
    return "\n".join(f"  [{status}] = {lua_reason(reason)}," for status, reason in REASONS.items())


def lua_http_statuses() -> str:
    """`HTTP_STATUS_OF_GRPC` as the rows of a Lua table, keyed by the text that the header holds."""
    return "\n".join(f"  ['{grpc}'] = {http}," for grpc, http in HTTP_STATUS_OF_GRPC.items())


def _json_body(reason: Reason) -> dict[str, Any]:
    error: dict[str, Any] = {"code": reason.code, "details": reason.details}
    if reason.retryable:
        error["retryable"] = True
    return {
        # The mapper's headers are set before its body is made.
        "json_format": {"ok": False, "error": error, "correlationId": "%RESP(X-CORRELATION-ID)%"},
        "content_type": "application/json",
    }


def _mapper(
    matches: dict[str, Any],
    body: dict[str, Any],
    *,
    correlation_id: str = REPLY_HEADERS["x-correlation-id"],
    headers: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    added = {**REPLY_HEADERS, **API_REPLY_HEADERS, "x-correlation-id": correlation_id, **headers}
    return {
        "filter": matches,
        "body_format_override": body,
        "headers_to_add": [header_option(name, value) for name, value in added.items()],
    }


def _path(regex: str) -> dict[str, Any]:
    return {"header_filter": {"header": {"name": ":path", "string_match": {"safe_regex": {"regex": regex}}}}}


def _status(comparison: str, status: int) -> dict[str, Any]:
    # The schema wants a runtime key; nothing sets it.
    value = {"default_value": status, "runtime_key": "front_door.local_reply_status"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}


def _and(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"and_filter": {"filters": list(filters)}}


# The connection ended (UC) or the call was reset (UR) after it had been sent, or our patience ended (UT).
_REPLY_LOST = {"response_flag_filter": {"flags": ["UC", "UR", "UT"]}}
_TRANSCODED_WRITE = {
    "header_filter": {
        "header": {
            "name": "x-envoy-original-method",
            "string_match": {"safe_regex": {"regex": "POST|PUT|PATCH|DELETE"}},
        }
    }
}
_WITHOUT_ID = {"header_filter": {"header": {"name": "x-request-id", "present_match": False}}}
# The transcoder makes gRPC requests of JSON ones too, but leaves their original path beside.
_NATIVE_GRPC = _and(
    {"header_filter": {"header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}}},
    {"header_filter": {"header": {"name": "x-envoy-original-path", "present_match": False}}},
)
