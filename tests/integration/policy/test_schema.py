"""The schema that policies are checked against, from the contract."""

from __future__ import annotations

import cedarpy
from google.protobuf import descriptor_pb2

from dispatch_service.policy.contract import PolicyAction, contract_vocabulary, vocabulary_of
from dispatch_service.policy.schema import FILE, render
from service_kit.contract.image import image_path
from stack.settings import REPOSITORY
from tests.integration.policy.matrix import shipped


def test_the_committed_schema_is_what_the_contract_says() -> None:
    assert (REPOSITORY / "gen" / FILE).read_text(encoding="utf-8") == render(shipped())
    cedarpy.Schema.from_str(render(shipped()))


def test_the_code_in_use_and_its_image_declare_the_same() -> None:
    declared = {action.id: action for action in contract_vocabulary().actions}
    assert {action.id: declared[action.id] for action in shipped().actions} == {action.id: action for action in shipped().actions}
    assert contract_vocabulary().facts == shipped().facts


def test_every_tool_and_card_action_is_an_action_in_its_groups() -> None:
    found = {action.id: action.groups for action in shipped().actions}
    booking = ("level/unrestricted", "effect/write", "server/housecall_pro")
    assert found["card/HOUSECALL_PRO_BOOKING"] == ("card", *booking)
    assert found["tool/housecall_pro/housecall_pro.create_booking"] == ("tool", *booking)
    assert found["card/INTERNAL_BOOKING_FLOW"] == ("card",)
    assert "card/ACTION_UNSPECIFIED" not in found


def test_a_tool_that_does_not_say_what_it_does_is_taken_for_the_worst() -> None:
    image = descriptor_pb2.FileDescriptorSet.FromString(image_path().read_bytes())
    from switchboard.options.v1 import options_pb2

    for file in image.file:
        for method in (method for service in file.service for method in service.method):
            if method.options.HasExtension(options_pb2.tool):
                tool = method.options.Extensions[options_pb2.tool]
                tool.ClearField("effect")
                tool.ClearField("permission")
                tool.sensitive = True
    tools: list[PolicyAction] = [action for action in vocabulary_of(image).actions if action.door == "tool"]
    assert {action.groups for action in tools} == {
        ("tool", "level/requires_authorization", "effect/destructive", "server/housecall_pro", "sensitive")
    }
    assert all(action.sensitive for action in tools)
