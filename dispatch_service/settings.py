"""The dispatch service's settings, read once in `app.py`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from service_kit.tls import TlsSettings


class DispatchSettings(TlsSettings):
    """Settings of the dispatch service."""

    database_url: str = Field(description="Postgres connection string of the service's own role.")
    adapter_target: str = Field(description="gRPC target of the adapter, such as `unix:/run/switchboard/adapter.sock`.")
    keys_file: Path = Field(description="JSON file with the keys for hashing, sealing and signing.")
    tenant_file: Path = Field(description="JSON file that describes the company.")
    policy_directory: Path = Field(
        default=Path("config/policies"), description="Directory of the Cedar policy files; a change is taken up at once."
    )
    metrics_listen: str = Field(default="", description="Where Prometheus metrics are served, `host:port`; empty for nowhere.")
    call_seconds: float = Field(default=30.0, gt=0, description="Longest time that a caller waits for an action, in seconds.")
    tool_seconds: float = Field(default=25.0, gt=0, description="Longest time that a tool may take, in seconds.")
    derived_window_seconds: float = Field(
        default=120.0, ge=0, description="Within this time the same action without a key counts as a repetition, in seconds."
    )
    journal_lease_seconds: float = Field(
        default=5.0, gt=0.5, description="A process that shows no life for this long has its actions taken over, in seconds."
    )
    journal_batch: int = Field(default=256, ge=1, description="Most actions that share one commit.")
    journal_timeout_seconds: float = Field(default=5.0, gt=0, description="Longest time that one commit may take, in seconds.")
    authorization_hours: float = Field(
        default=72.0, gt=0, description="How long a call waits for a person before it is given up, in hours."
    )
    authorization_kept_days: float = Field(
        default=30.0, gt=0, description="How long the result of a call that a person allowed can be asked for, in days."
    )
    journal_retention_months: int = Field(
        default=24, ge=1, description="How many whole months of the journal are kept besides the present one."
    )
    key_retention_days: float = Field(
        default=30.0, ge=1, description="How long an idempotency key is remembered with its answer, in days."
    )
    draft_retention_days: float = Field(
        default=30.0, gt=0, description="How long the draft of a guided booking is kept after its last step, in days."
    )
    asset_retention_days: float = Field(
        default=30.0, gt=0, description="How long an uploaded picture is kept that no request names, in days."
    )
    asset_bytes: int = Field(default=5 * 1024 * 1024, gt=0, description="Largest picture that is taken, in bytes.")
    people_issuer: str = Field(
        default="https://switchboard.local/people",
        min_length=1,
        description="`iss` of people's tokens, such as https://securetoken.google.com/PROJECT: whoever it names is human.",
    )
    visitor_rate_per_second: float = Field(
        default=20.0,
        ge=0,
        description="Calls per second that one session without a token may make from one address, at each process; 0: no limit.",
    )
    visitor_burst: int = Field(default=100, ge=1, description="How many of them at once.")
    services_issuer: str = Field(
        default="https://switchboard.local/services",
        min_length=1,
        description="`iss` of the tokens of services and agents: whoever it names is never human.",
    )
