"""An issuer elsewhere, as Firebase is one: its keys are fetched over TLS from a server that has to prove its name."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from stack.development_identity import DevelopmentIssuer
from tests.fix_sandbox import wait_until
from tests.integration.envoy.conftest import StartDoor, wait_until_ready
from tests.integration.envoy.envoy_process import START_SECONDS
from tests.integration.envoy.tokens import AUDIENCE, Issuer

PROJECT = "https://securetoken.google.com/lakeside"


def self_signed(name: str, folder: Path) -> tuple[Path, Path]:
    """A certificate for `name` that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@contextmanager
def key_server(jwks: dict[str, Any], files: tuple[Path, Path]) -> Iterator[int]:
    """Serve a key set over https; yields the port."""

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(jwks).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.usefixtures("dispatch")
@pytest.mark.requirement("S3.6")
@pytest.mark.parametrize(("certified", "taken"), [("localhost", True), ("keys.example", False)])
def test_keys_are_taken_from_a_server_that_proves_its_name_and_from_no_other(
    start_door: StartDoor, issuer: Issuer, tmp_path: Path, certified: str, taken: bool
) -> None:
    people = DevelopmentIssuer(PROJECT, rsa.generate_private_key(65537, 2048))
    files = self_signed(certified, tmp_path)
    with key_server(people.jwks, files) as port:
        remote = {"issuer": PROJECT, "audiences": [AUDIENCE], "jwks_uri": f"https://localhost:{port}/jwk"}
        with (
            start_door(issuers=[remote, issuer.settings], certificate_authorities=str(files[0])) as door,
            httpx.Client(base_url=door.url, timeout=START_SECONDS) as http,
        ):
            wait_until_ready(http)
            claims = {"iss": PROJECT, "aud": AUDIENCE, "sub": "ann", "exp": 4102444800}
            headers = {"authorization": f"Bearer {people.sign(claims)}"}

            def status() -> int:
                return http.get("/api/action-log", headers=headers).status_code

            if taken:
                wait_until(lambda: status() == 200, START_SECONDS, "the keys are not fetched")
            else:
                tried = f"{port}/jwk: failed"
                wait_until(lambda: tried in door.log.read_text(encoding="utf-8"), START_SECONDS, "the keys are not asked for")
            assert status() == (200 if taken else 401)
            # The other issuer does not depend on it.
            assert http.get("/api/action-log", headers={"authorization": f"Bearer {issuer.token()}"}).status_code == 200
