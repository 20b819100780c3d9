"""Documents and messages: parsing takes anything, reports everything at once, and redaction leaves nothing behind."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given, settings
from hypothesis import strategies as st
from switchboard.booking.v1 import booking_pb2
from switchboard.dispatch.v1 import action_pb2, dispatch_service_pb2
from switchboard.tools.housecall_pro.v1 import housecall_pro_service_pb2

from service_kit.contract import redact, render, schema, validation
from service_kit.contract.fields import Kind, plan_for
from service_kit.contract.parse import struct_to_document
from service_kit.contract.tools import services, tools

LEAVES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=30)
NAMES = st.sampled_from(
    [
        "threadId",
        "serviceId",
        "customer",
        "firstName",
        "phone",
        "address",
        "zip",
        "state",
        "preferred",
        "date1",
        "timeWindow",
        "notes",
        "x",
    ]
)
DOCUMENTS = st.dictionaries(
    NAMES,
    st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=8),
)
COMPLETE = {
    "threadId": "t",
    "serviceId": "drain-cleaning",
    "customer": {"firstName": "Ada", "lastName": "Quill", "phone": "608-555-0123", "email": "ada@quill.example"},
    "address": {"line1": "12 Orchard Street", "line2": "4", "city": "Madison", "state": "Wisconsin", "zip": "53703"},
    "preferred": {"date1": "2030-01-07", "timeWindow": "AM"},
    "notes": "Ring twice",
    "marketing": {"source": "google"},
}


@given(DOCUMENTS)
@settings(max_examples=300)
def test_any_document_is_read_or_refused_and_every_problem_names_a_path_and_a_rule(document: dict[str, Any]) -> None:
    message = action_pb2.BookingPayload()
    problems = validation.read_document(document, message)
    assert all(problem.path and problem.rule and problem.message for problem in problems)
    assert len({problem.path for problem in problems}) == len(problems)
    redacted, paths = redact.redact(message)
    assert all(path.split("[")[0].split(".")[0] in redacted for path in paths)
    json.dumps(redacted)


def test_a_complete_document_survives_reading_and_rendering_in_its_normal_form() -> None:
    message = action_pb2.BookingPayload()
    assert validation.read_document(COMPLETE, message) == []
    normal = render.arguments(message)
    again = action_pb2.BookingPayload()
    assert validation.read_document(normal, again) == []
    assert again == message
    assert normal["address"]["state"] == "WI"
    assert normal["customer"]["phone"] == "+16085550123"


def test_every_personal_value_of_a_payload_is_replaced_by_its_class() -> None:
    message = action_pb2.BookingPayload()
    validation.read_document(COMPLETE, message)
    redacted, paths = redact.redact(message)
    assert redacted["customer"] == {"firstName": "[NAME]", "lastName": "[NAME]", "phone": "[PHONE]", "email": "[EMAIL]"}
    assert redacted["notes"] == "[FREE_TEXT]"
    assert "address.zip" in paths
    assert redacted["serviceId"] == "drain-cleaning"


def test_a_value_that_broke_its_rule_is_redacted_whatever_its_field_is() -> None:
    message = action_pb2.BookingPayload(service_id="Ada Quill, 12 Orchard Street")
    redacted, _ = redact.redact(message, also=frozenset({"serviceId"}))
    assert redacted == {"serviceId": "[REDACTED]"}


@given(st.dictionaries(st.text(max_size=10), LEAVES | st.lists(LEAVES) | st.dictionaries(st.text(max_size=5), LEAVES)))
def test_an_undescribed_document_is_redacted_to_its_shape(document: dict[str, Any]) -> None:
    shown = json.dumps(redact.redact_unknown(document))
    assert set(json.loads(shown).values()) <= {"[REDACTED]"}


@given(
    st.dictionaries(
        st.text(max_size=5), st.recursive(st.none() | st.booleans() | st.text(max_size=5), st.lists, max_leaves=5), max_size=4
    )
)
def test_a_struct_becomes_the_document_that_it_was_made_of(document: dict[str, Any]) -> None:
    struct = Struct()
    struct.update(document)
    assert struct_to_document(struct) == document


@pytest.mark.parametrize("tool", tools().values(), ids=lambda tool: tool.name)
def test_the_schemas_of_a_tool_are_valid_and_take_its_own_rendering(tool: Any) -> None:
    for made in (schema.input_schema(tool.input.DESCRIPTOR), schema.output_schema(tool.output.DESCRIPTOR)):
        jsonschema.Draft202012Validator.check_schema(made)
        assert "oneOf" not in made
        assert "anyOf" not in made
    jsonschema.validate(render.result(tool.output()), schema.output_schema(tool.output.DESCRIPTOR))


def test_the_input_schema_of_a_booking_takes_a_booking_and_refuses_what_the_contract_refuses() -> None:
    made = schema.input_schema(housecall_pro_service_pb2.CreateBookingRequest.DESCRIPTOR, without_filled=True)
    good = {"serviceHcpId": "drain-cleaning", "customer": COMPLETE["customer"], "address": COMPLETE["address"]}
    jsonschema.validate(good, made)
    for bad in (
        {**good, "x": 1},
        {"serviceHcpId": "a"},
        {**good, "notes": "x" * 2001},
        {**good, "preferred": {"timeWindow": "NOON"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, made)
    assert "service" not in made["properties"]


def test_absent_nullable_fields_are_printed_as_null_and_enums_by_name() -> None:
    response = housecall_pro_service_pb2.CreateBookingResponse(status=housecall_pro_service_pb2.BOOKING_STATUS_NEEDS_SCHEDULING)
    shown = render.result(response)
    assert shown["startTime"] is None
    assert shown["status"] == "BOOKING_STATUS_NEEDS_SCHEDULING"
    assert shown["preferredUnavailable"] is False


def test_a_choice_that_is_no_text_at_all_is_refused_like_any_other() -> None:
    problems = validation.read_document(COMPLETE | {"preferred": {"timeWindow": "\ud800"}}, action_pb2.BookingPayload())
    assert [(problem.path, problem.rule) for problem in problems] == [("preferred.timeWindow", "type")]


def test_an_open_document_in_a_message_is_neither_looked_into_nor_changed() -> None:
    request = dispatch_service_pb2.DispatchCardActionRequest(action="HOUSECALL_PRO_BOOKING", idempotency_key="not a key")
    request.payload.update(COMPLETE)
    request.context.thread_id = "x" * 200
    kept = Struct()
    kept.CopyFrom(request.payload)
    assert {problem.path for problem in validation.check(request)} == {"idempotencyKey", "context.threadId"}
    assert request.payload == kept


def test_no_field_of_a_tool_is_a_64_bit_integer() -> None:
    for tool in tools().values():
        for descriptor in (tool.input.DESCRIPTOR, tool.output.DESCRIPTOR):
            assert not [
                field.name for field in descriptor.fields if field.cpp_type in {field.CPPTYPE_INT64, field.CPPTYPE_UINT64}
            ]


def test_every_field_that_names_a_person_or_a_place_has_a_class() -> None:
    for message in (booking_pb2.Customer, booking_pb2.Address):
        unmarked = {field.name for field in plan_for(message.DESCRIPTOR).fields if not field.pii and field.kind is Kind.STRING}
        assert unmarked <= {"state"}


def test_every_service_of_the_contract_is_found() -> None:
    assert {service.full_name.split(".")[1] for service in services()} == {
        "adapter",
        "asset",
        "audit",
        "authorization",
        "catalog",
        "dispatch",
        "health",
        "registry",
        "tool",
        "tools",
    }
