"""A visitor books: from the card's button to the vendor's calendar and back, on the whole stack."""

from __future__ import annotations

import pytest

from tests.e2e.clicks import AVAILABILITY, BOOKING, ESTIMATE, FLOW, Operator, Vendor, Visitor, open_day
from tests.fix_stack import RunningStack


@pytest.mark.requirement("S0.1", "S0.4", "S0.5", "S0.9", "S0.12", "S0.25", "S0.57", "S0.62", "S0.63", "S0.83", "S0.85")
def test_book_now_ends_in_exactly_that_job_and_a_confirmation_card(stack: RunningStack) -> None:
    visitor = Visitor(stack)
    payload = visitor.booking(
        preferred={"date1": open_day(), "timeWindow": "AM"}, marketing={"source": "google", "campaign": "spring"}
    )
    answer = visitor.click(BOOKING, payload)
    assert answer["ok"] is True
    card = answer["result"]["card"]
    assert card["type"] == "booking_confirmation"
    assert card["bookingConfirmation"]["scheduled"] is True
    [job] = Vendor(stack).jobs_of(payload["customer"]["lastName"])
    assert job["schedule"]["scheduled_start"] == card["bookingConfirmation"]["startTime"]
    assert "Mind the hedgehog" in str(job["notes"])
    assert answer["result"]["externalId"].startswith("bkg_")


@pytest.mark.requirement("S0.44", "S0.23")
def test_no_identifier_of_the_vendor_reaches_the_browser(stack: RunningStack) -> None:
    visitor = Visitor(stack)
    payload = visitor.booking()
    replies = [
        visitor.send(BOOKING, payload).text,
        visitor.send(AVAILABILITY, {"serviceId": "drain-cleaning", "zip": "53703"}).text,
        visitor.http.get("/api/services").text,
        visitor.http.get("/api/site").text,
    ]
    [job] = Vendor(stack).jobs_of(payload["customer"]["lastName"])
    for reply in replies:
        for secret in (job["id"], job["customer"]["id"], "svc_", "jbt_", "cus_", "adr_", "job_", "pro_"):
            assert secret not in reply


@pytest.mark.requirement("S0.27", "S0.56")
def test_a_slot_from_an_availability_card_books_exactly_that_appointment(stack: RunningStack) -> None:
    visitor = Visitor(stack)
    offer = visitor.click(AVAILABILITY, {"serviceId": "drain-cleaning", "zip": "53703", "preferredDates": [open_day(12)]})
    slots = offer["result"]["card"]["availabilitySlots"]["slots"]
    assert slots == sorted(slots, key=lambda slot: slot["startTime"])
    chosen = slots[-1]
    payload = visitor.booking(slotId=chosen["slotId"])
    del payload["preferred"]
    answer = visitor.click(BOOKING, payload)
    assert answer["result"]["card"]["bookingConfirmation"]["startTime"] == chosen["startTime"]
    [job] = Vendor(stack).jobs_of(payload["customer"]["lastName"])
    assert job["schedule"]["scheduled_start"] == chosen["startTime"]


def test_a_slot_of_one_service_does_not_book_another(stack: RunningStack) -> None:
    visitor = Visitor(stack)
    offer = visitor.click(AVAILABILITY, {"serviceId": "drain-cleaning", "zip": "53703", "preferredDates": [open_day(12)]})
    slot = offer["result"]["card"]["availabilitySlots"]["slots"][0]
    answer = visitor.click(BOOKING, visitor.booking(serviceId="ac-tune-up", slotId=slot["slotId"]))
    assert answer["error"]["code"] == "INVALID_ARGUMENT"
    assert answer["error"]["fieldViolations"][0]["field"] == "slotId"


def test_a_slot_that_was_taken_meanwhile_is_a_conflict_and_books_nothing(stack: RunningStack) -> None:
    visitor, vendor = Visitor(stack), Vendor(stack)
    vendor.http.patch("/_sandbox/company", json={"capacity": 1}).raise_for_status()
    try:
        look = {"serviceId": "drain-cleaning", "zip": "53703", "preferredDates": [open_day(20)]}
        slot = visitor.click(AVAILABILITY, look)["result"]["card"]["availabilitySlots"]["slots"][0]
        first, second = visitor.booking(slotId=slot["slotId"]), visitor.booking(slotId=slot["slotId"])
        assert visitor.click(BOOKING, first)["ok"] is True
        answer = visitor.click(BOOKING, second)
        assert answer["error"]["code"] == "CONFLICT"
        assert answer["error"]["fieldViolations"][0]["field"] == "slotId"
        assert vendor.jobs_of(second["customer"]["lastName"]) == []
    finally:
        vendor.http.patch("/_sandbox/company", json={"capacity": 3}).raise_for_status()


