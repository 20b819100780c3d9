"""Estimate requests, with photos, on a healthy vendor and on one that fails."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fix_sandbox import wait_until
from tests.fix_tool_server import ToolServerProcess
from tests.integration.housecall_pro.vendor_view import ESTIMATE, VendorView, booking, estimate, new_key, reference

ATTACHMENTS = "/estimates/{estimate_id}/options/{option_id}/attachments"
ANY_ATTACHMENTS = "/estimates/*/options/*/attachments"

Upload = Callable[[str, bytes], str]


def test_an_estimate_request_makes_customer_address_and_estimate_with_photos(
    server: ToolServerProcess, vendor: VendorView, upload: Upload
) -> None:
    key = new_key()
    photos = [upload("image/jpeg", b"sink"), upload("image/png", b"drain")]
    customer = booking()["customer"] | {"phone": "+13125550142;ext=7"}
    value = server.call(ESTIMATE, estimate(photosAssetIds=photos, customer=customer), key=key).value
    (made,) = vendor.estimates()
    assert value == {"estimateId": made["id"], "photosAttached": 2}
    assert made["note"] == f"The kitchen sink drains slowly.\nPhone extension: 7\nReference: {reference(key)}"
    assert made["customer"]["id"] == vendor.customers()[0]["id"]
    (option,) = made["options"]
    assert option["name"] == "Drain cleaning"
    assert {(file["file_name"], file["file_type"], file["sha256"]) for file in option["attachments"]} == {
        (f"{photos[0]}.jpg", "image/jpeg", hashlib.sha256(b"sink").hexdigest()),
        (f"{photos[1]}.png", "image/png", hashlib.sha256(b"drain").hexdigest()),
    }


def test_a_repeated_request_returns_the_same_estimate(server: ToolServerProcess, vendor: VendorView, upload: Upload) -> None:
    key, photo = new_key(), upload("image/jpeg", b"sink")
    first = server.call(ESTIMATE, estimate(photosAssetIds=[photo]), key=key).value
    assert server.call(ESTIMATE, estimate(photosAssetIds=[photo]), key=key).value == first
    assert (len(vendor.estimates()), vendor.calls("POST", ATTACHMENTS)) == (1, 1)


def test_a_photo_that_is_not_there_or_not_taken_does_not_fail_the_request(
    server: ToolServerProcess, vendor: VendorView, upload: Upload
) -> None:
    photos = [upload("image/jpeg", b"sink"), f"ast_{0:032x}", upload("image/jpeg", b"")]
    assert server.call(ESTIMATE, estimate(photosAssetIds=photos), key=new_key()).value["photosAttached"] == 1


def test_photos_that_the_vendor_does_not_take_do_not_fail_the_request(
    server: ToolServerProcess, vendor: VendorView, upload: Upload
) -> None:
    vendor.fail("POST", ANY_ATTACHMENTS, "status", status=422)
    photo = upload("image/jpeg", b"sink")
    assert server.call(ESTIMATE, estimate(photosAssetIds=[photo]), key=new_key()).value["photosAttached"] == 0


def test_a_photo_whose_reply_is_lost_is_counted_and_not_sent_twice(
    server: ToolServerProcess, vendor: VendorView, upload: Upload
) -> None:
    vendor.fail("POST", ANY_ATTACHMENTS, "drop_after", times=1)
    photos = [upload("image/jpeg", b"sink"), upload("image/jpeg", b"drain")]
    assert server.call(ESTIMATE, estimate(photosAssetIds=photos), key=new_key()).value["photosAttached"] == 2
    assert len(vendor.estimates()[0]["options"][0]["attachments"]) == 2


@pytest.mark.parametrize("status", [403, 404])
def test_where_the_vendor_offers_no_estimates_a_lead_is_made(
    server: ToolServerProcess, vendor: VendorView, upload: Upload, status: int
) -> None:
    key = new_key()
    vendor.fail("POST", "/estimates", "status", status=status)
    arguments = estimate(photosAssetIds=[upload("image/jpeg", b"sink")])
    value = server.call(ESTIMATE, arguments, key=key).value
    (lead,) = vendor.leads()
    assert value == {"estimateId": lead["id"], "photosAttached": 0}
    assert reference(key) in lead["note"]
    assert server.call(ESTIMATE, arguments, key=key).value == value


@pytest.mark.parametrize("mode", ["drop_after", "garbage"])
@pytest.mark.parametrize("path", ["/estimates", "/leads"])
def test_an_estimate_or_lead_whose_reply_is_lost_is_found_and_not_made_twice(
    server: ToolServerProcess, vendor: VendorView, mode: str, path: str
) -> None:
    if path == "/leads":
        vendor.fail("POST", "/estimates", "status", status=404)
    vendor.fail("POST", path, mode, times=1)
    value = server.call(ESTIMATE, estimate(), key=new_key()).value
    made = vendor.leads() if path == "/leads" else vendor.estimates()
    assert [record["id"] for record in made] == [value["estimateId"]]


def test_an_estimate_that_cannot_even_be_looked_up_is_unknown_until_the_same_key_finds_it(
    server: ToolServerProcess, vendor: VendorView, upload: Upload
) -> None:
    key = new_key()
    arguments = estimate(photosAssetIds=[upload("image/jpeg", b"sink")])
    vendor.fail("POST", "/estimates", "drop_after", times=1)
    vendor.fail("GET", "/estimates", "status", status=503)
    error = server.call(ESTIMATE, arguments, key=key).error
    assert (error["code"], error["retryable"], error["effect"]) == ("OUTCOME_UNKNOWN", True, "possible")
    vendor.heal()
    value = server.call(ESTIMATE, arguments, key=key).value
    assert value == {"estimateId": vendor.estimates()[0]["id"], "photosAttached": 1}
    assert vendor.calls("POST", "/estimates") == 1


def test_a_refused_estimate_is_no_effect(server: ToolServerProcess, vendor: VendorView) -> None:
    vendor.fail("POST", "/estimates", "status", status=422)
    error = server.call(ESTIMATE, estimate(), key=new_key()).error
    assert (error["code"], error["retryable"], error["effect"]) == ("INTEGRATION_DOWN", False, "none")


def test_a_server_killed_between_two_photos_attaches_each_of_them_once(
    server: ToolServerProcess, vendor: VendorView, upload: Upload
) -> None:
    key = new_key()
    arguments = estimate(photosAssetIds=[upload("image/jpeg", f"photo {number}".encode()) for number in range(5)])
    # Three are sent at once: the first goes through, the others are under way when the server dies.
    vendor.fail("POST", ANY_ATTACHMENTS, "delay", delay_seconds=0, times=1)
    vendor.fail("POST", ANY_ATTACHMENTS, "delay", delay_seconds=1, times=3)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.call, ESTIMATE, arguments, key=key)
        wait_until(lambda: not vendor.faults(), 10, "no photo was sent")
        server.kill()
        assert first.exception() is not None
    wait_until(lambda: vendor.calls("POST", ATTACHMENTS) == 4, 10, "the vendor has not taken the photos")
    server.start()
    assert server.call(ESTIMATE, arguments, key=key).value["photosAttached"] == 5
    (made,) = vendor.estimates()
    assert len(made["options"][0]["attachments"]) == 5


def test_outside_the_service_area_no_estimate_is_asked_for(server: ToolServerProcess, vendor: VendorView) -> None:
    vendor.change_company(zip_codes=["60614"])
    error = server.call(ESTIMATE, estimate(), key=new_key()).error
    assert (error["code"], error["field"], error["effect"]) == ("INVALID_ARGUMENT", "address.zip", "none")
    assert vendor.customers() == []
