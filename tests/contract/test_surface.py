"""What the contract lets nobody do, read off the contract itself: one way to act, closed cards, no markup, no addresses."""

from __future__ import annotations

import re

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor
from switchboard.dispatch.v1 import action_pb2, card_pb2, dispatch_service_pb2

from dispatch_service.actions import payload_types
from dispatch_service.cards import build
from service_kit.contract.fields import Kind, plan_for
from service_kit.contract.tools import services, tools_by_rpc


def routes() -> list[tuple[str, str]]:
    """Every HTTP route of the contract as (method, path)."""
    found = []
    for service in services():
        for method in service.methods:
            rule = method.GetOptions().Extensions[annotations_pb2.http]
            kind = rule.WhichOneof("pattern")
            if kind:
                found.append((str(kind).upper(), getattr(rule, str(kind))))
    return found


def fields_below(descriptor: Descriptor, seen: set[str] | None = None) -> list[str]:
    """Every field name in a message and in all that it holds."""
    seen = set() if seen is None else seen
    if descriptor.full_name in seen:
        return []
    seen.add(descriptor.full_name)
    names = []
    for field in plan_for(descriptor).fields:
        names.append(field.name)
        if field.kind is Kind.MESSAGE and field.message is not None:
            names += fields_below(field.message, seen)
    return names


@pytest.mark.requirement("S0.9", "S0.17")
def test_there_is_one_route_that_acts_and_one_that_stores_pictures() -> None:
    writing = {path for method, path in routes() if method != "GET"}
    without_a_token = {"/api/actions/dispatch", "/api/assets"}
    assert without_a_token < writing
    assert not [path for path in writing - without_a_token if re.search("housecall|booking|vendor", path)]


@pytest.mark.requirement("S0.20", "S0.25", "S0.26", "S0.27", "S0.28")
def test_every_action_is_named_in_the_contract_and_has_a_payload_of_its_own() -> None:
    named = {name for name, number in action_pb2.Action.items() if number}
    assert named == set(payload_types())
    assert len({descriptor.full_name for descriptor in payload_types().values()}) == len(named)


@pytest.mark.requirement("S0.56", "S0.57", "S0.59")
def test_the_tools_have_the_names_and_arguments_of_the_document() -> None:
    by_name = {
        tool.name: [field.json_name for field in plan_for(tool.messages[0].DESCRIPTOR).fields] for tool in tools_by_rpc().values()
    }
    assert set(by_name["housecall_pro.get_availability"]) >= {"serviceHcpId", "zip", "preferredDates"}
    assert set(by_name["housecall_pro.create_booking"]) >= {
        "serviceHcpId",
        "customer",
        "address",
        "preferred",
        "notes",
        "marketing",
    }
    wanted = {"serviceHcpId", "customer", "address", "problemSummary", "photosAssetIds"}
    assert set(by_name["housecall_pro.create_estimate_request"]) >= wanted


@pytest.mark.requirement("S0.18", "S0.19")
def test_a_card_has_no_place_for_markup_or_addresses() -> None:
    names = fields_below(card_pb2.CardIntent.DESCRIPTOR)
    assert not [name for name in names if re.search(r"url|href|html|markup|src|link_to|phone_number", name)]
    kinds = {field.name for field in card_pb2.CardAction.DESCRIPTOR.oneofs_by_name["kind"].fields}
    assert kinds == {"dispatch", "open_form", "call", "link", "decide"}
    for kind in ("open_form", "call", "link"):
        button = card_pb2.CardAction.DESCRIPTOR.fields_by_name[kind].message_type
        assert [field.name for field in button.fields] == ["key"]


@pytest.mark.requirement("S0.14", "S0.63")
def test_a_result_may_carry_a_card() -> None:
    result = dispatch_service_pb2.DispatchResult.DESCRIPTOR
    assert [field.json_name for field in result.fields] == ["ok", "action", "correlationId", "result", "error"]
    assert [field.json_name for field in result.fields_by_name["result"].message_type.fields] == ["message", "externalId", "card"]


@pytest.mark.requirement("S0.18")
def test_text_on_a_card_is_plain_capped_and_free_of_control_characters() -> None:
    made = build.card(
        "A\u202eB\u0007" + "x" * 500, "line\r\nnext\u2066 " + "y" * 5000, facts=[("L" * 90, "\x1b[31mred" + "z" * 900)]
    )
    assert made.title.startswith("ABx")
    assert len(made.title) == 120
    assert len(made.text) == 600
    assert made.text.startswith("line\nnext")
    assert (len(made.facts[0].label), len(made.facts[0].value)) == (40, 200)
    assert "\x1b" not in made.facts[0].value
