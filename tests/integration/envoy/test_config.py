"""Rendering: settings that cannot work are refused in one line, and what is rendered Envoy accepts as it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from stack.certificates import DevelopmentAuthority
from stack.envoy_config import EnvoySettings, render_config, validate_config, write_config
from stack.errors import StackError
from stack.front_door.rpcs import HttpBinding, path_matches, read_rpcs
from tests.integration.envoy.envoy_process import IMAGE
from tests.integration.envoy.tokens import Issuer

REPOSITORY = IMAGE.parent.parent


def settings_json(**changes: object) -> str:
    """Settings that work, with these changes."""
    usual = {"image": str(IMAGE), "dispatch": ["unix:/tmp/dispatch.sock"], "issuers": [Issuer("i").settings]}
    return json.dumps({**usual, **changes})


EVERYTHING = {
    "listen": "[::1]:8080",
    "dispatch": ["unix:/tmp/a.sock", "10.0.0.1:9000", "dispatch.internal:9000"],
    "issuers": [
        Issuer("i").settings,
        {"issuer": "remote", "audiences": ["a", "b"], "jwks_uri": "https://keys.example/jwks.json"},
        {"issuer": "near", "audiences": ["a"], "jwks_uri": "http://127.0.0.1:9001/jwks.json"},
    ],
    "allowed_origins": ["https://a.example", "http://localhost:5173"],
    "upstreams": [{"name": "model_gateway", "prefix": "/mcp", "endpoints": ["127.0.0.1:9002"]}],
    "health_checks": False,
    "trusted_proxies": 2,
    "access_log": "stderr",
    "admin": "unix:/tmp/envoy-admin.sock",
}


@pytest.mark.parametrize(
    "changes", [{}, EVERYTHING, {"access_log": "none", "rate_limit": None}], ids=["usual", "everything", "little"]
)
def test_envoy_accepts_what_is_rendered_without_a_warning(tmp_path: Path, changes: dict[str, object]) -> None:
    config = tmp_path / "envoy.json"
    if changes is EVERYTHING:
        own = DevelopmentAuthority(tmp_path).issue("envoy")
        files = {"certificate": str(own.certificate), "key": str(own.key), "authority": str(own.authority)}
        changes = {**changes, "dispatch_tls": {**files, "identity": "spiffe://switchboard/dispatch"}}
    write_config(EnvoySettings.model_validate_json(settings_json(**changes)), config)
    validate_config(config)
    assert config.stat().st_mode & 0o777 == 0o600


def test_a_configuration_that_envoy_refuses_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "envoy.json"
    config.write_text('{"static_resources": {"listeners": [{"nonsense": 1}]}}', encoding="utf-8")
    with pytest.raises(StackError, match=r"Envoy refuses .*nonsense") as caught:
        validate_config(config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"listen": "8080"},
        {"listen": "127.0.0.1:99999"},
        {"dispatch": []},
        {"dispatch": ["unix:relative.sock"]},
        {"dispatch": ["unix:/" + "x" * 120]},
        {"issuers": []},
        {"issuers": [{"issuer": "i", "audiences": ["a"]}]},
        {"issuers": [{"issuer": "i", "audiences": ["a"], "jwks": "no json"}]},
        {"issuers": [{"issuer": "i", "audiences": ["a"], "jwks": '{"keys":[]}'}]},
        {"issuers": [{"issuer": "i", "audiences": [], "jwks": '{"keys":[{}]}'}]},
        {"rate_limit": {"per_second": 0, "burst": 1}},
        {"unknown": 1},
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EnvoySettings.model_validate_json(settings_json(**changes))


@pytest.mark.parametrize("content", [None, b"\xff\xff\xff"])
def test_an_image_that_is_none_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    image = tmp_path / "contract.binpb"
    if content is not None:
        image.write_bytes(content)
    settings = EnvoySettings.model_validate_json(settings_json(image=str(image)))
    with pytest.raises(StackError, match="make gen"):
        render_config(settings)


def test_every_annotated_rpc_of_the_contract_has_its_route_and_no_internal_one_has_any() -> None:
    rpcs = read_rpcs(IMAGE, ("switchboard.adapter.",))
    routes = {(binding.verb, binding.template) for rpc in rpcs for binding in rpc.bindings}
    assert {("POST", "/api/actions/dispatch"), ("GET", "/healthz"), ("GET", "/api/action-log:watch")} <= routes
    assert not [rpc for rpc in rpcs if "adapter" in rpc.service]
    config = json.dumps(render_config(EnvoySettings.model_validate_json(settings_json())))
    assert all(json.dumps(f"{verb} {template}") in config for verb, template in routes)
    assert "switchboard.adapter" not in config


@pytest.mark.parametrize(
    ("template", "regex"),
    [
        ("/api/a.b", r"/api/a\.b"),
        ("/api/x/{id}", "/api/x/[^/]+"),
        ("/api/{name=x/*}/y:run", "/api/x/[^/]+/y:run"),
        ("/api/{rest=**}", "/api/.*"),
        ("/api/*", "/api/[^/]+"),
    ],
)
def test_a_path_template_becomes_the_paths_it_stands_for(template: str, regex: str) -> None:
    assert HttpBinding(verb="GET", template=template).regex == regex


@pytest.mark.parametrize(
    ("path", "entry", "matches"),
    [
        ("/api/services", "/api/services", True),
        ("/api/services/x", "/api/services", True),
        ("/api/services:run", "/api/services", True),
        ("/api/services-admin", "/api/services", False),
        ("/switchboard.audit.v1.A/B", "/switchboard.audit.", True),
        ("/switchboard.auditor.v1.A/B", "/switchboard.audit.", False),
    ],
)
def test_settings_name_paths_by_whole_segments(path: str, entry: str, matches: bool) -> None:
    assert path_matches(path, (entry,)) is matches


def test_the_command_line_writes_and_checks_a_configuration(tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    command = [
        sys.executable,
        "-m",
        "stack.envoy_config",
        str(settings),
        "--out",
        str(tmp_path / "envoy.json"),
        "--validate",
    ]
    settings.write_text(settings_json(), encoding="utf-8")
    assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 0
    settings.write_text(settings_json(listen="nowhere"), encoding="utf-8")
    failed = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, text=True)
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert "listen" in failed.stderr
