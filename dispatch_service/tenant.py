"""The company that the actions are for: what the tenant file says.

Above: actions, cards, the catalogue. Below: `config/tenant.json` or the file that `SWITCHBOARD_TENANT_FILE` names.
"""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel


class TenantUnusable(Exception):
    """The tenant file cannot be used; the message says why."""


class Tenant(BaseModel):
    """One company. Keys in cards resolve to `phones` and `links`; nothing else can be dialled or opened from a card."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, extra="forbid")

    tenant_id: str = Field(pattern=r"^[a-z0-9-]{1,63}$", description="The company's id in tokens, journal and tool calls.")
    name: str = Field(min_length=1, max_length=120, description="The company's name, as customers see it.")
    time_zone: str = Field(description="The company's IANA time zone.")
    phones: dict[str, str] = Field(description="E.164 numbers by key; `office` is the one on fallback cards.")
    links: dict[str, str] = Field(description="https addresses by key; `contact` is the one on fallback cards.")
    callback_form: str = Field(default="callback", description="Key of the client's form that asks for a callback.")
    farthest_date_days: int = Field(default=365, gt=0, description="How far ahead a date may lie, in days.")

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        ZoneInfo(value)
        return value

    @field_validator("phones")
    @classmethod
    def _office_number(cls, value: dict[str, str]) -> dict[str, str]:
        if "office" not in value or any(not number.removeprefix("+").isdigit() for number in value.values()):
            raise ValueError("needs the key `office`, and every number in E.164")
        return value

    @field_validator("links")
    @classmethod
    def _https_only(cls, value: dict[str, str]) -> dict[str, str]:
        if "contact" not in value or any(not link.startswith("https://") for link in value.values()):
            raise ValueError("needs the key `contact`, and https addresses only")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The company's time zone."""
        return ZoneInfo(self.time_zone)


def read_tenant(path: Path) -> Tenant:
    """Read the tenant file. Raises TenantUnusable with one line per problem."""
    try:
        return Tenant.model_validate_json(path.read_bytes())
    except OSError as problem:
        raise TenantUnusable(f"cannot read the tenant file {path} ({problem.strerror}); see SWITCHBOARD_TENANT_FILE") from None
    except ValidationError as problem:
        lines = [
            f"tenant file {path}: {'.'.join(map(str, error['loc']))}: {error['msg']}"
            for error in problem.errors(include_url=False)
        ]
        raise TenantUnusable("\n".join(lines)) from None
