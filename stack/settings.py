"""The stack's own settings, and what of the user's environment the services get to see.

Above: every command of `switchboard`. Below: the process environment, which only this module reads.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stack.errors import StackError

REPOSITORY = Path(__file__).resolve().parent.parent

# The vendor's real address; its sandbox takes this key and no other.
VENDOR_BASE_URL = "https://api.housecallpro.com"
SANDBOX_API_KEY = "sandbox-key"


@dataclass(frozen=True, kw_only=True)
class RemoteIssuer:
    """An issuer of tokens that is not the stack's own."""

    issuer: str
    audience: str
    jwks_url: str


class StackSettings(BaseSettings):
    """Settings of `switchboard`. Environment names are `SWITCHBOARD_` plus the field name in capitals."""

    model_config = SettingsConfigDict(env_prefix="SWITCHBOARD_", frozen=True, extra="ignore", env_ignore_empty=True)

    state: Path = Field(
        default=Path(".switchboard"),
        description="State directory: database, keys, logs. A relative path is taken from the current directory.",
    )
    http_port: int = Field(default=8080, ge=1, le=65535, description="Port of the front door on 127.0.0.1.")
    database_url: SecretStr | None = Field(
        default=None,
        description="Postgres to use instead of the embedded one; its user creates schemas and roles.",
    )
    dispatch_replicas: int = Field(default=1, ge=1, le=32, description="How many dispatch_service processes run.")
    adapter_replicas: int = Field(default=1, ge=1, le=32, description="How many mcp_adapter_service processes run.")
    restart_longest: float = Field(
        default=30.0,
        gt=0,
        description="Longest pause, in seconds, before a process that ended by itself is started again; the first is a second.",
    )
    tenant_file: Path = Field(
        default=REPOSITORY / "config" / "tenant.json",
        description="The company: its name, time zone, telephone numbers and links.",
    )
    policy_directory: Path = Field(
        default=REPOSITORY / "config" / "policies",
        description="Who may do what: a directory of Cedar policy files.",
    )
    allowed_origins: tuple[str, ...] = Field(
        default=(), description="Web sites (JSON list of scheme://host[:port]) whose pages may call the front door."
    )
    rate_limit_per_second: int = Field(
        default=500,
        ge=0,
        description="Public calls per second that the front door takes on each path, half of them from one address; 0: no limit.",
    )
    start_timeout: float = Field(default=60.0, gt=0, description="Seconds that one process may take to become healthy at start.")
    housecall_pro_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("HOUSECALL_PRO_API_KEY"),
        description="The vendor's API key. Without one, the embedded sandbox stands in for the vendor.",
    )
    housecall_pro_base_url: str = Field(
        default=VENDOR_BASE_URL,
        validation_alias=AliasChoices("HOUSECALL_PRO_BASE_URL"),
        description="Where the vendor's API is. Only read when an API key is set.",
    )

    people_issuer: str | None = Field(
        default=None,
        description="`iss` of people's tokens, such as https://securetoken.google.com/PROJECT. Set it together with "
        "SWITCHBOARD_PEOPLE_AUDIENCE and SWITCHBOARD_PEOPLE_JWKS_URL; without the three, the stack's development key signs them.",
    )
    people_audience: str | None = Field(default=None, description="`aud` of people's tokens, such as the Firebase project's id.")
    people_jwks_url: str | None = Field(
        default=None, description="https URL of the key set that people's tokens are signed with."
    )
    services_issuer: str | None = Field(
        default=None,
        description="`iss` of the tokens of services and agents. Set it together with SWITCHBOARD_SERVICES_AUDIENCE and "
        "SWITCHBOARD_SERVICES_JWKS_URL; without the three, the stack's development key signs them.",
    )
    services_audience: str | None = Field(default=None, description="`aud` of the tokens of services and agents.")
    services_jwks_url: str | None = Field(
        default=None, description="https URL of the key set that the tokens of services and agents are signed with."
    )
    certificate_authorities: Path = Field(
        default=Path("/etc/ssl/certs/ca-certificates.crt"),
        description="PEM file of the authorities that the key sets' https servers are checked against.",
    )
    trusted_proxies: int = Field(
        default=0,
        ge=0,
        description="How many proxies in front of the front door are believed about the client's address (x-forwarded-for).",
    )

    @field_validator("people_jwks_url", "services_jwks_url")
    @classmethod
    def _secure(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "https://none")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"}):
            raise ValueError("must be an https URL")
        return url

    @property
    def remote_people(self) -> RemoteIssuer | None:
        """The issuer of people's tokens, where it is not the stack's own."""
        return _remote("PEOPLE", self.people_issuer, self.people_audience, self.people_jwks_url)

    @property
    def remote_services(self) -> RemoteIssuer | None:
        """The issuer of services' tokens, where it is not the stack's own."""
        return _remote("SERVICES", self.services_issuer, self.services_audience, self.services_jwks_url)

    @field_validator("state", "tenant_file", "policy_directory", "certificate_authorities")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must be postgresql://user:password@host/database")
        return url

    @property
    def front_door(self) -> str:
        """The front door's base URL."""
        return f"http://127.0.0.1:{self.http_port}"


def _remote(whose: str, issuer: str | None, audience: str | None, jwks_url: str | None) -> RemoteIssuer | None:
    if issuer and audience and jwks_url:
        return RemoteIssuer(issuer=issuer, audience=audience, jwks_url=jwks_url)
    if issuer or audience or jwks_url:
        names = [f"SWITCHBOARD_{whose}_{name}" for name in ("ISSUER", "AUDIENCE", "JWKS_URL")]
        raise StackError(f"set all three of {', '.join(names)}, or none of them")
    return None


def load_stack_settings() -> StackSettings:
    """Read the settings, or raise StackError naming every bad one. Values are not shown: one may be a secret."""
    try:
        return StackSettings()
    except ValidationError as problem:
        lines = []
        for error in problem.errors(include_input=False, include_url=False):
            name = str(error["loc"][0])
            if not name.isupper():
                name = "SWITCHBOARD_" + name.upper()
            lines.append(f"setting {name}: {error['msg']}")
        raise StackError("; ".join(lines)) from None


# Secrets and addresses that belong to one process: each gets its own through its ProcessSpec, nobody inherits them.
_NOT_INHERITED = (
    "HOUSECALL_PRO_",
    "PGPASSWORD",
    "SWITCHBOARD_DATABASE_URL",
    "SWITCHBOARD_LISTEN",
    "SWITCHBOARD_TLS",
)


def inherited_environment() -> dict[str, str]:
    """The user's environment without what only one process may see."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
