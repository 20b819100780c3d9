"""Nothing that a visitor typed is found anywhere but at the vendor and, sealed, in the database."""

from __future__ import annotations

import json

import httpx
import psycopg
import pytest

from tests.e2e.clicks import AVAILABILITY, BOOKING, ESTIMATE, FLOW, Operator, Vendor, Visitor
from tests.fix_stack import RunningStack

TYPED = {
    "firstName": "Xanthippe",
    "lastName": "Zuckerhutberg",
    "phone": "(608) 555-0191",
    "email": "xanthippe.z@zuckerhut.example",
}
ADDRESS = {"line1": "4711 Krakatoa Crescent", "line2": "Unit Omega", "city": "Madison", "state": "WI", "zip": "53711-8842"}
NOTES, PROBLEM, UNKNOWN = "The cockatiel is named Beelzebub", "Steam rises from the samovar", "Wolpertinger Strasse 9"
SECRETS = [
    "Xanthippe",
    "Zuckerhutberg",
    "555-0191",
    "6085550191",
    "zuckerhut.example",
    "Krakatoa",
    "Unit Omega",
    # Nine digits: five of them come by chance in any heap of hashes.
    "53711-8842",
    "Beelzebub",
    "samovar",
    "Wolpertinger",
]


def everything_stored(stack: RunningStack) -> str:
    """Every row of every table that is ours, as text; the sandbox stands for the vendor's own system."""
    found = []
    with psycopg.connect(stack.database_url("switchboard"), autocommit=True) as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname in ('dispatch', 'adapter', 'housecall_pro')"
        ).fetchall()
        for schema, table in tables:
            rows = connection.execute(f'select t::text from "{schema}"."{table}" as t'.encode()).fetchall()
            found += [f"{schema}.{table}: {row[0]}" for row in rows]
    return "\n".join(found)


@pytest.mark.requirement("S0.60", "S0.13", "S0.50")
def test_what_a_visitor_typed_is_in_no_row_log_error_or_metric(stack: RunningStack) -> None:
    visitor, vendor, operator = Visitor(stack), Vendor(stack), Operator(stack)
    full = {"serviceId": "drain-cleaning", "customer": TYPED, "address": ADDRESS, "notes": NOTES}
    good = visitor.click(BOOKING, full)
    assert good["ok"] is True
    wrong = [
        {**full, "customer": {**TYPED, "phone": f"{TYPED['phone']} {NOTES}"}},
        {**full, "customer": {**TYPED, "email": f"{TYPED['email']} at {ADDRESS['line1']}"}},
        {**full, "serviceId": UNKNOWN},
        {**full, UNKNOWN: NOTES},
        {**full, "preferred": {"date1": UNKNOWN, "timeWindow": NOTES[:8]}},
        {**full, "slotId": UNKNOWN},
        {**full, "address": {**ADDRESS, "state": UNKNOWN, "zip": ADDRESS["line1"]}},
    ]
    replies = [visitor.send(BOOKING, payload).text for payload in wrong]
    estimate = {"serviceId": "drain-cleaning", "customer": TYPED, "address": ADDRESS, "problemSummary": PROBLEM}
    visitor.click(ESTIMATE, estimate)
    visitor.click(FLOW, {"draft": {"customer": TYPED, "address": ADDRESS, "notes": NOTES, "serviceId": "drain-cleaning"}})
    visitor.click(AVAILABILITY, {"serviceId": "drain-cleaning", "zip": ADDRESS["zip"]})
    httpx.post(f"{stack.front_door}/api/actions/dispatch?name={TYPED['lastName']}", content=b'{"note": "' + NOTES.encode())
    httpx.get(f"{stack.front_door}/api/services", params={"who": TYPED["email"]})
    vendor.fail("GET", "/customers", "status", status=422, body={"errors": {"name": [TYPED["lastName"]]}})
    try:
        replies.append(visitor.send(BOOKING, {**full, "notes": f"{NOTES}!"}).text)
    finally:
        vendor.mend()

    stored, logged = everything_stored(stack), stack.logs()
    shown = json.dumps(operator.log(page_size=200))
    assert "dispatch.action" in stored
    for secret in SECRETS:
        assert secret not in stored, f"{secret} is stored in clear"
        assert secret not in logged, f"{secret} is in a log"
        assert secret not in shown, f"{secret} is shown in the action log"
    for reply in replies:
        error = json.dumps(json.loads(reply)["error"])
        # The caller's own unknown field name is the one thing that an error says back.
        assert not [secret for secret in SECRETS if secret in error and secret != "Wolpertinger"]


@pytest.mark.requirement("S3.20")
def test_what_a_model_asked_for_and_a_person_said_is_in_no_row_or_log_nor_is_a_token(stack: RunningStack) -> None:
    agent, operator = Operator(stack, "agent"), Operator(stack)
    said, why = "Nebuchadnezzarstrasse is closed", "Frau Quetzalcoatlova rang"
    arguments = {"serviceHcpId": "drain-cleaning", "customer": TYPED, "address": ADDRESS, "notes": NOTES}
    body = {"server": "housecall_pro", "tool": "housecall_pro.create_booking", "arguments": arguments, "reasoning": why}
    for decision, key in (("authorized", "privacy-1"), ("denied", "privacy-2")):
        asked = agent.http.post("/api/tools/call", json=body | {"idempotencyKey": key}).json()
        path = f"/api/authorizations/{asked['authorization']['queue_id']}"
        operator.http.post(path, json={"decision": decision, "notes": said}).raise_for_status()
        assert agent.http.get(path).json()["notes"] == said
    wrong = agent.http.post("/api/tools/call", json=body | {"arguments": {**arguments, UNKNOWN: NOTES}}).text
    stored, logged = everything_stored(stack), stack.logs()
    tokens = [who.http.headers["authorization"].removeprefix("Bearer ") for who in (agent, operator)]
    for secret in (*SECRETS, said, why, *tokens, *(token.rpartition(".")[2] for token in tokens)):
        assert secret not in stored, f"{secret} is stored in clear"
        assert secret not in logged, f"{secret} is in a log"
    assert NOTES not in wrong


def test_no_metric_has_a_label_with_data(stack: RunningStack) -> None:
    for process in ("housecall_pro", "mcp_adapter_service", "dispatch_service"):
        metrics = httpx.get(stack.process(process).metrics).text
        assert "switchboard_" in metrics
        assert not [secret for secret in SECRETS if secret in metrics]
