"""The one booking that every way in makes: as MCP to the tool itself, as gRPC to the dispatch service, as JSON to the front door.

Above: `ways`. Below: the contract, and the adapter's own code for what the tool gets to see.

A template is the bytes of one request in which SERIAL stands wherever requests have to differ: in the idempotency key and the
customer's telephone number. A generator puts a number of the same length in its place, so that lengths stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, cast

import orjson
from google.protobuf.json_format import ParseDict
from switchboard.adapter.v1 import adapter_service_pb2
from switchboard.dispatch.v1 import dispatch_service_pb2
from switchboard.tools.housecall_pro.v1 import housecall_pro_service_pb2

from mcp_adapter_service.invocation import CORRELATION_ID_META, DEADLINE_META, IDEMPOTENCY_KEY_META, PRINCIPAL_META
from mcp_adapter_service.mcp_client import wire
from mcp_adapter_service.principal_token import PrincipalSigner
from mcp_adapter_service.service_mapping import MappingCache, substitutions
from mcp_adapter_service.service_mapping.conversion import MappedService, vendor_document
from mcp_adapter_service.service_mapping.seed import read_seed
from service_kit.contract.render import arguments
from stack.settings import REPOSITORY
from tests.bench.load import SERIAL

ACTION = "HOUSECALL_PRO_BOOKING"
GRPC_METHOD = "/switchboard.dispatch.v1.DispatchService/Dispatch"

_SERVER, _TOOL = "housecall_pro", "housecall_pro.create_booking"
_SERVICE = "drain-cleaning"
_TENANT = "demo"
_SUNDAY = 6
_DEADLINE_MS = 24_950


def json_click(authority: str, run: str, *, token: str = "") -> bytes:
    """The whole HTTP request of a browser's click at the front door `authority` (host:port), a visitor's or one with a token."""
    body = {
        "action": ACTION,
        "payload": {"threadId": run, "serviceId": _SERVICE, **_wishes("608" + SERIAL)},
        "context": {"threadId": run},
        "idempotencyKey": f"{run}-{SERIAL}",
    }
    return _http_post("/api/actions/dispatch", _json_headers(authority, token), orjson.dumps(body))


def json_tool_call(authority: str, run: str, *, token: str) -> bytes:
    """The same booking as a call of the tool by its name, with a token."""
    body = {
        "server": _SERVER,
        "tool": _TOOL,
        "arguments": {"serviceHcpId": _SERVICE, **_wishes("608" + SERIAL)},
        "idempotencyKey": f"{run}-{SERIAL}",
        "threadId": run,
    }
    return _http_post("/api/tools/call", _json_headers(authority, token), orjson.dumps(body))


def grpc_message(run: str) -> bytes:
    """The same click as a typed request."""
    payload = {"threadId": run, "serviceId": _SERVICE, **_wishes("608" + SERIAL)}
    request = {"housecallProBooking": payload, "context": {"threadId": run}, "idempotencyKey": f"{run}-{SERIAL}"}
    return ParseDict(request, dispatch_service_pb2.DispatchRequest()).SerializeToString()


def mcp_call(authority: str, token: str, run: str) -> bytes:
    """The HTTP request that the adapter sends to the tool server for that click. Valid for two minutes, as its principal is."""
    correlation_id = f"{run:0>8.8}-0000-4000-8000-00000{SERIAL}"
    visitor = adapter_service_pb2.Principal(tenant=_TENANT, subject="anonymous", kind="human", role="visitor")
    context = wire.CallContext(
        correlation_id=correlation_id,
        meta={
            DEADLINE_META: _DEADLINE_MS,
            IDEMPOTENCY_KEY_META: f"act_{run:0>25.25}{SERIAL}",
            CORRELATION_ID_META: correlation_id,
            PRINCIPAL_META: PrincipalSigner(token).token(visitor),
        },
    )
    binding = wire.modern_binding(wire.base_headers(token))
    params = {"arguments": orjson.Fragment(_tool_arguments()), "name": _TOOL}
    headers = wire.request_headers(binding, "tools/call", context) | {wire.NAME: _TOOL, "Host": authority}
    return _http_post("/mcp", headers, wire.request_body(binding, 1, "tools/call", params, context))


def _json_headers(authority: str, token: str) -> dict[str, str]:
    headers = {"Host": authority, "Content-Type": "application/json"}
    return headers | ({"Authorization": f"Bearer {token}"} if token else {})


def _wishes(phone: str) -> dict[str, Any]:
    """Who, where and when; `phone` as the side that is asked wants it."""
    return {
        "customer": {"firstName": "Ada", "lastName": "Quill", "phone": phone, "email": "ada.quill@mail.example"},
        "address": {"line1": "12 Orchard Street", "line2": "Apt 4", "city": "Madison", "state": "WI", "zip": "53703"},
        "preferred": {"date1": _working_day().isoformat(), "timeWindow": "PM"},
        "notes": "The gate code is 4711. Please ring twice.",
        "marketing": {"source": "google", "campaign": "spring"},
    }


def _working_day() -> date:
    """A day on which the sandbox has appointments."""
    day = date.today() + timedelta(days=9)
    return day + timedelta(days=1) if day.weekday() == _SUNDAY else day


def _tool_arguments() -> bytes:
    """The arguments as the adapter sends them on, with the vendor's values in them."""
    wishes = {"serviceHcpId": _SERVICE, **_wishes("+1608" + SERIAL)}
    request = ParseDict(wishes, housecall_pro_service_pb2.CreateBookingRequest())
    mappings = cast(MappingCache, _SeededMappings())
    return substitutions()[_SERVER, _TOOL].apply(orjson.dumps(arguments(request)), _TENANT, mappings)


class _SeededMappings:
    """The part of MappingCache that the substitution uses, as a new stack has it."""

    def __init__(self) -> None:
        self._services = {mapping.service_id: mapping for mapping in read_seed(REPOSITORY / "config" / "services.json")}

    def find(self, tenant: str, service_id: str) -> MappedService | None:
        """Return the mapping of one service."""
        mapping = self._services.get(service_id)
        if mapping is None:
            return None
        return MappedService(
            mapping, {key: orjson.Fragment(orjson.dumps(value)) for key, value in vendor_document(mapping).items()}
        )


def _http_post(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body
