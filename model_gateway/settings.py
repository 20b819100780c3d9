"""The model gateway's settings, read once in `__main__`."""

from __future__ import annotations

from pydantic import Field, field_validator

from service_kit.tls import TlsSettings


class GatewaySettings(TlsSettings):
    """Settings of the model gateway. `listen` is a unix socket, which only this user may open, or host:port with TLS."""

    dispatch_target: str = Field(
        description="gRPC targets of dispatch_service, separated by commas, such as `unix:/run/switchboard/dispatch.sock`."
    )
    console_url: str = Field(
        default="http://127.0.0.1:8080",
        pattern=r"^https?://[^\s?#]+$",
        description="Where people find the console; they decide what waits at its `/authorizations`.",
    )
    allowed_origins: tuple[str, ...] = Field(
        default=(),
        description="Web sites (JSON list of scheme://host[:port]) whose pages may call, besides this machine's.",
    )
    metrics_listen: str = Field(default="", description="Where Prometheus metrics are served, `host:port`; empty for nowhere.")
    call_seconds: float = Field(
        default=35.0, gt=0, description="Longest time that dispatch_service may take for one call, in seconds; more than its own."
    )
    decision_seconds: float = Field(
        default=20.0,
        ge=0,
        description="How long a call waits for the decision once its client has sent somebody to the console, in seconds; after "
        "that it answers that it is queued.",
    )
    elicitation_seconds: float = Field(
        default=120.0, gt=0, description="How long a client of the older revision may take to say whether its user goes there."
    )
    page_size: int = Field(default=500, ge=1, description="How many tools one page of the list holds.")
    session_idle_seconds: float = Field(
        default=1800.0, gt=0, description="After how long without a request a session of the older revision ends, in seconds."
    )
    max_sessions: int = Field(default=5000, ge=1, description="The most sessions of the older revision at a time.")
    max_body_bytes: int = Field(default=1 << 20, ge=1024, description="The largest request body that is read.")
    shutdown_grace: int = Field(default=5, ge=0, description="Seconds that calls in flight get to end at a shutdown.")

    @field_validator("listen")
    @classmethod
    def _socket_or_port(cls, listen: str) -> str:
        host, colon, port = listen.rpartition(":")
        if listen.startswith("unix:/") or (colon and host and host != "unix" and port.isdigit() and int(port) <= 65535):
            return listen
        raise ValueError("must be unix:/path/to.sock or host:port")
