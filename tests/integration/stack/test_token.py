"""`switchboard token`: development tokens that the stack's own JWKS verifies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from stack.development_identity import AUDIENCE, PEOPLE_ISSUER, SERVICES_ISSUER, ensure_development_identity
from stack.state import StateDirectory
from tests.fix_stack import RunningStack


@pytest.fixture(scope="module")
def prepared() -> Iterator[RunningStack]:
    """A stack that has run before and does not run now."""
    running_stack = RunningStack()
    running_stack.state.prepare()
    ensure_development_identity(running_stack.state)
    yield running_stack
    running_stack.remove()


def _claims(prepared: RunningStack, token: str, verify_exp: bool = True) -> dict[str, Any]:
    identity = ensure_development_identity(StateDirectory(prepared.state_directory))
    key_id = jwt.get_unverified_header(token)["kid"]
    issuer, key = next(
        (issuer, key)
        for issuer in (identity.people, identity.services)
        for key in jwt.PyJWKSet.from_dict(issuer.jwks).keys
        if key.key_id == key_id
    )
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=["ES256", "RS256"], audience=AUDIENCE, issuer=issuer.name, options={"verify_exp": verify_exp}
    )
    return claims


def _printed(prepared: RunningStack, *arguments: str) -> str:
    done = prepared.command("token", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("role", "kind", "issuer"),
    [
        ("operator", None, PEOPLE_ISSUER),
        ("customer", None, PEOPLE_ISSUER),
        ("service", "service", SERVICES_ISSUER),
        ("agent", "model", SERVICES_ISSUER),
    ],
)
def test_a_token_says_who_its_bearer_is(prepared: RunningStack, role: str, kind: str | None, issuer: str) -> None:
    claims = _claims(prepared, _printed(prepared, "--role", role))
    assert (claims["role"], claims.get("kind"), claims["sub"], claims["tenant"]) == (role, kind, f"dev-{role}", "demo")
    assert claims["iss"] == issuer
    assert claims.get("auth_time") == (claims["iat"] if issuer == PEOPLE_ISSUER else None)
    assert claims["exp"] - claims["iat"] == 3600


def test_tenant_subject_and_further_claims_are_as_given(prepared: RunningStack) -> None:
    arguments = ["--role", "operator", "--tenant", "acme", "--subject", "ann", "--claim", "tier=T1", 'buildings=["b1"]']
    claims = _claims(prepared, _printed(prepared, *arguments, "--claim", "level=3"))
    assert (claims["tenant"], claims["sub"]) == ("acme", "ann")
    assert (claims["tier"], claims["buildings"], claims["level"]) == ("T1", ["b1"], 3)


def test_a_token_can_be_made_expired(prepared: RunningStack) -> None:
    token = _printed(prepared, "--role", "agent", "--expires", "-60")
    with pytest.raises(jwt.ExpiredSignatureError):
        _claims(prepared, token)
    assert _claims(prepared, token, verify_exp=False)["exp"] < time.time()


def test_tokens_of_another_stack_do_not_verify(prepared: RunningStack, tmp_path: Any) -> None:
    other = StateDirectory(tmp_path / "other")
    other.prepare()
    key = jwt.PyJWKSet.from_dict(ensure_development_identity(other).services.jwks).keys[0]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(prepared.token(role="agent"), key, algorithms=["ES256"], audience=AUDIENCE)


@pytest.mark.parametrize("claim", ["tier", "=x"])
def test_a_claim_without_name_or_value_is_one_line(prepared: RunningStack, claim: str) -> None:
    done = prepared.command("token", "--role", "agent", "--claim", claim)
    assert (done.returncode, done.stderr) == (1, f"switchboard: --claim takes NAME=VALUE, not {claim!r}\n")


def test_an_unknown_role_is_wrong_usage(prepared: RunningStack) -> None:
    done = prepared.command("token", "--role", "king")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_role_whose_tokens_come_from_elsewhere_is_not_signed_for(prepared: RunningStack) -> None:
    elsewhere = {
        "SWITCHBOARD_PEOPLE_ISSUER": "https://securetoken.google.com/acme",
        "SWITCHBOARD_PEOPLE_AUDIENCE": "acme",
        "SWITCHBOARD_PEOPLE_JWKS_URL": "https://keys.example/jwk",
    }
    prepared.environment.update(elsewhere)
    try:
        refused, signed = prepared.command("token", "--role", "operator"), prepared.command("token", "--role", "agent")
        del prepared.environment["SWITCHBOARD_PEOPLE_AUDIENCE"]
        half = prepared.command("token", "--role", "operator")
    finally:
        for name in elsewhere:
            prepared.environment.pop(name, None)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "https://securetoken.google.com/acme" in refused.stderr
    assert signed.returncode == 0
    assert "set all three of SWITCHBOARD_PEOPLE_ISSUER" in half.stderr
