"""Settings of the Housecall Pro tool server, read once in `__main__`.

Above: `__main__`. Below: the runtime's settings.
"""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

from tool_servers.runtime import ToolServerSettings

_ALL_DAY = 24 * 60


def _read_hours(value: Any) -> Any:
    """Read `08:00-12:00`."""
    if not isinstance(value, str):
        return value
    first, separator, last = value.partition("-")
    if not separator:
        raise ValueError("must be hours such as 08:00-12:00")
    return {"start": first.strip(), "end": last.strip()}


class Hours(BaseModel):
    """A part of the day by the company's clocks: from `start` on, up to and without `end`."""

    model_config = ConfigDict(frozen=True)

    start: time
    end: time

    @field_validator("end")
    @classmethod
    def _after_start(cls, end: time, info: Any) -> time:
        start = info.data.get("start")
        if start is not None and end <= start:
            raise ValueError("must end after it starts")
        return end

    def holds(self, moment: time) -> bool:
        """Say whether `moment` lies in these hours."""
        return self.start <= moment < self.end


DayPart = Annotated[Hours, BeforeValidator(_read_hours)]


class TimeWindows(BaseModel):
    """What morning, afternoon and evening mean at this company."""

    model_config = ConfigDict(frozen=True)

    am: DayPart = Hours(start=time(8), end=time(12))
    pm: DayPart = Hours(start=time(12), end=time(17))
    evening: DayPart = Hours(start=time(17), end=time(20))


class HousecallProSettings(ToolServerSettings):
    """Settings of the Housecall Pro tool server. Times are in seconds unless their names say otherwise."""

    database_url: SecretStr = Field(description="Postgres, as the role switchboard_housecall_pro.")
    housecall_pro_base_url: str = Field(
        default="https://api.housecallpro.com",
        validation_alias=AliasChoices("HOUSECALL_PRO_BASE_URL", "housecall_pro_base_url"),
        pattern=r"^https?://[^\s]+$",
        description="Where the vendor's API is (HOUSECALL_PRO_BASE_URL).",
    )
    housecall_pro_api_key: SecretStr = Field(
        validation_alias=AliasChoices("HOUSECALL_PRO_API_KEY", "housecall_pro_api_key"),
        min_length=1,
        description="The company's API key at the vendor (HOUSECALL_PRO_API_KEY).",
    )
    vendor_connections: int = Field(default=40, ge=1, description="The most connections to the vendor.")
    vendor_timeout: float = Field(default=10.0, gt=0, description="The longest that one call to the vendor may take.")
    company_cache_seconds: float = Field(default=300.0, ge=0, description="How long the company's zone and area are kept.")
    time_windows: TimeWindows = Field(
        default=TimeWindows(),
        description='Morning, afternoon and evening by the company\'s clocks, as JSON: {"am": "08:00-12:00", "pm": '
        '"12:00-17:00", "evening": "17:00-20:00"}.',
    )
    search_days: int = Field(
        default=14, ge=1, le=30, description="How many days are searched where a time of day is wanted and no date."
    )
    max_days_ahead: int = Field(default=365, ge=1, description="How many days ahead a date may lie.")
    lease_seconds: float = Field(
        default=10.0, gt=0, description="How long a process that died keeps others from going on with what it did."
    )
    settle_seconds: float = Field(
        default=30.0,
        ge=0,
        description="How long after a lost reply the vendor may still carry the call out. What is not found before that may yet "
        "appear, so it is not posted again; what is not found after it was never done.",
    )
