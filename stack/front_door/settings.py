"""What a front door can be told: one typed, frozen record that the caller fills; nothing here reads the environment.

Above: `stack.envoy_config` renders it. Below: pydantic.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

KIB = 1024
MIB = 1024 * KIB


def _address(value: str) -> str:
    """Accept `unix:/absolute/path` or `host:port`."""
    if value.startswith("unix:"):
        if not value.startswith("unix:/"):
            raise ValueError("a unix address is unix:/absolute/path")
        if len(value) - len("unix:") > 107:
            raise ValueError("the socket's path is longer than the 107 bytes that the kernel takes")
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("an address is unix:/absolute/path or host:port")
    return value


Address = Annotated[str, AfterValidator(_address)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenIssuer(_Record):
    """One issuer whose tokens are accepted. Exactly one of `jwks`, `jwks_file` and `jwks_uri` says where its keys are."""

    issuer: str = Field(min_length=1, description="The token's `iss`, exactly.")
    audiences: tuple[str, ...] = Field(min_length=1, description="A token must name one of these in `aud`.")
    jwks: str | None = Field(default=None, description="The key set itself, as JSON.")
    jwks_file: Path | None = Field(default=None, description="A file with the key set; Envoy reads it at start.")
    jwks_uri: str | None = Field(default=None, description="http(s) URL of the key set; Envoy fetches and caches it.")

    @model_validator(mode="after")
    def _one_key_source(self) -> TokenIssuer:
        if sum(source is not None for source in (self.jwks, self.jwks_file, self.jwks_uri)) != 1:
            raise ValueError("give exactly one of jwks, jwks_file and jwks_uri")
        if self.jwks is not None:
            # Envoy would start and refuse every token; say it here instead. Keys are not quoted.
            try:
                keys = json.loads(self.jwks)["keys"]
            except (ValueError, KeyError, TypeError):
                raise ValueError('jwks is not a JSON key set: {"keys": [...]}') from None
            if not keys:
                raise ValueError("jwks holds no key")
        return self


class UpstreamTls(_Record):
    """How a service is called: with what certificate, and what the other side's has to say."""

    certificate: Path
    key: Path
    authority: Path = Field(description="Authority that the other side's certificate is from.")
    identity: str = Field(min_length=1, description="The URI that the other side's certificate names, exactly.")


class RateLimit(_Record):
    """A token bucket: `burst` calls at once, refilled at `per_second`."""

    per_second: int = Field(ge=1)
    burst: int = Field(ge=1)

    def share(self, part: float) -> RateLimit:
        """A bucket of that part of this one, of at least one call."""
        return RateLimit(per_second=max(1, int(self.per_second * part)), burst=max(1, int(self.burst * part)))


class HttpUpstream(_Record):
    """A plain HTTP service behind the door (the model gateway at `/mcp`, say); its replies are passed on as they are."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    prefix: str = Field(pattern=r"^/[^?#]*$", description="Path or path prefix, by whole segments.")
    endpoints: tuple[Address, ...] = Field(min_length=1)
    token_required: bool = True
    methods: tuple[str, ...] = Field(default=(), description="The HTTP methods that it takes; empty for all of them.")
    tls: UpstreamTls | None = Field(default=None, description="How it is called where it listens on TCP with TLS.")
    timeout_seconds: float = Field(default=0, ge=0, description="0 for none: its replies may be streams.")


class EnvoySettings(_Record):
    """Everything that one front door's configuration is made from."""

    listen: Address = Field(default="127.0.0.1:8080", description="The one port: HTTP/1.1 and HTTP/2 without TLS.")
    image: Path = Field(description="The contract's descriptor image (gen/contract.binpb).")
    dispatch: tuple[Address, ...] = Field(min_length=1, description="Every dispatch_service endpoint.")
    dispatch_tls: UpstreamTls | None = Field(
        default=None, description="None calls in plain text, which dispatch_service takes only where it was told to."
    )
    issuers: tuple[TokenIssuer, ...] = Field(min_length=1)

    internal_packages: tuple[str, ...] = Field(
        default=("switchboard.adapter.",),
        description="Packages that are not reachable through the door, by prefix, whatever their annotations say.",
    )
    token_optional: tuple[str, ...] = Field(
        default=(
            "/api/actions/dispatch",
            "/api/services",
            "/api/site",
            "/api/assets",
            "/switchboard.dispatch.",
            "/switchboard.catalog.",
            "/switchboard.asset.",
        ),
        description="Paths that may be called without a token; every other one needs it. By whole segments, or by "
        "prefix where the entry ends in a dot. A token that is sent is checked.",
    )
    token_ignored: tuple[str, ...] = Field(
        default=("/healthz", "/switchboard.health."),
        description="Paths on which no token is looked at, so that they answer whatever becomes of the issuers' keys; "
        "matched as `token_optional` is.",
    )
    certificate_authorities: Path = Field(
        default=Path("/etc/ssl/certs/ca-certificates.crt"),
        description="PEM file of the authorities that an issuer's https `jwks_uri` is checked against.",
    )
    allowed_origins: tuple[str, ...] = Field(
        default=(), description="Origins of browsers (scheme://host[:port]) that may call from another site."
    )

    body_limit_bytes: int = Field(default=256 * KIB, ge=1)
    upload_limit_bytes: int = Field(
        default=6 * MIB, ge=1, description="Body limit of RPCs whose HTTP body is raw bytes (google.api.HttpBody)."
    )
    reply_limit_bytes: int = Field(default=16 * MIB, ge=1, description="Largest JSON reply; a larger one is a 500.")
    dispatch_timeout_seconds: float = Field(default=35, gt=0, description="For the paths in `slow_paths`.")
    timeout_seconds: float = Field(default=10, gt=0, description="For all other calls that are not streams.")
    slow_paths: tuple[str, ...] = Field(
        default=(
            "/api/actions/dispatch",
            "/api/tools",
            "/api/authorizations",
            "/api/servers",
            "/switchboard.dispatch.",
            "/switchboard.tool.",
            "/switchboard.tools.",
            "/switchboard.authorization.",
            "/switchboard.registry.",
        ),
        description="Paths that wait for a tool; matched as `token_optional` is.",
    )

    limited_paths: tuple[str, ...] = Field(
        default=("/api/actions/dispatch", "/api/assets", "/switchboard.dispatch.", "/switchboard.asset."),
        description="Public paths under the rate limits, each with its own bucket; matched as `token_optional` is.",
    )
    rate_limit: RateLimit | None = Field(
        default=RateLimit(per_second=200, burst=400),
        description="Per limited path, all callers together; None lifts it.",
    )
    rate_limit_share_per_address: float = Field(
        default=0.5, gt=0, le=1, description="What part of both figures one client address may use; 1 for all of it."
    )

    health_checks: bool = Field(
        default=True,
        description="Ask each endpoint grpc.health.v1 once a second; one that does not answer gets no calls.",
    )
    trusted_proxies: int = Field(
        default=0, ge=0, description="Proxies in front whose x-forwarded-for is believed; 0 makes this the outermost."
    )
    upstreams: tuple[HttpUpstream, ...] = Field(default=(), description="Further services behind the door.")
    access_log: Path | Literal["stdout", "stderr", "none"] = Field(default="stdout")
    admin: Address | None = Field(default=None, description="Envoy's admin interface: a unix socket or loopback port.")
