"""Tokens: which calls need one, which are taken, and from where."""

from __future__ import annotations

import time
from typing import cast

import grpc
import httpx
import pytest

from stack.front_door.rpcs import Rpc, read_rpcs
from tests.integration.envoy.conftest import StartDoor, wait_until_ready
from tests.integration.envoy.envoy_process import IMAGE, FrontDoor
from tests.integration.envoy.published import assert_published
from tests.integration.envoy.scripted_dispatch import ScriptedDispatch
from tests.integration.envoy.tokens import Issuer

LOG = "/api/action-log"
DISPATCH = "/api/actions/dispatch"
OPEN = [
    ("GET", "/healthz"),
    ("GET", "/api/services"),
    ("GET", "/api/site"),
    ("POST", "/api/assets"),
    ("POST", DISPATCH),
]
TOOLS = "/api/tools"
CLOSED = [
    LOG,
    f"{LOG}/act_1",
    f"{LOG}:watch",
    TOOLS,
    "/api/capabilities",
    "/api/authorizations",
    "/api/authorizations/aut_1",
    "/api/grants",
]


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_public_routes_need_no_token(http: httpx.Client, dispatch: ScriptedDispatch, method: str, path: str) -> None:
    assert http.request(method, path).status_code == 200
    assert "x-jwt-payload" not in dispatch.calls[0].metadata


@pytest.mark.parametrize("path", CLOSED)
def test_everything_else_needs_a_token(
    http: httpx.Client, dispatch: ScriptedDispatch, signed_in: dict[str, str], path: str
) -> None:
    assert http.get(path).status_code == 401
    assert dispatch.calls == []
    assert http.get(path, headers=signed_in).status_code == 200


PUBLIC = ("switchboard.dispatch.", "switchboard.catalog.", "switchboard.asset.", "switchboard.health.")


@pytest.mark.requirement("S3.6")
@pytest.mark.parametrize("rpc", read_rpcs(IMAGE, ("switchboard.adapter.",)), ids=lambda rpc: f"{rpc.service}/{rpc.name}")
def test_every_rpc_but_the_public_ones_needs_a_token_over_grpc_and_over_json(
    door: FrontDoor, http: httpx.Client, dispatch: ScriptedDispatch, rpc: Rpc
) -> None:
    public = rpc.service.startswith(PUBLIC)
    if public:
        door.rpc(rpc.grpc_path)
    else:
        with pytest.raises(grpc.RpcError) as caught:
            door.rpc(rpc.grpc_path)
        assert cast("grpc.Call", caught.value).code() is grpc.StatusCode.UNAUTHENTICATED
        for binding in rpc.bindings:
            assert http.request(binding.verb, binding.template.replace("{", "").replace("}", "")).status_code == 401
        assert dispatch.calls == []


def test_the_services_of_tools_are_served_over_grpc_and_have_no_json_route() -> None:
    typed = [rpc for rpc in read_rpcs(IMAGE, ("switchboard.adapter.",)) if rpc.service.startswith("switchboard.tools.")]
    assert typed
    assert not [rpc for rpc in typed if rpc.bindings]


def bad_tokens(issuer: Issuer) -> dict[str, tuple[str, int, str]]:
    """Tokens that are refused everywhere, with status and code."""
    now = int(time.time())
    other = Issuer("https://elsewhere.example")
    impostor = Issuer(issuer.name)
    header, payload, signature = issuer.token().split(".")
    return {
        "no token at all": ("x", 401, "UNAUTHENTICATED"),
        "expired": (issuer.token(exp=now - 3600), 401, "UNAUTHENTICATED"),
        "not yet": (issuer.token(nbf=now + 3600), 401, "UNAUTHENTICATED"),
        "without end": (issuer.token(exp=None), 401, "UNAUTHENTICATED"),
        "for somebody else": (issuer.token(aud="other"), 403, "FORBIDDEN"),
        "from an unknown issuer": (other.token(), 401, "UNAUTHENTICATED"),
        "signed by another key": (impostor.token(), 401, "UNAUTHENTICATED"),
        "unsigned": (f"eyJhbGciOiJub25lIn0.{payload}.", 401, "UNAUTHENTICATED"),
        "cut": (f"{header}.{payload}.{signature[:-4]}", 401, "UNAUTHENTICATED"),
    }


