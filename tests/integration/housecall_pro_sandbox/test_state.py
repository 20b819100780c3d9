"""What the sandbox remembers, and what a reset forgets."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from tests.fix_postgres import MigratedDatabase
from tests.fix_sandbox import SandboxProcess
from tests.integration.housecall_pro_sandbox.records import create, customer_and_address
from tool_servers.housecall_pro_sandbox.store import OWNER


def test_a_restarted_sandbox_has_kept_everything(fresh_database: Callable[..., MigratedDatabase]) -> None:
    process = SandboxProcess(fresh_database(OWNER).url(OWNER.role))
    paths = ("/company", "/customers", "/jobs", "/estimates", "/leads")
    process.start()
    try:
        with httpx.Client(base_url=process.address.base_url, headers=process.address.headers) as vendor:
            vendor.patch("/_sandbox/company", json={"capacity": 1, "zip_codes": ["60601"]}).raise_for_status()
            place = customer_and_address(vendor)
            create(vendor, "/jobs", place | {"tags": ["ref:bkg_7"]})
            create(vendor, "/estimates", place)
            create(vendor, "/leads", place)
            before = {path: vendor.get(path).json() for path in paths}
        process.stop()
        process.start()
        with httpx.Client(base_url=process.address.base_url, headers=process.address.headers) as vendor:
            assert {path: vendor.get(path).json() for path in paths} == before
        assert before["/jobs"]["total_items"] == 1
    finally:
        process.stop()


def test_reset_keeps_the_company(vendor: httpx.Client) -> None:
    vendor.patch("/_sandbox/company", json={"zip_codes": ["60601"]}).raise_for_status()
    company = vendor.get("/company").json()
    create(vendor, "/jobs", customer_and_address(vendor))
    vendor.post("/_sandbox/reset").raise_for_status()
    assert vendor.get("/company").json() == company
    assert [vendor.get(path).json()["total_items"] for path in ("/customers", "/jobs", "/estimates", "/leads")] == [0] * 4
