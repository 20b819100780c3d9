"""What the vendor refuses, and in which of its shapes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fix_sandbox import SandboxAddress
from tests.integration.housecall_pro_sandbox.records import ADA, ADDRESS, create, customer_and_address
from tool_servers.housecall_pro_sandbox.errors import SHAPES, Problem, Refusal, Shape, render


@pytest.mark.parametrize("header", [None, "Token wrong", "Bearer test-key", "token test-key", "Token test-key2", "Token"])
@pytest.mark.parametrize("path", ["/company", "/_sandbox/faults", "/nowhere"])
def test_a_call_without_the_exact_token_header_is_unauthorized(sandbox: SandboxAddress, header: str | None, path: str) -> None:
    headers = {"Authorization": header} if header else {}
    response = httpx.get(sandbox.base_url + path, headers=headers)
    assert (response.status_code, response.json()) == (401, {"message": "Unauthorized"})


def test_an_unknown_path_and_a_wrong_method_are_json_too(vendor: httpx.Client) -> None:
    assert vendor.get("/nowhere").json() == {"message": "Not Found"}
    assert vendor.get("/jobs/").status_code == 404
    response = vendor.delete("/jobs")
    assert (response.status_code, response.json()) == (405, {"message": "Method Not Allowed"})


NOBODY, NOWHERE = f"cus_{0:032x}", f"adr_{0:032x}"
WHEN = {"start_time": "2031-03-10T14:00:00Z", "end_time": "2031-03-10T15:00:00Z"}
REFUSED: list[tuple[str, dict[str, Any], int, dict[str, Any]]] = [
    (
        "/customers",
        {"mobile_number": "+13125550100", "email": "ada"},
        422,
        {"errors": {"email": ["…"], "mobile_number": ["…"]}},
    ),
    ("/customers", {"company": "Acme"}, 422, {"errors": {"base": ["…"]}}),
    (
        "/customers",
        {"first_name": "A", "addresses": [{}]},
        422,
        {"errors": {f"addresses.0.{name}": ["can't be blank"] for name in ("street", "city", "state", "zip", "country")}},
    ),
    ("/customers/{customer}/addresses", ADDRESS | {"zip": "606"}, 422, {"message": "…", "attr": "zip"}),
    ("/customers/{customer}/addresses", ADDRESS | {"city": " "}, 422, {"message": "can't be blank", "attr": "city"}),
    (f"/customers/{NOBODY}/addresses", ADDRESS, 404, {"message": "Customer not found"}),
    ("/jobs", {}, 422, {"errors": {"customer_id": ["can't be blank"], "address_id": ["can't be blank"]}}),
    ("/jobs", {"customer_id": NOBODY, "address_id": NOWHERE}, 404, {"error": {"message": "Customer not found"}}),
    ("/jobs", {"customer_id": "{customer}", "address_id": NOWHERE}, 404, {"error": {"message": "Address not found"}}),
    (
        "/jobs",
        {"customer_id": "a", "address_id": "b", "schedule": {"scheduled_start": "2031-03-10T14:00:00"}},
        422,
        {"errors": {"schedule.scheduled_start": ["…"]}},
    ),
    (
        "/jobs",
        {"customer_id": "a", "address_id": "b", "schedule": {"scheduled_start": "2031-03-10T14:00:00Z"}},
        422,
        {"errors": {"schedule": ["…"]}},
    ),
    (
        "/jobs",
        {"customer_id": "a", "address_id": "b", "line_items": [{"name": "x", "unit_price": 1.5}]},
        422,
        {"errors": {"line_items.0.unit_price": ["…"]}},
    ),
    (
        "/jobs",
        {"customer_id": "a", "address_id": "b", "job_fields": {"job_type_id": "jbt_x"}},
        422,
        {"errors": {"job_fields.job_type_id": ["…"]}},
    ),
    (f"/jobs/job_{0:032x}/appointments", WHEN | {"dispatched_employees_ids": []}, 404, {"error": "Job not found"}),
    (f"/jobs/job_{0:032x}/appointments", WHEN, 422, {"message": "can't be blank", "attr": "dispatched_employees_ids"}),
    ("/estimates", {"customer_id": "{customer}"}, 422, {"error": {"message": "…"}}),
    ("/estimates", {"customer_id": NOBODY, "address_id": NOWHERE}, 404, {"error": {"message": "Customer not found"}}),
    ("/leads", {"note": "hello"}, 422, {"errors": {"base": ["…"]}}),
    ("/leads", {"customer_id": NOBODY}, 404, {"message": "Customer not found", "attr": "customer_id"}),
]


@pytest.mark.parametrize(("path", "body", "status", "expected"), REFUSED)
def test_each_endpoint_refuses_in_its_own_shape(
    vendor: httpx.Client, path: str, body: dict[str, Any], status: int, expected: dict[str, Any]
) -> None:
    customer = create(vendor, "/customers", ADA)
    filled = {name: customer["id"] if value == "{customer}" else value for name, value in body.items()}
    response = vendor.post(path.replace("{customer}", customer["id"]), json=filled)
    assert response.status_code == status, response.text
    assert matches(expected, response.json()), response.text
    assert vendor.get("/jobs").json()["total_items"] == 0


def matches(expected: object, found: object) -> bool:
    """Compare JSON; "…" stands for any text."""
    if expected == "…":
        return isinstance(found, str) and found != ""
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(matches(expected[name], found[name]) for name in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(matches, expected, found))
    return expected == found


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"text"', b"\xff", b'{"first_name": "\\ud800"}'])
def test_what_is_no_json_object_is_a_bad_request(vendor: httpx.Client, raw: bytes) -> None:
    response = vendor.post("/customers", content=raw)
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["base"]


def test_text_with_a_nul_character_is_refused_and_not_a_crash(vendor: httpx.Client) -> None:
    place = customer_and_address(vendor)
    for body in ({"notes": "a\0b"}, {"tags": ["\0"]}, {"lead_source": "\0"}, {"customer_id": "\0"}):
        assert vendor.post("/jobs", json=place | body).status_code == 422
    assert vendor.get("/customers", params={"q": "\0"}).status_code == 422
    assert vendor.get("/jobs/%00").status_code == 404


def test_a_body_without_end_is_too_large(vendor: httpx.Client) -> None:
    response = vendor.post("/jobs", content=b'{"notes": "' + b"x" * 2_000_000 + b'"}')
    assert response.status_code == 413


def test_every_shape_is_served_somewhere_and_rendered_as_documented() -> None:
    served = {shape for shapes in SHAPES.values() for shape in (shapes.invalid, shapes.missing)}
    assert served == set(Shape)
    refusal = Refusal(422, [Problem(field="zip", text="is odd"), Problem(field=None, text="is bad")])
    rendered = {shapes.invalid: render(refusal, *endpoint) for endpoint, shapes in SHAPES.items()}
    assert rendered == {
        Shape.MESSAGE: {"message": "zip is odd"},
        Shape.ERROR_MESSAGE: {"error": {"message": "zip is odd"}},
        Shape.ERROR_TEXT: {"error": "zip is odd"},
        Shape.MESSAGE_ATTR: {"message": "is odd", "attr": "zip"},
        Shape.ERRORS_BY_FIELD: {"errors": {"zip": ["is odd"], "base": ["is bad"]}},
    }
