"""Further HTTP services behind the door: reached by prefix, guarded like the rest, answered in their own words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.integration.envoy.conftest import SHOP, StartDoor
from tests.integration.envoy.envoy_process import START_SECONDS
from tests.integration.envoy.published import assert_published


class _Echo(BaseHTTPRequestHandler):
    """Answers 418 with the headers that it was sent, as plain text."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = str(self.headers).lower().encode()
        self.send_response(418)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test run's output is for failures."""


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of a service that echoes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(START_SECONDS)


def test_a_further_service_is_guarded_and_answers_in_its_own_words(
    start_door: StartDoor, signed_in: dict[str, str], echo: str
) -> None:
    upstream = {"name": "model_gateway", "prefix": "/mcp", "endpoints": [echo]}
    with start_door(upstreams=[upstream]) as door, httpx.Client(base_url=door.url) as http:
        refused = http.post("/mcp", json={})
        assert_published(refused.status_code, refused.headers, refused.content, expected=401, code="UNAUTHENTICATED")
        large = http.post("/mcp", content=b"a" * 300_000, headers=signed_in)
        assert_published(large.status_code, large.headers, large.content, expected=413, code="INVALID_ARGUMENT")
        beside = http.post("/mcpx", json={})
        assert_published(beside.status_code, beside.headers, beside.content, expected=404, code="NOT_FOUND")
        answer = http.post("/mcp", json={}, headers={**signed_in, "mcp-method": "tools/call"})
        assert (answer.status_code, answer.headers["content-type"]) == (418, "text/plain")
        assert "x-jwt-payload:" in answer.text
        assert "mcp-method: tools/call" in answer.text
        assert "authorization:" not in answer.text
        assert f"x-request-id: {answer.headers['x-correlation-id']}" in answer.text


def test_a_further_service_that_is_gone_is_a_503_with_the_published_body(
    start_door: StartDoor, signed_in: dict[str, str]
) -> None:
    upstream = {"name": "model_gateway", "prefix": "/mcp", "endpoints": ["unix:/nowhere/mcp.sock"]}
    with start_door(upstreams=[upstream]) as door, httpx.Client(base_url=door.url) as http:
        reply = http.post("/mcp", json={}, headers=signed_in)
    assert_published(reply.status_code, reply.headers, reply.content, expected=503, code="INTEGRATION_DOWN")


def test_a_further_service_takes_its_own_methods_and_tells_who_has_no_token_where_to_get_one(
    start_door: StartDoor, signed_in: dict[str, str], echo: str
) -> None:
    upstream = {"name": "model_gateway", "prefix": "/mcp", "endpoints": [echo], "methods": ["POST", "GET"]}
    with start_door(upstreams=[upstream], allowed_origins=[SHOP]) as door, httpx.Client(base_url=door.url) as http:
        wrong = http.put("/mcp", json={}, headers=signed_in)
        assert_published(wrong.status_code, wrong.headers, wrong.content, expected=405, code="INVALID_ARGUMENT")
        assert wrong.headers["allow"] == "GET, POST"
        metadata = f"{door.url}/.well-known/oauth-protected-resource/mcp"
        for path in ("/mcp", "/mcp?query", "/mcp/below"):
            refused = http.post(path, json={})
            assert_published(refused.status_code, refused.headers, refused.content, expected=401, code="UNAUTHENTICATED")
            assert refused.headers["www-authenticate"] == f'Bearer resource_metadata="{metadata}"'
        assert "www-authenticate" not in http.get("/api/tools").headers
        said = http.get(metadata)
        assert said.json()["resource"] == f"{door.url}/mcp"
        assert said.json()["authorization_servers"] == ["https://issuer.example"]
        cookies = http.post("/mcp", json={}, headers={**signed_in, "cookie": "a=b"})
        assert "cookie" not in cookies.text
        asked = {"origin": SHOP, "access-control-request-method": "POST", "access-control-request-headers": "mcp-method"}
        preflight = http.options("/mcp", headers=asked)
        assert preflight.status_code == 200
        assert "mcp-session-id" in preflight.headers["access-control-allow-headers"]
        answer = http.post("/mcp", json={}, headers={**signed_in, "origin": SHOP})
        assert "mcp-session-id" in answer.headers["access-control-expose-headers"]
        assert http.options("/mcp", headers={**asked, "origin": "https://evil.example"}).status_code == 405
