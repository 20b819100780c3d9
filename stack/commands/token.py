"""`switchboard token`: print a development token and nothing else, signed with the stack's own key for people or for services."""

from __future__ import annotations

import argparse
import json
from typing import Any

from stack.development_identity import ROLES, load_development_identity
from stack.errors import StackError
from stack.issuers import require_development_issuer
from stack.settings import load_stack_settings
from stack.state import StateDirectory
from stack.tenant import tenant_id


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--role", required=True, choices=ROLES, help="what its bearer is")
    parser.add_argument("--tenant", help="whose data it is for (default: the tenant of SWITCHBOARD_TENANT_FILE)")
    parser.add_argument("--subject", help="who its bearer is (default: dev-ROLE)")
    parser.add_argument(
        "--claim",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="a further claim; VALUE is JSON if it reads as JSON, else text",
    )
    parser.add_argument("--expires", type=int, default=3600, metavar="SECONDS", help="how long it is valid (3600)")


def run(options: argparse.Namespace) -> int:
    """Print the token."""
    settings = load_stack_settings()
    require_development_issuer(settings, options.role)
    identity = load_development_identity(StateDirectory(settings.state))
    token = identity.token(
        role=options.role,
        tenant=options.tenant or tenant_id(settings.tenant_file),
        subject=options.subject or f"dev-{options.role}",
        claims=dict(_claim(text) for text in options.claim),
        expires=options.expires,
    )
    print(token)
    return 0


def _claim(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise StackError(f"--claim takes NAME=VALUE, not {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