@pytest.mark.requirement("S0.65", "S0.67", "S0.68", "S0.22")
def test_what_is_missing_comes_back_as_a_form_and_the_completed_payload_books(stack: RunningStack) -> None:
    visitor = Visitor(stack)
    payload = visitor.booking()
    phone = payload["customer"].pop("phone")
    answer = visitor.click(BOOKING, payload)
    assert answer["error"]["code"] == "MISSING_FIELDS"
    assert answer["error"]["missingFields"] == ["customer.phone"]
    body = answer["result"]["card"]["missingFields"]
    [field] = body["fields"]
    expected = {"path": "customer.phone", "label": "Phone number", "inputType": "tel", "required": True, "maxLength": 40}
    assert field == expected | {"options": []}
    assert body["prefill"]["customer"]["lastName"] == payload["customer"]["lastName"]
    completed = body["prefill"] | {"customer": body["prefill"]["customer"] | {"phone": phone}}
    assert visitor.click(BOOKING, completed)["ok"] is True


@pytest.mark.requirement("S0.26", "S0.38", "S0.39", "S0.40", "S0.41", "S0.59")
def test_an_estimate_request_carries_the_pictures_that_were_uploaded_in_its_conversation(stack: RunningStack) -> None:
    visitor, vendor = Visitor(stack), Vendor(stack)
    picture = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
    upload = visitor.http.post(
        "/api/assets", params={"thread_id": visitor.thread}, content=picture, headers={"content-type": "image/png"}
    )
    assert upload.status_code == 200, upload.text
    asset = upload.json()["assetId"]
    assert upload.json()["contentType"] == "image/png"
    payload = visitor.booking(serviceId="water-heater-repair", problemSummary="It drips", photos=[{"assetId": asset}])
    for name in ("preferred", "notes"):
        del payload[name]
    answer = visitor.click(ESTIMATE, payload)
    assert answer["ok"] is True, answer
    assert answer["result"]["card"]["estimateConfirmation"]["photosAttached"] == 1
    assert answer["result"]["externalId"].startswith("est_")
    [customer] = vendor.all("customers", q=payload["customer"]["lastName"])
    assert len([estimate for estimate in vendor.all("estimates") if estimate["customer"]["id"] == customer["id"]]) == 1
    stranger = Visitor(stack)
    refused = stranger.click(ESTIMATE, payload)
    assert refused["error"]["fieldViolations"][0] == {
        "field": "photos[0].assetId",
        "rule": "asset.unknown",
        "message": "No such picture was uploaded here.",
    }


@pytest.mark.parametrize(
    ("content", "claimed", "status"),
    [
        (b"<html><script>alert(1)</script>", "image/png", 400),
        (b"", "image/png", 400),
        (b"GIF89a" + b"\0" * 20, "image/gif", 400),
        (b"\xff\xd8\xff" + b"\0" * (5 * 1024 * 1024), "image/jpeg", 400),
        (b"\xff\xd8\xff" + b"\0" * (7 * 1024 * 1024), "image/jpeg", 413),
    ],
    ids=["markup that says it is a picture", "nothing", "another kind", "just too large", "far too large"],
)
@pytest.mark.requirement("S0.41")
def test_what_is_no_picture_of_ours_is_not_stored(stack: RunningStack, content: bytes, claimed: str, status: int) -> None:
    visitor = Visitor(stack)
    upload = visitor.http.post(
        "/api/assets", params={"thread_id": visitor.thread}, content=content, headers={"content-type": claimed}
    )
    assert upload.status_code == status, upload.text
    assert upload.json()["error"]["code"] == "INVALID_ARGUMENT"


def test_an_upload_needs_a_conversation(stack: RunningStack) -> None:
    upload = Visitor(stack).http.post("/api/assets", content=b"\xff\xd8\xff\0\0", headers={"content-type": "image/jpeg"})
    assert upload.status_code == 400
    assert upload.json()["error"]["code"] == "MISSING_FIELDS"


@pytest.mark.requirement("S0.28", "S0.84")
def test_a_guided_booking_asks_step_by_step_and_its_last_step_books_once(stack: RunningStack) -> None:
    visitor = Visitor(stack)
    details = visitor.booking()
    first = visitor.click(FLOW)["result"]["card"]
    assert first["type"] == "service_recommendation"
    prefill = first["actions"][0]["dispatch"]["prefill"]
    second = visitor.click(FLOW, prefill)["result"]["card"]
    assert second["type"] == "missing_fields"
    assert {field["path"] for field in second["missingFields"]["fields"]} >= {"draft.customer.phone", "draft.address.zip"}
    third = visitor.click(FLOW, {"draft": {"customer": details["customer"], "address": details["address"]}})["result"]["card"]
    assert third["type"] == "availability_slots"
    slot = third["actions"][0]["dispatch"]["prefill"]
    fourth = visitor.click(FLOW, slot)["result"]["card"]
    assert fourth["title"] == "Is this right?"
    confirm = fourth["actions"][0]["dispatch"]["prefill"]
    booked = visitor.click(FLOW, confirm)
    assert booked["result"]["card"]["type"] == "booking_confirmation"
    again = visitor.click(FLOW, confirm)
    assert again["result"]["externalId"] == booked["result"]["externalId"]
    assert len(Vendor(stack).jobs_of(details["customer"]["lastName"])) == 1
    afresh = visitor.click(FLOW)["result"]["card"]
    assert afresh["type"] == "service_recommendation"


