"""`switchboard policy`: check the policy files, explain a decision, or see what would be decided otherwise under other files."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stack.database import current_access
from stack.errors import StackError
from stack.settings import load_stack_settings
from stack.state import StateDirectory
from stack.tenant import tenant_id

if TYPE_CHECKING:
    from dispatch_service.policy import Policies

_KIND_OF = {"service": "service", "agent": "model"}
_AGE = re.compile(r"(\d{1,4})([mhd])")
_UNIT = {"m": "minutes", "h": "hours", "d": "days"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the three things to do and their options."""
    what = parser.add_subparsers(title="what to do", metavar="check|explain|replay", required=True, dest="what")
    check = what.add_parser("check", help="check syntax, the schema, ids and reasons", description=_check.__doc__)
    check.add_argument("--quiet", action="store_true", help="say nothing when all is well")
    explain = what.add_parser("explain", help="say what is decided, and by which policies", description=_explain.__doc__)
    _add_question(explain)
    replay = what.add_parser("replay", help="decide the log's actions again", description=_replay.__doc__)
    replay.add_argument("--since", type=_age, default=timedelta(days=30), metavar="AGE", help="30d, 12h or 90m (default: 30d)")
    for part in (check, explain, replay):
        part.add_argument("--directory", type=Path, help="policy files to use (default: SWITCHBOARD_POLICY_DIRECTORY)")
    for part in (explain, replay):
        part.add_argument("--tenant", help="whose (default: the tenant of SWITCHBOARD_TENANT_FILE)")


def _add_question(parser: argparse.ArgumentParser) -> None:
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--tool", metavar="SERVER/TOOL", help="a tool called by its name")
    action.add_argument("--action", metavar="NAME", help="a card action")
    parser.add_argument("--role", required=True, help="operator, customer, visitor, service, agent, or another word")
    parser.add_argument("--kind", choices=("human", "service", "model"), help="default: what the role usually is")
    parser.add_argument("--subject", default="somebody", help="who asks")
    parser.add_argument("--of", metavar="TENANT", help="the company that the caller's token is for (default: --tenant)")
    parser.add_argument("--tier", default="", choices=("T1", "T2", "T3"), help="the caller's tier")
    parser.add_argument("--owner", default="", help="the caller's portfolio")
    parser.add_argument("--building", action="append", default=[], help="a building of the caller's; may be repeated")
    parser.add_argument("--resident", default="", help="the resident that the caller is")
    parser.add_argument("--arguments", type=_object, default={}, metavar="JSON", help="what the call is made with")
    parser.add_argument("--facts", type=_object, metavar="JSON", help="what a preview found out, by PreviewFacts' field names")
    parser.add_argument("--reasoning", action="store_true", help="the caller says why")
    parser.add_argument("--authorized", action="store_true", help="a person has allowed it")


def run(options: argparse.Namespace) -> int:
    """Do it. Exit status 1 where the policies do not pass."""
    parts = {"check": _check, "explain": _explain, "replay": _replay}
    return parts[options.what](options)


def _check(options: argparse.Namespace) -> int:
    """Check the policy files. Exit status 1, with a line for each problem, where they do not pass."""
    policies = _policies(options, tenant="")
    if not options.quiet:
        print(f"ok: {policies.summary}")
    return 0


def _explain(options: argparse.Namespace) -> int:
    """Say what is decided for a caller and a call, why, and by which policies. Needs no running stack."""
    from dispatch_service.policy import Question
    from dispatch_service.policy.explanation import NotAsked, explain, named
    from dispatch_service.principal import Principal

    tenant = _tenant(options)
    action = f"card/{options.action}" if options.action else f"tool/{options.tool}"
    try:
        scope, items = named(action, options.arguments)
        principal = Principal(
            tenant=tenant if options.of is None else options.of,
            subject=options.subject,
            kind=options.kind or _KIND_OF.get(options.role, "human"),
            role=options.role,
            tier=options.tier,
            owner=options.owner,
            buildings=tuple(options.building),
            resident=options.resident,
        )
        question = Question(
            principal=principal,
            action=action,
            scope=scope,
            facts=options.facts,
            items=items,
            reasoning=options.reasoning,
            authorized=options.authorized,
        )
        print("\n".join(explain(_policies(options, tenant=tenant), question)))
    except NotAsked as problem:
        raise StackError(str(problem)) from None
    return 0


def _replay(options: argparse.Namespace) -> int:
    """Decide the journal's actions again and print what would differ. Reads the running stack's database."""
    from dispatch_service.policy.replay import replay, report
    from service_kit.postgres import Database, DatabaseError

    settings = load_stack_settings()
    tenant = _tenant(options)
    policies = _policies(options, tenant=tenant)
    access = current_access(settings, StateDirectory(settings.state))

    async def read() -> list[str]:
        database = Database(access.url("switchboard_dispatch"), min_size=0, max_size=1, timeout=5.0)
        await database.open()
        try:
            found = await replay(database, policies, tenant=tenant, since=datetime.now(UTC) - options.since)
        except DatabaseError:
            raise StackError("the journal cannot be read; is the stack running, and has it been started once?") from None
        finally:
            await database.close()
        return report(found)

    print("\n".join(asyncio.run(read())))
    return 0


def _policies(options: argparse.Namespace, *, tenant: str) -> Policies:
    # Loaded only here: Cedar and the generated code are much to load for every other command.
    from dispatch_service.policy import Policies, PoliciesUnusable

    try:
        return Policies(options.directory or load_stack_settings().policy_directory, tenant=tenant)
    except PoliciesUnusable as problem:
        raise StackError("\n".join(["the policies do not pass", *problem.problems])) from None


def _tenant(options: argparse.Namespace) -> str:
    return options.tenant or tenant_id(load_stack_settings().tenant_file)


def _object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise argparse.ArgumentTypeError("not a JSON object")
    return document


def _age(text: str) -> timedelta:
    match = _AGE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError("write it as 30d, 12h or 90m")
    return timedelta(**{_UNIT[match[2]]: int(match[1])})
