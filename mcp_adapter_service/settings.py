"""Settings of the adapter process, read once in `app`. The servers and their credentials come from the environment only."""

from __future__ import annotations

from pathlib import Path

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, SecretStr

from service_kit.tls import TlsSettings

_SEED_FILE = Path(__file__).resolve().parent.parent / "config" / "services.json"


class McpServerSettings(BaseModel):
    """One MCP server. Environment names are `SWITCHBOARD_MCP__<NAME>__` plus the field name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: AnyHttpUrl = Field(description="Where the server speaks MCP, such as http://127.0.0.1:9000/mcp.")
    token: SecretStr | None = Field(
        default=None, description="Bearer token. For our own tool servers it also signs the principal."
    )
    timeout_seconds: float = Field(default=25.0, gt=0, description="The longest that one call may take, retries included.")
    max_attempts: int = Field(default=3, ge=1, description="Attempts of one call, where repeating it is safe.")
    breaker_failures: int = Field(default=5, ge=1, description="Failures in a row after which the server is left alone.")
    breaker_cooldown_seconds: float = Field(default=5.0, gt=0, description="How long it is left alone.")
    concurrency: int = Field(default=64, ge=1, description="Calls in flight at one time.")
    queue: int = Field(default=256, ge=0, description="Calls that may wait for a place.")
    idempotent_tools: frozenset[str] = Field(
        default=frozenset(),
        description="JSON list of tools of a foreign server of which we know that one idempotency key has one effect.",
    )
    read_tools: frozenset[str] = Field(
        default=frozenset(), description="JSON list of tools of a foreign server of which we know that they change nothing."
    )


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
