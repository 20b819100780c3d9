"""A made-up contract, with a tool of every kind that the general rules tell apart, and a policy file for it."""

from __future__ import annotations

import shutil
from pathlib import Path

from dispatch_service.policy import Policies
from dispatch_service.policy.contract import PolicyAction, Vocabulary, contract_vocabulary
from stack.settings import REPOSITORY

SHIPPED = REPOSITORY / "config" / "policies"

_LEVEL = {"free": "level/unrestricted", "soft": "level/soft_limit", "strict": "level/requires_authorization"}
_TOOLS = {
    "look": ("effect/read", "free", False),
    "note": ("effect/write", "free", False),
    "cancel": ("effect/write", "soft", False),
    "invite": ("effect/write", "strict", False),
    "remove": ("effect/destructive", "free", False),
    "expel": ("effect/destructive", "soft", False),
    "void": ("effect/destructive", "strict", False),
    "wipe": ("effect/destructive", "strict", True),
    "deploy": ("effect/write", "free", True),
}

_PERMITS = """
@id("works.owners-and-committees")
permit (principal, action in Action::"server/works", resource)
when { principal.kind == "human" && ["T1", "T2"].contains(principal.tier) };

@id("works.residents")
permit (principal, action in [Action::"tool/works/look", Action::"tool/works/note", Action::"tool/works/cancel"], resource)
when { principal.kind == "human" && principal.tier == "T3" };

@id("works.agents")
permit (principal, action in Action::"server/works", resource)
when { principal.kind == "model" && principal.role == "agent" };
"""


def vocabulary() -> Vocabulary:
    """The made-up contract."""
    actions = [
        PolicyAction(
            id=f"tool/works/{name}",
            server="works",
            tool=name,
            groups=("tool", _LEVEL[level], effect, "server/works", *(["sensitive"] if sensitive else [])),
        )
        for name, (effect, level, sensitive) in _TOOLS.items()
    ]
    return Vocabulary(actions=tuple(actions), facts=contract_vocabulary().facts)


def files(directory: Path, **more: str) -> Path:
    """Fill `directory` with the general rules that are shipped, permits for the made-up contract, and `more` files by name."""
    directory.mkdir(exist_ok=True)
    shutil.copy(SHIPPED / "base.cedar", directory)
    for name, text in {"works": _PERMITS, **more}.items():
        (directory / f"{name}.cedar").write_text(text, encoding="utf-8")
    return directory


def works(directory: Path, **more: str) -> Policies:
    """The policies in force over the made-up contract."""
    return Policies(files(directory, **more), tenant="acme", vocabulary=vocabulary())