def test_a_guided_booking_never_shows_a_stored_draft_to_whoever_knows_the_conversation(stack: RunningStack) -> None:
    visitor = Visitor(stack)
    details = visitor.booking()
    visitor.click(FLOW, {"draft": {"serviceId": "drain-cleaning", "customer": details["customer"]}})
    for step in ("ENTER_DETAILS", "CHOOSE_SERVICE"):
        reply = visitor.send(FLOW, {"step": step}).text
        assert details["customer"]["lastName"] not in reply
        assert details["customer"]["phone"][-4:] not in reply


@pytest.mark.requirement("S0.42", "S0.43", "S0.54")
def test_the_list_of_services_is_what_can_be_booked(stack: RunningStack) -> None:
    visitor = Visitor(stack)
    services = visitor.http.get("/api/services").json()["services"]
    assert services
    for service in services:
        assert set(service) <= {"serviceId", "name", "summary", "durationMinutes", "priceFrom", "currency"}
        answer = visitor.click(AVAILABILITY, {"serviceId": service["serviceId"], "zip": "53703", "preferredDates": [open_day()]})
        assert answer["ok"] is True


@pytest.mark.requirement("S0.11", "S0.61", "S0.60", "S0.6", "S0.13", "S0.76")
def test_the_log_tells_who_asked_for_what_and_what_came_of_it(stack: RunningStack) -> None:
    visitor, operator = Visitor(stack), Operator(stack)
    answer = visitor.click(BOOKING, visitor.booking())
    entry = operator.entry_of(answer)
    assert entry["threadId"] == visitor.thread
    assert entry["action"] == BOOKING
    assert entry["status"] == "SUCCEEDED"
    assert entry["mcpTool"] == "housecall_pro.create_booking"
    assert entry["externalId"] == answer["result"]["externalId"]
    assert entry["origin"] == "USER_CLICK"
    assert entry["actor"] == "anonymous"
    assert set(entry["client"]) == {"session", "address", "userAgent"}
    refused = visitor.click(BOOKING, {"serviceId": "drain-cleaning"})
    assert operator.entry_of(refused)["status"] == "REJECTED"
    assert operator.entry_of(refused)["errorCode"] == "MISSING_FIELDS"


@pytest.mark.requirement("S0.24")
def test_a_models_token_cannot_click(stack: RunningStack) -> None:
    visitor, payload = Visitor(stack), Visitor(stack).booking()
    model = Operator(stack, role="agent")
    answer = model.http.post("/api/actions/dispatch", json=visitor.body(BOOKING, payload)).json()
    assert answer["error"]["code"] == "FORBIDDEN"
    assert Vendor(stack).all("customers", q=payload["customer"]["lastName"]) == []
    entry = Operator(stack).entry_of(answer)
    assert (entry["origin"], entry["status"], entry["actor"]) == ("MODEL", "REJECTED", "dev-agent")
    service = Operator(stack, role="service")
    assert service.http.post("/api/actions/dispatch", json=visitor.body(BOOKING, payload)).json()["ok"] is True


def test_a_token_of_another_company_acts_for_nobody_here(stack: RunningStack) -> None:
    visitor, payload = Visitor(stack), Visitor(stack).booking()
    stranger = Operator(stack, role="customer", tenant="elsewhere")
    answer = stranger.http.post("/api/actions/dispatch", json=visitor.body(BOOKING, payload)).json()
    assert answer["error"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("address", ["dispatch.example", "198.51.100.7"])
@pytest.mark.requirement("S0.11")
def test_a_client_cannot_say_who_it_is_or_what_its_correlation_id_is(stack: RunningStack, address: str) -> None:
    visitor = Visitor(stack)
    forged = {
        "x-jwt-payload": "eyJzdWIiOiJib3NzIiwidGVuYW50IjoiZGVtbyIsInJvbGUiOiJvcGVyYXRvciIsImtpbmQiOiJodW1hbiJ9",
        "x-request-id": "11111111-1111-1111-1111-111111111111",
        "x-envoy-external-address": address,
    }
    answer = visitor.http.post("/api/actions/dispatch", json=visitor.body(BOOKING, visitor.booking()), headers=forged).json()
    assert answer["correlationId"] != forged["x-request-id"]
    assert Operator(stack).entry_of(answer)["actor"] == "anonymous"
    assert visitor.http.get("/api/action-log", headers=forged).status_code == 401