@pytest.mark.parametrize("path", [LOG, "/api/services"])
def test_a_token_that_is_not_good_is_refused_even_where_none_is_needed(
    http: httpx.Client, dispatch: ScriptedDispatch, issuer: Issuer, path: str
) -> None:
    for name, (token, status, code) in bad_tokens(issuer).items():
        reply = http.get(path, headers={"authorization": f"Bearer {token}"})
        assert reply.status_code == status, name
        assert_published(reply.status_code, reply.headers, reply.content, expected=status, code=code)
    assert dispatch.calls == []


def test_a_token_in_the_query_string_is_not_looked_at(http: httpx.Client, issuer: Issuer) -> None:
    assert http.get(f"{LOG}?access_token={issuer.token()}").status_code == 401


def test_a_token_in_a_cookie_is_not_looked_at(http: httpx.Client, dispatch: ScriptedDispatch, issuer: Issuer) -> None:
    cookies = {"cookie": f"switchboard_session={issuer.token()}; access_token={issuer.token()}"}
    assert http.get(LOG, headers=cookies).status_code == 401
    assert http.get("/api/services", headers=cookies).status_code == 200
    assert not {"cookie", "x-jwt-payload"} & dispatch.calls[0].metadata.keys()


@pytest.mark.parametrize("path", [LOG, "/api/services"])
def test_a_header_that_is_not_one_bearer_token_is_refused_rather_than_searched_for_one(
    http: httpx.Client, dispatch: ScriptedDispatch, issuer: Issuer, path: str
) -> None:
    good = issuer.token()
    headers = [
        f"Basic QQ== Bearer {good}",
        f"Bearer {good} x",
        f"Bearer {good},Bearer {good}",
        f"bearer {good}",
        good,
        "Bearer",
        "",
    ]
    for header in headers:
        reply = http.get(path, headers={"authorization": header})
        assert_published(reply.status_code, reply.headers, reply.content, expected=401, code="UNAUTHENTICATED")
    twice = http.get(path, headers=[("authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")])
    assert twice.status_code == 401
    assert dispatch.calls == []


def test_extensions_that_a_token_declares_critical_are_not_passed_over(
    http: httpx.Client, dispatch: ScriptedDispatch, issuer: Issuer
) -> None:
    token = issuer.token_with_header({"crit": ["b64"], "b64": True})
    reply = http.get(LOG, headers={"authorization": f"Bearer {token}"})
    assert_published(reply.status_code, reply.headers, reply.content, expected=403, code="FORBIDDEN")
    assert dispatch.calls == []


def test_health_answers_whatever_token_is_sent(http: httpx.Client, dispatch: ScriptedDispatch, issuer: Issuer) -> None:
    for token in (issuer.token(), Issuer("https://elsewhere.example").token()):
        assert http.get("/healthz", headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert not [call for call in dispatch.calls if "x-jwt-payload" in call.metadata]


def test_several_issuers_are_trusted_side_by_side_and_rules_come_from_the_settings(
    start_door: StartDoor, dispatch: ScriptedDispatch, issuer: Issuer
) -> None:
    second = Issuer("https://second.example")
    with (
        start_door(issuers=[issuer.settings, second.settings], token_optional=("/api/site",)) as door,
        httpx.Client(base_url=door.url) as http,
    ):
        wait_until_ready(http)
        assert http.get("/api/services").status_code == 401
        for trusted in (issuer, second):
            headers = {"authorization": f"Bearer {trusted.token()}"}
            assert http.get("/api/services", headers=headers).status_code == 200
        bad = {"authorization": f"Bearer {Issuer('https://third.example').token()}"}
        assert http.get("/api/site", headers=bad).status_code == 401
        assert http.get("/api/site").status_code == 200
