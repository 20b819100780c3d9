"""The stack's settings: bad ones are one line, and a secret reaches only the process that it is for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stack.certificates import new_authority
from stack.database import external_access
from stack.development_identity import ensure_development_identity
from stack.envoy_config import validate_config
from stack.errors import StackError
from stack.process import ProcessSpec
from stack.settings import StackSettings, load_stack_settings
from stack.state import StateDirectory
from stack.topology import Surroundings, processes
from tests.fix_sandbox import free_port


def _table(tmp_path: Path) -> dict[str, ProcessSpec]:
    settings = load_stack_settings()
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    around = Surroundings(
        settings=settings,
        state=state,
        sockets=tmp_path,
        free_port=free_port,
        access=external_access("postgresql://owner:secret-word@db.example/switchboard"),
        keys_file=tmp_path / "keys.json",
        tool_token="tool-word",
        identity=ensure_development_identity(state),
        authority=new_authority(state),
    )
    return {spec.name: spec for spec in processes(around)}


def test_settings_have_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWITCHBOARD_HTTP_PORT", raising=False)
    settings = StackSettings()
    assert settings.front_door == "http://127.0.0.1:8080"
    assert settings.state == Path.cwd() / ".switchboard"
    assert settings.tenant_file.is_file()


def test_bad_settings_are_named_together_without_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_HTTP_PORT", "eighty")
    monkeypatch.setenv("SWITCHBOARD_DATABASE_URL", "mysql://root:hunter2@db")
    with pytest.raises(StackError) as problem:
        load_stack_settings()
    assert "setting SWITCHBOARD_HTTP_PORT:" in str(problem.value)
    assert "setting SWITCHBOARD_DATABASE_URL:" in str(problem.value)
    assert "hunter2" not in str(problem.value)
    assert "\n" not in str(problem.value)


def test_without_a_vendor_key_the_sandbox_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOUSECALL_PRO_API_KEY", raising=False)
    table = _table(tmp_path)
    assert list(table) == [
        "housecall_pro_sandbox",
        "housecall_pro",
        "mcp_adapter_service",
        "dispatch_service",
        "model_gateway",
        "envoy",
    ]
    assert table["housecall_pro"].env["HOUSECALL_PRO_BASE_URL"] == table["housecall_pro_sandbox"].address


def test_the_vendors_key_reaches_only_the_server_that_calls_the_vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSECALL_PRO_API_KEY", "vendor-word")
    table = _table(tmp_path)
    assert "housecall_pro_sandbox" not in table
    assert table["housecall_pro"].env["HOUSECALL_PRO_BASE_URL"] == "https://api.housecallpro.com"
    holders = [name for name, spec in table.items() if "vendor-word" in spec.env.values()]
    assert holders == ["housecall_pro"]


def test_each_service_logs_in_to_the_database_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_DATABASE_URL", "postgresql://owner:secret-word@db.example/switchboard")
    table = _table(tmp_path)
    roles = {
        name: spec.env["SWITCHBOARD_DATABASE_URL"].rpartition("role%3D")[2]
        for name, spec in table.items()
        if "SWITCHBOARD_DATABASE_URL" in spec.env
    }
    assert roles == {
        "housecall_pro_sandbox": "switchboard_housecall_pro_sandbox",
        "housecall_pro": "switchboard_housecall_pro",
        "mcp_adapter_service": "switchboard_adapter",
        "dispatch_service": "switchboard_dispatch",
    }
    assert "secret-word" not in str(table["envoy"].env)


def test_the_tool_token_is_shared_by_the_adapter_and_the_tool_server_alone(tmp_path: Path) -> None:
    holders = [name for name, spec in _table(tmp_path).items() if "tool-word" in spec.env.values()]
    assert holders == ["housecall_pro", "mcp_adapter_service"]


def test_secrets_are_not_in_what_a_spec_prints_of_itself(tmp_path: Path) -> None:
    assert "tool-word" not in repr(_table(tmp_path))


def test_replicas_of_dispatch_have_names_and_sockets_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_DISPATCH_REPLICAS", "3")
    replicas = [spec for name, spec in _table(tmp_path).items() if name.startswith("dispatch_service")]
    assert [spec.name for spec in replicas] == ["dispatch_service", "dispatch_service-2", "dispatch_service-3"]
    assert len({spec.env["SWITCHBOARD_LISTEN"] for spec in replicas}) == 3


def test_settings_of_the_services_own_pass_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("SWITCHBOARD_LISTEN", "0.0.0.0:1")
    table = _table(tmp_path)
    assert {spec.env["SWITCHBOARD_LOG_LEVEL"] for spec in table.values()} == {"DEBUG"}
    assert "0.0.0.0:1" not in {spec.env.get("SWITCHBOARD_LISTEN") for spec in table.values()}


def test_issuers_elsewhere_reach_the_door_and_dispatch_and_envoy_takes_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for whose in ("PEOPLE", "SERVICES"):
        monkeypatch.setenv(f"SWITCHBOARD_{whose}_ISSUER", f"https://issuer.example/{whose.lower()}")
        monkeypatch.setenv(f"SWITCHBOARD_{whose}_AUDIENCE", "lakeside")
        monkeypatch.setenv(f"SWITCHBOARD_{whose}_JWKS_URL", "https://issuer.example/jwk")
    table = _table(tmp_path)
    dispatch = table["dispatch_service"].env
    assert dispatch["SWITCHBOARD_PEOPLE_ISSUER"] == "https://issuer.example/people"
    assert dispatch["SWITCHBOARD_SERVICES_ISSUER"] == "https://issuer.example/services"
    config = StateDirectory(tmp_path / "state").envoy_config
    validate_config(config)
    text = config.read_text(encoding="utf-8")
    assert text.count("https://issuer.example/jwk") == 2
    # No key of our own is trusted beside them.
    assert "local_jwks" not in text


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PEOPLE_ISSUER": "https://a"}, "set all three of SWITCHBOARD_PEOPLE_ISSUER"),
        ({"SERVICES_JWKS_URL": "https://a"}, "set all three of SWITCHBOARD_SERVICES_ISSUER"),
        (
            {"PEOPLE_JWKS_URL": "http://issuer.example/jwk"},
            "SWITCHBOARD_PEOPLE_JWKS_URL: Value error, must be an https URL",
        ),
        (
            {
                f"{whose}_{name}": value
                for whose in ("PEOPLE", "SERVICES")
                for name, value in {"ISSUER": "https://same", "AUDIENCE": "a", "JWKS_URL": "https://a/jwk"}.items()
            },
            "people and services need different issuers",
        ),
    ],
)
def test_issuers_that_are_half_said_or_the_same_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], sentence: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"SWITCHBOARD_{name}", value)
    with pytest.raises(StackError, match=sentence):
        _table(tmp_path)


def test_each_process_knows_who_may_call_it_and_has_a_certificate_of_its_own(tmp_path: Path) -> None:
    table = _table(tmp_path)
    dispatch, adapter = table["dispatch_service"].env, table["mcp_adapter_service"].env
    assert (dispatch["SWITCHBOARD_TLS"], dispatch["SWITCHBOARD_TLS_PEERS"]) == ("on", '["envoy", "model_gateway"]')
    assert json.loads(adapter["SWITCHBOARD_TLS_PEERS"]) == ["dispatch", "switchboard"]
    assert dispatch["SWITCHBOARD_TLS_KEY"] != adapter["SWITCHBOARD_TLS_KEY"]
    assert "SWITCHBOARD_TLS_KEY" not in table["housecall_pro"].env
