// Books a visit over JSON, with both bodies typed by the contract, and prints the reference.
import { create, fromJson, toJson, type JsonObject } from "@bufbuild/protobuf";
import { Action, BookingPayloadSchema } from "./clients/switchboard/dispatch/v1/action_pb.js";
import { DispatchCardActionRequestSchema, DispatchResultSchema } from "./clients/switchboard/dispatch/v1/dispatch_service_pb.js";

const threadId = "thread-typescript";
const payload = create(BookingPayloadSchema, {
  threadId,
  serviceId: "drain-cleaning",
  customer: { firstName: "Ada", lastName: "Quill", phone: "(608) 555-0123" },
  address: { line1: "12 Orchard Street", city: "Madison", state: "WI", zip: "53703" },
  notes: "The gate code is 4711.",
});
const request = create(DispatchCardActionRequestSchema, {
  action: Action[Action.HOUSECALL_PRO_BOOKING],
  payload: toJson(BookingPayloadSchema, payload) as JsonObject,
  context: { threadId },
  idempotencyKey: "booking-from-typescript",
});

const reply = await fetch(`${process.argv[2]}/api/actions/dispatch`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(toJson(DispatchCardActionRequestSchema, request)),
});
const result = fromJson(DispatchResultSchema, await reply.json());
if (!result.ok) {
  throw new Error(`not booked: ${JSON.stringify(result.error)}`);
}
console.log(result.result?.externalId);
