"""Settings of the adapter process, read once in `app`, and what else of the environment third-party servers may get."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from service_kit.tls import TlsSettings

_SEED_FILE = Path(__file__).resolve().parent.parent / "config" / "services.json"


class McpGuardSettings(BaseModel):
    """What stands between a server that fails and everybody else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_attempts: int = Field(default=3, ge=1, description="Attempts of one call, where repeating it is safe.")
    breaker_failures: int = Field(default=5, ge=1, description="Failures in a row after which the server is left alone.")
    breaker_cooldown_seconds: float = Field(default=5.0, gt=0, description="How long it is left alone.")
    concurrency: int = Field(default=64, ge=1, description="Calls in flight at one time.")
    queue: int = Field(default=256, ge=0, description="Calls that may wait for a place.")
    calls_per_second: float | None = Field(
        default=None, gt=0, description="How often the server is called, over time; not limited where not set."
    )
    burst: int = Field(default=10, ge=1, description="Calls that may come at once where calls_per_second is set.")


class McpServerSettings(McpGuardSettings):
    """One MCP server. Environment names are `SWITCHBOARD_MCP__<NAME>__` plus the field name in capitals."""

    url: AnyHttpUrl = Field(description="Where the server speaks MCP, such as http://127.0.0.1:9000/mcp.")
    token: SecretStr | None = Field(
        default=None, description="Bearer token. For our own tool servers it also signs the principal."
    )
    oauth_client_id: str | None = Field(default=None, description="Id of an OAuth client in place of a token.")
    oauth_client_secret: SecretStr | None = Field(default=None, description="The OAuth client's secret.")
    oauth_issuer: AnyHttpUrl | None = Field(
        default=None, description="The authorization server that the client is known to; no other is given its secret."
    )
    oauth_scope: str | None = Field(default=None, description="The scope to ask for, separated by spaces.")
    timeout_seconds: float = Field(default=25.0, gt=0, description="The longest that one call may take, retries included.")
    idempotent_tools: frozenset[str] = Field(
        default=frozenset(),
        description="JSON list of tools of a foreign server of which we know that one idempotency key has one effect.",
    )
    read_tools: frozenset[str] = Field(
        default=frozenset(), description="JSON list of tools of a foreign server of which we know that they change nothing."
    )

    @model_validator(mode="after")
    def _oauth_is_whole(self) -> McpServerSettings:
        given = [self.oauth_client_id, self.oauth_client_secret, self.oauth_issuer]
        if any(given) and not all(given):
            raise ValueError("oauth_client_id, oauth_client_secret and oauth_issuer belong together")
        if any(given) and self.token is not None:
            raise ValueError("a server has either a token or an OAuth client")
        return self


class McpTokenVariable(BaseModel):
    """Who may have the credential that one variable holds. Without this, who may register servers could have any variable sent
    to any address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str = Field(
        min_length=1, description="The origin that it is for, such as https://mcp.example.com, or the program that is started."
    )
    tenants: frozenset[str] = Field(default=frozenset(), description="The tenants who may use it; all where none is named.")


class AdapterSettings(TlsSettings):
    """Settings of the adapter."""

    database_url: SecretStr = Field(description="Postgres, as the role switchboard_adapter.")
    mcp: dict[str, McpServerSettings] = Field(default_factory=dict, description="The MCP servers by name.")
    tenant: str = Field(default="demo", min_length=1, description="The tenant that the seed file is for.")
    services_file: Path = Field(
        default=_SEED_FILE, description="The service mapping that the tenant starts with, where it has none in Postgres."
    )
    metrics_listen: str | None = Field(
        default=None, description="Where Prometheus metrics are served over HTTP: host:port or unix:/path."
    )
    stop_grace_seconds: float = Field(default=10.0, ge=0, description="How long running calls may take to finish after SIGTERM.")
    keys_file: Path | None = Field(
        default=None, description="JSON file with the keys; without it no token of a third-party server can be kept."
    )
    mcp_http_hosts: frozenset[str] = Field(
        default=frozenset(),
        description="JSON list of hosts that third-party servers may be on without https; this machine is always one.",
    )
    mcp_tokens: dict[str, McpTokenVariable] = Field(
        default_factory=dict,
        description='JSON object of variables with credentials for third-party servers, such as {"JIRA_TOKEN": {"place": '
        '"https://mcp.example.com", "tenants": ["demo"]}}; `place` is an origin, or the program of a server that is started.',
    )
    mcp_stdio_programs: tuple[str, ...] = Field(
        default=(),
        description="JSON list of commands that third-party servers may be started with. Each is a program, with which every "
        "argument is allowed, or a program with the arguments that have to come first. They run as the adapter's user: an "
        "interpreter by itself lets every operator run anything.",
    )
    mcp_stdio_variables: frozenset[str] = Field(
        default=frozenset({"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"}),
        description="JSON list of the variables of the adapter's environment that a started server gets. No other gets there.",
    )
    mcp_check_seconds: float = Field(
        default=60.0,
        gt=0,
        description="How often a third-party server's tools are listed again, where the server does not say how long they stand.",
    )

    @field_validator("mcp_stdio_programs")
    @classmethod
    def _commands_can_be_read(cls, programs: tuple[str, ...]) -> tuple[str, ...]:
        for program in programs:
            if not shlex.split(program):
                raise ValueError("a command is empty")
        return programs

    def stdio_commands(self) -> tuple[tuple[str, ...], ...]:
        """Return what a command has to begin with."""
        return tuple(tuple(shlex.split(program)) for program in self.mcp_stdio_programs)

    def stdio_environment(self) -> dict[str, str]:
        """Return the environment of every server that is started."""
        return {name: os.environ[name] for name in sorted(self.mcp_stdio_variables) if name in os.environ}


def environment_variable(name: str) -> str | None:
    """Return a variable that `mcp_tokens` names; None where it is not set."""
    return os.environ.get(name)
