"""The base of every service's settings class.

Above: one `settings.py` per service, a frozen typed class read once in its composition root.
Below: pydantic-settings, which reads the process environment. Nothing else in the project reads it.
"""

from __future__ import annotations

import sys
from typing import TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

SettingsT = TypeVar("SettingsT", bound="ServiceSettings")


class ServiceSettings(BaseSettings):
    """Settings that every service process has.

    Environment names are `SWITCHBOARD_` plus the field name in capitals; nested fields are joined by `__`.
    """

    model_config = SettingsConfigDict(env_prefix="SWITCHBOARD_", env_nested_delimiter="__", frozen=True, extra="ignore")

    log_level: str = Field(default="INFO", description="Lowest level that is logged: DEBUG, INFO, WARNING or ERROR.")
    listen: str = Field(
        description="Where this process listens: `unix:/path/to.sock` or `host:port`.",
    )


def load_settings(cls: type[SettingsT]) -> SettingsT:
    """Read `cls` from the environment, or end the process with one line per bad setting (exit status 2).

    Values are not printed: a setting may be a secret.
    """
    try:
        return cls()
    except ValidationError as problem:
        for error in problem.errors(include_input=False, include_url=False):
            name = _environment_name(cls, [str(part) for part in error["loc"]])
            print(f"setting {name}: {error['msg']}", file=sys.stderr)
        raise SystemExit(2) from None
    except SettingsError as problem:
        # A list or an object that is not JSON; the text names the field and not the value.
        print(f"settings: {problem}; lists and objects have to be JSON", file=sys.stderr)
        raise SystemExit(2) from None


def _environment_name(cls: type[ServiceSettings], location: list[str]) -> str:
    """Return the name that a setting has in the environment; an alias is the whole name by itself."""
    prefix = str(cls.model_config.get("env_prefix", "")) if location and location[0] in cls.model_fields else ""
    return prefix + "__".join(location).upper()
