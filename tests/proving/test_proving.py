"""The proving server does what tests of everything else take for granted."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import grpc
import httpx
import pytest
from switchboard.adapter.v1 import adapter_service_pb2, adapter_service_pb2_grpc

from service_kit.contract.image import comment_of
from service_kit.contract.tools import tools_of
from tests.fix_dispatch import DispatchProcess
from tests.fix_proving import ProvingServer
from tests.fix_sandbox import wait_until
from tests.fix_tool_server import modern
from tests.integration.adapter.calls import call
from tests.integration.adapter.processes import AdapterProcess

NOTE, REMOVE, SEND, BULK = "proving.note", "proving.remove", "proving.send", "proving.bulk"


def note(thing: str = "thing-1") -> dict[str, str]:
    return {"thingId": thing, "text": "Hello"}


def test_the_contract_has_a_tool_of_every_kind(proving_messages: ModuleType) -> None:
    specs = {spec.method: spec for spec in tools_of("proving")}
    assert list(specs) == ["Look", "Note", "Cancel", "Remove", "Wipe", "Send", "Bulk"]
    assert [name for name, spec in specs.items() if spec.reads_only] == ["Look"]
    assert [name for name, spec in specs.items() if spec.destructive] == ["Remove", "Wipe"]
    assert [name for name, spec in specs.items() if not spec.idempotent] == ["Send"]
    assert proving_messages.NoteRequest is specs["Note"].input
    assert comment_of(specs["Note"].rpc).startswith("Note writes a note")


def test_it_is_listed_with_its_previews(proving: ProvingServer) -> None:
    body, headers = modern("tools/list", {})
    listed = {tool["name"]: tool for tool in proving.post(body, headers=headers).json()["result"]["tools"]}
    assert len(listed) == 7
    assert listed[REMOVE]["_meta"] == {"switchboard.dev/previews": True}
    assert "_meta" not in listed["proving.look"]


def test_one_key_has_one_effect_and_a_tool_that_is_not_idempotent_has_one_per_call(proving: ProvingServer) -> None:
    first, again = (proving.call(NOTE, note(), key="k").value for _ in range(2))
    assert first == again
    assert [(effect.tool, effect.key, effect.thing_id) for effect in proving.effects()] == [("note", "k", "thing-1")]
    assert proving.call(NOTE, note("thing-2"), key="k").error["code"] == "CONFLICT"
    for _ in range(2):
        assert proving.call(SEND, {"to": "a@example.com", "text": "Hi"}, key="k").value["effectId"]
    assert len(proving.effects(tool="send", key="k")) == 2


def test_a_removed_thing_is_gone_but_its_key_still_answers(proving: ProvingServer) -> None:
    first = proving.call(REMOVE, {"thingId": "thing-1"}, key="k").value
    assert proving.call(REMOVE, {"thingId": "thing-1"}, key="k").value == first
    assert proving.call(REMOVE, {"thingId": "thing-1"}, key="other").error["code"] == "NOT_FOUND"
    assert proving.call("proving.look", {"thingId": "thing-1"}).error["code"] == "NOT_FOUND"


def test_each_item_of_many_has_its_effect(proving: ProvingServer) -> None:
    items = [{"thingId": f"t-{number}", "buildingId": "b-1"} for number in range(3)]
    value = proving.call(BULK, {"items": items, "text": "Hi"}, key="k").value
    assert value["effectIds"] == [effect.id for effect in proving.effects()]


@pytest.mark.parametrize(
    ("kind", "code", "effects"),
    [("fail", "INTEGRATION_DOWN", 0), ("break", "INTERNAL", 0), ("unknown", "OUTCOME_UNKNOWN", 1)],
)
def test_it_fails_as_it_is_told_and_only_so_often(proving: ProvingServer, kind: str, code: str, effects: int) -> None:
    proving.switch("note", kind)
    assert proving.call(NOTE, note(), key="k").error["code"] == code
    assert len(proving.effects()) == effects
    assert proving.call(NOTE, note(), key="k").value["effectId"]
    assert len(proving.effects()) == 1


@pytest.mark.parametrize(("kind", "effects"), [("drop", 0), ("drop_after", 1), ("die", 0), ("die_after", 1)])
def test_it_hangs_up_or_dies_before_or_after_its_effect(proving: ProvingServer, kind: str, effects: int) -> None:
    proving.switch("note", kind)
    with pytest.raises(httpx.RemoteProtocolError):
        proving.call(NOTE, note(), key="k")
    assert len(proving.effects()) == effects
    proving.start_again()
    assert proving.call(NOTE, note(), key="k").value["effectId"]
    assert len(proving.effects()) == 1


def test_a_call_that_is_held_goes_on_when_it_may(proving: ProvingServer) -> None:
    proving.switch("note", "hold_after")
    with ThreadPoolExecutor() as threads:
        held = threads.submit(proving.call, NOTE, note(), key="k")
        wait_until(lambda: len(proving.effects()) == 1, 10, "the held call has no effect")
        assert not held.done()
        proving.switches_off()
        assert held.result().value["effectId"]


def test_a_preview_tells_the_facts_and_changes_nothing(proving: ProvingServer) -> None:
    proving.put("thing-9", state="paid", amount_cents=450_000, related_records=15, building="b-9", owner="o-9", resident="r-9")
    dry = {"switchboard.dev/dry-run": True}
    result = proving.call(REMOVE, {"thingId": "thing-9"}, meta=dry).result
    assert result["_meta"]["switchboard.dev/dry-run"] is True
    assert result["structuredContent"] == {
        "summary": "Removes thing-9 with 15 records worth $4,500.00.",
        "changes": [{"kind": "CHANGE_KIND_DELETE", "what": "thing"}],
        "facts": {
            "items": 1,
            "relatedRecords": 15,
            "amountCents": 450_000,
            "currency": "USD",
            "state": "paid",
            "owner": "o-9",
            "building": "b-9",
            "resident": "r-9",
        },
    }
    assert proving.effects() == []
    assert [call.dry_run for call in proving.calls()] == [True]
    assert proving.call(REMOVE, {"thingId": "gone"}, meta=dry).error["code"] == "NOT_FOUND"


async def test_an_adapter_calls_it(proving: ProvingServer, proving_adapter: AdapterProcess) -> None:
    async with grpc.aio.insecure_channel(proving_adapter.target) as channel:
        stub = adapter_service_pb2_grpc.AdapterServiceStub(channel)
        request = call("proving", NOTE, json.dumps(note()).encode(), idempotency_key="k")
        reply = await stub.InvokeTool(request, timeout=20)
    assert reply.outcome == adapter_service_pb2.TOOL_OUTCOME_SUCCEEDED
    (effect,) = proving.effects()
    assert (json.loads(reply.result_json)["effectId"], "demo") == (effect.id, effect.tenant)


async def test_a_dispatch_process_stands_in_front_of_it(proving_dispatch: DispatchProcess) -> None:
    answer = await proving_dispatch.click("INTERNAL_BOOKING_FLOW", {})
    assert answer["correlationId"]
