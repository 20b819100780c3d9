"""Headers: what a client may not say of itself, what the services are told, what every reply carries, what is logged."""

from __future__ import annotations

import base64
import json
import uuid

import httpx
import pytest

from tests.integration.envoy.conftest import SHOP
from tests.integration.envoy.envoy_process import FrontDoor
from tests.integration.envoy.scripted_dispatch import ScriptedDispatch
from tests.integration.envoy.tokens import Issuer

DISPATCH = "/api/actions/dispatch"


def test_the_correlation_id_is_made_here_and_reaches_the_service_the_reply_and_the_log(
    http: httpx.Client, door: FrontDoor, dispatch: ScriptedDispatch
) -> None:
    reply = http.post(f"{DISPATCH}?q=private", json={"payload": {"name": "private"}}, headers={"x-request-id": "mine"})
    correlation_id = reply.headers["x-correlation-id"]
    assert str(uuid.UUID(correlation_id)) == correlation_id == dispatch.calls[0].metadata["x-request-id"]
    line = door.access_line(correlation_id)
    assert line["clientRequestId"] == dispatch.calls[0].metadata["x-client-request-id"] == "mine"
    assert (line["method"], line["path"], line["status"]) == ("POST", DISPATCH, 200)
    assert line["bytesReceived"] > 0
    assert line["bytesSent"] == len(reply.content)
    assert line["durationMs"] >= 0
    assert "private" not in json.dumps(line)


@pytest.mark.parametrize("value", ["a b", "x" * 65, "ü", "<b>", "a,b", "${x}", "%41", ""])
def test_a_clients_own_id_is_kept_only_if_it_is_harmless(http: httpx.Client, dispatch: ScriptedDispatch, value: str) -> None:
    http.post(DISPATCH, json={}, headers=[(b"x-request-id", value.encode())])
    assert "x-client-request-id" not in dispatch.calls[0].metadata
    assert uuid.UUID(dispatch.calls[0].metadata["x-request-id"])


@pytest.mark.parametrize(
    "name",
    ["x-jwt-payload", "X-JWT-Payload", "x-switchboard-tenant", "x-switchboard-error-code", "x-client-request-id"],
)
def test_a_client_cannot_send_what_only_the_door_says(http: httpx.Client, dispatch: ScriptedDispatch, name: str) -> None:
    http.post(DISPATCH, json={}, headers={name: "forged"})
    assert "forged" not in dispatch.calls[0].metadata.values()


def test_what_a_json_caller_says_in_grpcs_own_words_goes_no_further(http: httpx.Client, dispatch: ScriptedDispatch) -> None:
    own_words = {"grpc-timeout": "1n", "grpc-encoding": "nonsense", "grpc-trace-bin": "!", "note-bin": "!"}
    reply = http.post(DISPATCH, json={}, headers=own_words)
    assert reply.status_code == 200
    assert not set(own_words) & set(dispatch.calls[0].metadata)


@pytest.mark.parametrize(("method", "path"), [("POST", DISPATCH), ("POST", "/api/assets"), ("GET", "/api/action-log/1")])
def test_a_grpc_call_to_a_json_path_is_told_in_grpc_that_nothing_is_there(
    http: httpx.Client, dispatch: ScriptedDispatch, method: str, path: str
) -> None:
    reply = http.request(method, path, headers={"content-type": "application/grpc+proto"})
    assert (reply.status_code, reply.headers["content-type"], reply.headers["grpc-status"]) == (200, "application/grpc", "12")
    assert reply.headers["x-correlation-id"]
    assert not dispatch.calls


def test_envoys_own_switches_and_forwarded_addresses_are_not_taken_from_a_client(
    http: httpx.Client, dispatch: ScriptedDispatch
) -> None:
    forged = {
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-original-path": "/forged",
        "x-envoy-external-address": "6.6.6.6",
        "x-envoy-max-retries": "9",
        "x-forwarded-for": "6.6.6.6",
    }
    assert http.post(DISPATCH, json={}, headers=forged).status_code == 200
    metadata = dispatch.calls[0].metadata
    assert metadata["x-envoy-original-path"] == DISPATCH
    assert metadata["x-envoy-external-address"] == "127.0.0.1"
    assert "6.6.6.6" not in metadata["x-forwarded-for"]
    assert not {"x-envoy-upstream-rq-timeout-ms", "x-envoy-max-retries"} & metadata.keys()


def test_the_service_is_told_the_key_and_the_agent_and_never_the_token(
    http: httpx.Client, dispatch: ScriptedDispatch, issuer: Issuer
) -> None:
    headers = {
        "authorization": f"Bearer {issuer.token(sub='ada')}",
        "cookie": "other=1",
        "idempotency-key": "key-1",
        "user-agent": "browser",
    }
    http.post(DISPATCH, json={}, headers=headers)
    metadata = dispatch.calls[0].metadata
    assert (metadata["idempotency-key"], metadata["user-agent"]) == ("key-1", "browser")
    payload = metadata["x-jwt-payload"]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["sub"] == "ada"
    assert not {"authorization", "cookie"} & metadata.keys()


def test_a_preflight_from_an_allowed_origin_is_answered_here(http: httpx.Client, dispatch: ScriptedDispatch) -> None:
    headers = {"origin": SHOP, "access-control-request-method": "POST"}
    reply = http.options(DISPATCH, headers=headers)
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == SHOP
    assert reply.headers["access-control-allow-headers"] == "content-type, authorization, idempotency-key"
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert dispatch.calls == []


@pytest.mark.parametrize("origin", ["https://evil.example", "https://shop.example.evil.example", "null", "http://shop.example"])
def test_a_preflight_from_elsewhere_is_refused(http: httpx.Client, dispatch: ScriptedDispatch, origin: str) -> None:
    reply = http.options(DISPATCH, headers={"origin": origin, "access-control-request-method": "POST"})
    assert reply.status_code == 405
    assert "access-control-allow-origin" not in reply.headers
    assert dispatch.calls == []


@pytest.mark.parametrize("body", ["{}", "no json"])
def test_an_allowed_origin_may_read_replies_and_refusals(http: httpx.Client, body: str) -> None:
    reply = http.post(DISPATCH, content=body, headers={"origin": SHOP})
    assert reply.headers["access-control-allow-origin"] == SHOP
    assert reply.headers["access-control-expose-headers"] == "x-correlation-id"
    assert "access-control-allow-credentials" not in reply.headers


def test_a_reply_is_not_stored_not_guessed_at_and_shows_nothing_of_what_is_behind(http: httpx.Client) -> None:
    reply = http.post(DISPATCH, json={})
    assert set(reply.headers) == {
        "content-type",
        "content-length",
        "cache-control",
        "x-content-type-options",
        "x-correlation-id",
        "date",
        "server",
    }
    assert (reply.headers["cache-control"], reply.headers["x-content-type-options"]) == ("no-store", "nosniff")
