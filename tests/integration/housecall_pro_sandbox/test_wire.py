"""The vendor's endpoints: what they answer and how lists are searched and paged."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest

from tests.integration.housecall_pro_sandbox.records import ADA, ADDRESS, create, customer_and_address, has_id


def test_the_company_serves_everywhere_until_told_otherwise(vendor: httpx.Client) -> None:
    company = vendor.get("/company").json()
    assert company["time_zone"] == "America/Chicago"
    assert company["service_areas_data"] == {"zip_codes": []}
    vendor.patch("/_sandbox/company", json={"zip_codes": ["60601", "60602"]}).raise_for_status()
    assert vendor.get("/company").json()["service_areas_data"] == {"zip_codes": ["60601", "60602"]}


@pytest.mark.parametrize("change", [{"time_zone": "Mars/Olympus"}, {"zip_codes": ["606"]}, {"capacity": -1}])
def test_a_company_that_could_not_work_is_refused(vendor: httpx.Client, change: dict[str, Any]) -> None:
    assert vendor.patch("/_sandbox/company", json=change).status_code == 422


def test_a_customer_is_created_with_addresses_and_read_again(vendor: httpx.Client) -> None:
    response = vendor.post("/customers", json=ADA)
    customer = response.json()
    assert response.status_code == 201
    assert has_id("cus", customer["id"])
    assert has_id("adr", customer["addresses"][0]["id"])
    assert customer["notifications_enabled"] is False
    assert customer["created_at"].endswith("Z")
    assert {name: customer[name] for name in ("first_name", "email", "mobile_number", "tags")} == {
        name: ADA[name] for name in ("first_name", "email", "mobile_number", "tags")
    }
    assert vendor.get(f"/customers/{customer['id']}").json() == customer


def test_an_address_is_added_to_its_customer_with_200(vendor: httpx.Client) -> None:
    customer = create(vendor, "/customers", ADA)
    response = vendor.post(f"/customers/{customer['id']}/addresses", json=ADDRESS | {"street": "2 Side St"})
    assert response.status_code == 200
    assert has_id("adr", response.json()["id"])
    streets = [address["street"] for address in vendor.get(f"/customers/{customer['id']}").json()["addresses"]]
    assert streets == ["1 Main St", "2 Side St"]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("ada", True),
        ("BYRON", True),
        ("ada byron", True),
        ("ada@example.com", True),
        ("3125550100", True),
        ("(312) 555-0100", False),
        ("1 main st", True),
        ("late lane", True),
        ("60601", True),
        ("charles", False),
        ("%", False),
        ("a_a", False),
    ],
)
def test_search_covers_name_email_mobile_and_addresses(vendor: httpx.Client, q: str, found: bool) -> None:
    customer = create(vendor, "/customers", ADA)
    create(vendor, f"/customers/{customer['id']}/addresses", ADDRESS | {"street": "9 Late Lane"})
    create(vendor, "/customers", {"first_name": "Grace"})
    names = [entry["first_name"] for entry in vendor.get("/customers", params={"q": q}).json()["customers"]]
    assert names == (["Ada"] if found else [])


def test_lists_come_in_pages_newest_first(vendor: httpx.Client) -> None:
    for number in range(12):
        create(vendor, "/customers", {"first_name": f"No {number}"})
    first = vendor.get("/customers").json()
    assert {name: first[name] for name in ("page", "page_size", "total_pages", "total_items")} == {
        "page": 1,
        "page_size": 10,
        "total_pages": 2,
        "total_items": 12,
    }
    assert first["customers"][0]["first_name"] == "No 11"
    second = vendor.get("/customers", params={"page": 2}).json()
    assert [entry["first_name"] for entry in second["customers"]] == ["No 1", "No 0"]
    beyond = vendor.get("/customers", params={"page": 3}).json()
    assert (beyond["customers"], beyond["total_items"]) == ([], 12)


@pytest.mark.parametrize("path", ["/customers", "/jobs", "/estimates", "/leads"])
@pytest.mark.parametrize("parameters", [{"page": "0"}, {"page": "x"}, {"page_size": "201"}, {"page_size": "-1"}])
def test_a_page_that_cannot_be_is_refused_as_text(vendor: httpx.Client, path: str, parameters: dict[str, str]) -> None:
    response = vendor.get(path, params=parameters)
    assert response.status_code == 422
    assert isinstance(response.json()["error"], str)


def test_a_job_keeps_tags_and_notes_in_full_so_that_a_client_finds_its_own(vendor: httpx.Client) -> None:
    place = customer_and_address(vendor)
    body = place | {
        "schedule": {
            "scheduled_start": "2031-03-10T09:00:00-05:00",
            "scheduled_end": "2031-03-10T15:00:00Z",
            "arrival_window": 60,
        },
        "line_items": [{"name": "Drain cleaning", "unit_price": 12_900, "quantity": 1.5}],
        "job_fields": {"job_type_id": f"jbt_{1:032x}"},
        "notes": "Gate code at the back",
        "tags": ["ref:bkg_7", "web"],
        "lead_source": "Website",
        "assigned_employee_ids": [f"pro_{2:032x}"],
    }
    response = vendor.post("/jobs", json=body)
    assert response.status_code == 201, response.text
    job = response.json()
    assert has_id("job", job["id"])
    assert job["work_status"] == "scheduled"
    assert job["schedule"]["scheduled_start"] == "2031-03-10T14:00:00Z"
    assert job["schedule"]["arrival_window"] == 60
    assert job["total_amount"] == 19_350
    assert job["job_fields"]["job_type"] == {"id": f"jbt_{1:032x}", "name": "Drain cleaning"}
    assert [employee["first_name"] for employee in job["assigned_employees"]] == ["Ben"]
    listed = vendor.get("/jobs", params={"customer_id": place["customer_id"]}).json()["jobs"]
    assert listed == [job]
    assert [note["content"] for note in listed[0]["notes"]] == ["Gate code at the back"]
    assert listed[0]["tags"] == ["ref:bkg_7", "web"]
    assert vendor.get(f"/jobs/{job['id']}").json() == job


def test_posting_the_same_job_twice_makes_two(vendor: httpx.Client) -> None:
    body = customer_and_address(vendor) | {"tags": ["ref:bkg_7"]}
    assert create(vendor, "/jobs", body)["id"] != create(vendor, "/jobs", body)["id"]
    assert vendor.get("/jobs").json()["total_items"] == 2


def test_jobs_of_one_customer_leave_out_those_of_others(vendor: httpx.Client) -> None:
    first, second = customer_and_address(vendor), customer_and_address(vendor)
    job = create(vendor, "/jobs", first)
    create(vendor, "/jobs", second)
    found = vendor.get("/jobs", params={"customer_id": first["customer_id"]}).json()
    assert [entry["id"] for entry in found["jobs"]] == [job["id"]]
    assert found["total_items"] == 1


def test_a_job_without_a_time_needs_scheduling_until_it_gets_one(vendor: httpx.Client) -> None:
    job = create(vendor, "/jobs", customer_and_address(vendor))
    assert job["work_status"] == "needs scheduling"
    assert job["schedule"]["scheduled_start"] is None
    response = vendor.post(
        f"/jobs/{job['id']}/appointments",
        json={
            "start_time": "2031-03-10T14:00:00Z",
            "end_time": "2031-03-10T15:00:00Z",
            "arrival_window_minutes": 30,
            "dispatched_employees_ids": [],
        },
    )
    assert response.status_code == 201, response.text
    after = vendor.get(f"/jobs/{job['id']}").json()
    assert after["work_status"] == "scheduled"
    assert after["schedule"]["scheduled_start"] == "2031-03-10T14:00:00Z"
    assert after["schedule"]["appointments"] == [response.json()]


def test_a_job_on_some_time_of_a_day_is_scheduled_and_takes_no_window(vendor: httpx.Client) -> None:
    body = customer_and_address(vendor) | {"schedule": {"anytime": True, "anytime_start_date": "2031-03-10"}}
    job = create(vendor, "/jobs", body)
    assert job["work_status"] == "scheduled"
    assert job["schedule"]["anytime_start_date"] == "2031-03-10"
    assert job["schedule"]["scheduled_start"] is None


def test_an_estimate_has_an_option_to_which_a_photo_is_attached(vendor: httpx.Client) -> None:
    place = customer_and_address(vendor)
    response = vendor.post("/estimates", json=place | {"note": "Leak under the sink", "tags": ["ref:est_9"]})
    assert response.status_code == 200, response.text
    estimate = response.json()
    assert has_id("csr", estimate["id"])
    (option,) = estimate["options"]
    assert has_id("est", option["id"])
    path = f"/estimates/{estimate['id']}/options/{option['id']}/attachments"
    photo = b"\xff\xd8\xff" + bytes(range(256)) * 5000
    uploaded = vendor.post(path, files={"file": ("leak.jpg", photo, "image/jpeg")})
    assert uploaded.status_code == 201, uploaded.text
    attachment = uploaded.json()
    assert {name: attachment[name] for name in ("file_name", "file_type", "size", "sha256")} == {
        "file_name": "leak.jpg",
        "file_type": "image/jpeg",
        "size": len(photo),
        "sha256": hashlib.sha256(photo).hexdigest(),
    }
    read = vendor.get(f"/estimates/{estimate['id']}").json()
    assert read["options"][0]["attachments"] == [attachment]
    assert read["note"] == "Leak under the sink"
    assert vendor.get("/estimates", params={"customer_id": place["customer_id"]}).json()["estimates"] == [read]


def test_an_estimate_can_bring_its_own_address_and_options(vendor: httpx.Client) -> None:
    place = customer_and_address(vendor)
    body = {
        "customer_id": place["customer_id"],
        "address": ADDRESS | {"street": "2 Side St"},
        "options": [{"name": "Good", "line_items": [{"name": "Pipe", "unit_price": 5000}]}, {"name": "Better"}],
        "schedule": {"start_time": "2031-03-10T14:00:00Z", "end_time": "2031-03-10T15:00:00Z"},
    }
    estimate = create(vendor, "/estimates", body)
    assert [(option["name"], option["total_amount"]) for option in estimate["options"]] == [
        ("Good", 5000),
        ("Better", 0),
    ]
    assert estimate["schedule"]["scheduled_start"] == "2031-03-10T14:00:00Z"
    assert estimate["address"]["street"] == "2 Side St"
    assert len(vendor.get(f"/customers/{place['customer_id']}").json()["addresses"]) == 2


def test_an_upload_that_is_none_is_refused_as_text(vendor: httpx.Client) -> None:
    estimate = create(vendor, "/estimates", customer_and_address(vendor))
    path = f"/estimates/{estimate['id']}/options/{estimate['options'][0]['id']}/attachments"
    refusals = [
        vendor.post(path, files={"photo": ("a.jpg", b"x", "image/jpeg")}),
        vendor.post(path, files={"file": ("a.jpg", b"", "image/jpeg")}),
        vendor.post(path, json={"file": "a.jpg"}),
        vendor.post(path, content=b"--nonsense", headers={"content-type": "multipart/form-data; boundary=x"}),
        vendor.post(path, files=[("file", ("a", b"1")), ("file", ("b", b"2"))]),
    ]
    assert [response.status_code for response in refusals] == [422, 422, 400, 400, 400]
    assert all(isinstance(response.json()["error"], str) for response in refusals)


def test_an_option_of_another_estimate_takes_no_photo(vendor: httpx.Client) -> None:
    place = customer_and_address(vendor)
    first, second = create(vendor, "/estimates", place), create(vendor, "/estimates", place)
    path = f"/estimates/{first['id']}/options/{second['options'][0]['id']}/attachments"
    response = vendor.post(path, files={"file": ("a.jpg", b"x", "image/jpeg")})
    assert (response.status_code, response.json()) == (404, {"message": "Option not found"})


def test_a_lead_brings_a_new_customer_or_names_a_known_one(vendor: httpx.Client) -> None:
    new = create(vendor, "/leads", {"customer": {"first_name": "Grace"}, "address": ADDRESS, "note": "Call me"})
    assert new["customer"]["first_name"] == "Grace"
    assert new["address"]["street"] == "1 Main St"
    known = create(vendor, "/leads", customer_and_address(vendor))
    assert known["customer"]["first_name"] == "Ada"
    assert [lead["id"] for lead in vendor.get("/leads").json()["leads"]] == [known["id"], new["id"]]
