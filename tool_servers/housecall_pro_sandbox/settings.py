"""Settings of the sandbox process, read once in `__main__`."""

from __future__ import annotations

import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from service_kit.settings import ServiceSettings


def _known_zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("must be an IANA time zone name such as America/Chicago")
    return name


TimeZoneName = Annotated[str, AfterValidator(_known_zone)]


class Service(BaseModel):
    """An entry of the company's price book that can be booked online."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="What `service_id` of the booking windows names.")
    name: str = Field(description="What the office calls it.")
    duration_minutes: int = Field(ge=15, le=1440, description="How long a visit takes.")
    job_type_id: str = Field(description="What `job_fields.job_type_id` of a job names.")


class Employee(BaseModel):
    """A technician."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="`pro_` and 32 hexadecimal digits.")
    first_name: str
    last_name: str


def _service(number: int, name: str, duration_minutes: int) -> Service:
    return Service(id=f"svc_{number:032x}", name=name, duration_minutes=duration_minutes, job_type_id=f"jbt_{number:032x}")


# The ids are fixed, so that a seeded service mapping can name them.
PRICE_BOOK = (
    _service(1, "Drain cleaning", 60),
    _service(2, "AC tune-up", 90),
    _service(3, "Water heater repair", 120),
    _service(4, "Whole-home inspection", 180),
)
EMPLOYEES = (
    Employee(id=f"pro_{1:032x}", first_name="Ada", last_name="Field"),
    Employee(id=f"pro_{2:032x}", first_name="Ben", last_name="Wrench"),
    Employee(id=f"pro_{3:032x}", first_name="Cleo", last_name="Pipe"),
)


class SandboxSettings(ServiceSettings):
    """Settings of the sandbox. The company's zone, service area and capacity are only its state's first values."""

    database_url: SecretStr = Field(description="Postgres, as the role that owns nothing and uses the sandbox's schema.")
    sandbox_api_key: SecretStr = Field(default=SecretStr("sandbox-key"), description="The key in `Authorization: Token <key>`.")
    sandbox_company_name: str = Field(default="Sandbox Home Services", description="The company's name.")
    sandbox_time_zone: TimeZoneName = Field(default="America/Chicago", description="The company's IANA time zone.")
    sandbox_zip_codes: tuple[str, ...] = Field(default=(), description="ZIP codes served; empty means everywhere.")
    sandbox_capacity: int = Field(default=3, ge=0, description="How many jobs can take place at the same time.")
    sandbox_services: tuple[Service, ...] = Field(default=PRICE_BOOK, description="The price book, as JSON.")
    sandbox_employees: tuple[Employee, ...] = Field(default=EMPLOYEES, description="The technicians, as JSON.")

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
