"""What the tests call: the stubs' types, and requests on behalf of a customer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from switchboard.adapter.v1 import adapter_service_pb2 as pb
from switchboard.adapter.v1 import adapter_service_pb2_grpc as pb_grpc
from switchboard.adapter.v1 import service_mapping_service_pb2_grpc as mapping_grpc

# These types exist in the stub files only.
Stub: TypeAlias = "pb_grpc.AdapterServiceAsyncStub"
Mappings: TypeAlias = "mapping_grpc.ServiceMappingServiceAsyncStub"

BOOK = "housecall_pro.create_booking"
LOOK = "housecall_pro.get_availability"


def call(server: str, tool: str, arguments: bytes = b"{}", **fields: Any) -> pb.InvokeToolRequest:
    """A request on behalf of a customer of the tenant that the seed file is for."""
    principal = pb.Principal(tenant="demo", subject="someone", kind="human", role="customer")
    return pb.InvokeToolRequest(server=server, tool=tool, arguments_json=arguments, **{"principal": principal, **fields})


def codes(responses: Sequence[pb.InvokeToolResponse]) -> list[str]:
    """The error codes of responses."""
    return [response.error_code for response in responses]
