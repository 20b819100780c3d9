"""Books a visit through the typed RPC and prints the reference. Needs grpcio, protobuf and googleapis-common-protos only."""

from __future__ import annotations

import sys

import grpc
from switchboard.booking.v1 import booking_pb2
from switchboard.dispatch.v1 import action_pb2, dispatch_service_pb2, dispatch_service_pb2_grpc

request = dispatch_service_pb2.DispatchRequest(
    context=dispatch_service_pb2.DispatchContext(thread_id="thread-python"),
    idempotency_key="booking-from-python",
    housecall_pro_booking=action_pb2.BookingPayload(
        thread_id="thread-python",
        service_id="drain-cleaning",
        customer=booking_pb2.Customer(first_name="Ada", last_name="Quill", phone="(608) 555-0123"),
        address=booking_pb2.Address(line1="12 Orchard Street", city="Madison", state="WI", zip="53703"),
        notes="The gate code is 4711.",
    ),
)
with grpc.insecure_channel(sys.argv[1]) as channel:
    result = dispatch_service_pb2_grpc.DispatchServiceStub(channel).Dispatch(request, timeout=30)
if not result.ok:
    raise SystemExit(f"not booked: {result.error}")
print(result.result.external_id)
