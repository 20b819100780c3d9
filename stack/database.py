"""The database as the services see it: made once, migrated for every owner, and one connection string per role.

Above: `switchboard up` before it starts the services, and commands that need a connection string.
Below: the embedded server of `stack.cluster`, or the one SWITCHBOARD_DATABASE_URL names, and `service_kit.migrations`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

from service_kit.migrations import MigrationError, Owner, migrate
from service_kit.postgres import Database, DatabaseRefused, DatabaseUnavailable, translated
from stack.cluster import OWNER
from stack.errors import StackError
from stack.settings import StackSettings
from stack.state import StateDirectory

DATABASE = "switchboard"

OWNERS = (
    Owner(package="dispatch_service", schema="dispatch", role="switchboard_dispatch"),
    Owner(package="mcp_adapter_service", schema="adapter", role="switchboard_adapter"),
    Owner(package="tool_servers.housecall_pro", schema="housecall_pro", role="switchboard_housecall_pro"),
    Owner(
        package="tool_servers.housecall_pro_sandbox",
        schema="housecall_pro_sandbox",
        role="switchboard_housecall_pro_sandbox",
    ),
)


@dataclass(frozen=True, kw_only=True)
class DatabaseAccess:
    """How to reach the database as its owner, and as one service."""

    owner_url: str = field(repr=False)
    embedded: bool

    def url(self, role: str) -> str:
        """The connection string for `role`: its own login on our server, a role taken on after login elsewhere."""
        base, _, text = self.owner_url.partition("?")
        query = parse_qsl(text)
        if self.embedded:
            query = [(name, value) for name, value in query if name != "user"] + [("user", role)]
        else:
            given = " ".join(value for name, value in query if name == "options")
            query = [(name, value) for name, value in query if name != "options"]
            query.append(("options", f"{given} -c role={role}".strip()))
        return f"{base}?{urlencode(query, quote_via=quote)}"


def embedded_access(sockets: Path) -> DatabaseAccess:
    """Access to the embedded server whose socket is in `sockets`."""
    return DatabaseAccess(owner_url=f"postgresql:///{DATABASE}?host={quote(str(sockets))}&user={OWNER}", embedded=True)


def external_access(url: str) -> DatabaseAccess:
    """Access to a server of the user's."""
    return DatabaseAccess(owner_url=url, embedded=False)


def current_access(settings: StackSettings, state: StateDirectory) -> DatabaseAccess:
    """Access to the database of the stack on `state`, for commands beside a running one."""
    if settings.database_url is not None:
        return external_access(settings.database_url.get_secret_value())
    facts = state.run_facts()
    if facts is None or facts.postgres_sockets is None or not state.in_use:
        raise StackError(f"Switchboard does not run on {state.root}, and its database with it; start it with `make run`")
    return embedded_access(facts.postgres_sockets)


async def create_database(maintenance_url: str) -> None:
    """Make our database on the embedded server if it is not there yet."""
    async with _connected(maintenance_url, "the embedded database") as database:
        if not await database.fetch_one("select 1 from pg_database where datname = %(name)s", {"name": DATABASE}):
            await database.fetch_all(f'create database "{DATABASE}"')


async def migrate_all(access: DatabaseAccess, owners: Sequence[Owner] = OWNERS) -> int:
    """Bring every owner's schema up to date and return how many migrations that took."""
    name = "the embedded database" if access.embedded else "the database of SWITCHBOARD_DATABASE_URL"
    applied = 0
    async with _connected(access.owner_url, name) as database:
        await database.fetch_one("select 1")
        for owner in owners:
            async with translated():
                applied += len(await asyncio.to_thread(migrate, access.owner_url, owner))
            if not access.embedded:
                # Making a role does not by itself allow the one we log in as to take it on.
                await database.fetch_all(f'grant "{owner.role}" to current_user')
    return applied


@asynccontextmanager
async def _connected(url: str, name: str) -> AsyncIterator[Database]:
    """A connection for a moment's work, with failures said in one line."""
    database = Database(url, min_size=0, max_size=1, timeout=5.0)
    await database.open()
    try:
        yield database
    except MigrationError as problem:
        raise StackError(str(problem)) from problem
    except DatabaseUnavailable as problem:
        raise StackError(f"{name} cannot be reached, or does not let its user in") from problem
    except DatabaseRefused as problem:
        raise StackError(f"{name} refused to be set up (SQLSTATE {problem.sqlstate}): {problem.__cause__}") from problem
    finally:
        await database.close()
