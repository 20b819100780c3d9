"""The settings that every tool server has; a server adds its own in a subclass.

Above: each server's `settings.py`. Below: `service_kit.settings`.
"""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from service_kit.settings import ServiceSettings


class ToolServerSettings(ServiceSettings):
    """Settings of a tool server. `listen` takes host:port only: MCP clients speak HTTP over TCP."""

    tool_token: SecretStr = Field(
        min_length=32,
        description="The bearer token that callers send. The adapter also signs principals with it.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Host names (without port) that callers may use besides the loopback names and the listening address.",
    )
    hand_use_tenant: str = Field(
        default="",
        description="For trying a server by hand: calls without a principal act for this tenant, and writes without an "
        "idempotency key get a fresh one. Empty in every deployment.",
    )
    default_timeout: float = Field(default=30.0, gt=0, description="Seconds that a call may take that brings no deadline.")
    max_timeout: float = Field(default=120.0, gt=0, description="The most seconds that a call may take, whatever it asks for.")
    max_body_bytes: int = Field(default=1 << 20, ge=1024, description="The largest request body that is read.")
    shutdown_grace: int = Field(default=10, ge=0, description="Seconds that calls in flight get to end at a shutdown.")

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, listen: str) -> str:
        host, separator, port = listen.rpartition(":")
        if not separator or not host or host == "unix" or not port.isdigit() or int(port) > 65535:
            raise ValueError("must be host:port, such as 127.0.0.1:9100")
        return listen

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)
