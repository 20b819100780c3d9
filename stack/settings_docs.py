"""`make gen` also writes `docs/settings.md`: every setting of every process, read off the typed settings classes.

Above: `stack.contract_gen`. Below: the settings classes, which are the only place where a setting is described.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dispatch_service.settings import DispatchSettings
from mcp_adapter_service.settings import AdapterSettings, McpServerSettings
from model_gateway.settings import GatewaySettings
from stack.settings import REPOSITORY, StackSettings
from tool_servers.housecall_pro.settings import HousecallProSettings
from tool_servers.housecall_pro_sandbox.settings import SandboxSettings

FILE = REPOSITORY / "docs" / "settings.md"

_LONGEST_DEFAULT = 80
_INTRODUCTION = """# Settings

Written by `make gen` from the settings classes; do not edit. Every setting comes from the environment. `make run` sets what a
process needs to find the others; what you set yourself reaches every process that has the setting. A bad value ends the
process with one line that names it.
"""
_SECTIONS: tuple[tuple[str, str, type[BaseModel], str], ...] = (
    ("The stack", "`make run` and the `switchboard` command.", StackSettings, ""),
    ("dispatch_service", "", DispatchSettings, ""),
    ("mcp_adapter_service", "", AdapterSettings, ""),
    (
        "An MCP server behind the adapter",
        "`NAME` is the server's name in capitals, such as `HOUSECALL_PRO`.",
        McpServerSettings,
        "SWITCHBOARD_MCP__NAME__",
    ),
    ("model_gateway", "", GatewaySettings, ""),
    ("tool_servers/housecall_pro", "", HousecallProSettings, ""),
    ("tool_servers/housecall_pro_sandbox", "", SandboxSettings, ""),
)


def render() -> str:
    """Return the text of the page."""
    parts = [_INTRODUCTION]
    for title, note, cls, prefix in _SECTIONS:
        parts += [f"\n## {title}\n", f"\n{note}\n" if note else "", "\n| setting | default | what it is |\n|---|---|---|\n"]
        parts += [f"| `{name}` | {default} | {description} |\n" for name, default, description in _rows(cls, prefix)]
    return "".join(parts)


def _rows(cls: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    own = prefix or str(cls.model_config.get("env_prefix", ""))
    for name, field in cls.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            alias = str(alias.choices[0])
        shown = alias if isinstance(alias, str) else own + name.upper()
        yield shown, _default(field), (field.description or "").replace("|", "\\|").replace("\n", " ")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value is None or value in ("", (), frozenset(), {}):
        return "none"
    if isinstance(value, Path):
        value = value.relative_to(REPOSITORY) if value.is_relative_to(REPOSITORY) else value
    if isinstance(value, frozenset):
        value = sorted(value)  # A set has another order each time.
    if isinstance(value, BaseModel):
        value = value.model_dump_json()
    return f"`{value}`" if len(str(value)) <= _LONGEST_DEFAULT else "see the class"
