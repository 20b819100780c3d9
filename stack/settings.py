"""The stack's own settings, and what of the user's environment the services get to see.

Above: every command of `switchboard`. Below: the process environment, which only this module reads.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stack.errors import StackError

REPOSITORY = Path(__file__).resolve().parent.parent

# The vendor's real address; its sandbox takes this key and no other.
VENDOR_BASE_URL = "https://api.housecallpro.com"
SANDBOX_API_KEY = "sandbox-key"


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

    @field_validator("state", "tenant_file")
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
_NOT_INHERITED = ("HOUSECALL_PRO_", "SWITCHBOARD_DATABASE_URL", "SWITCHBOARD_LISTEN", "PGPASSWORD")


def inherited_environment() -> dict[str, str]:
    """The user's environment without what only one process may see."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
