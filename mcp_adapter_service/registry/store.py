"""The registry in Postgres: every change with its audit record in one transaction, one change at a time at a server.

Above: `registration`, `servicer`, `watch`; `cache` reads. Below: `service_kit.postgres` and the named SQL in `sql/registry.sql`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson

from mcp_adapter_service.registry.definition import Definition
from mcp_adapter_service.registry.listing import Listing, Standing, compare
from mcp_adapter_service.registry.records import Author, Check, KeptServer, KeptTool, Key, NewServer, server_of, tool_of
from service_kit.errors import AlreadyExists, Conflict, FailedPrecondition, NotFound
from service_kit.postgres import Connection, Database, load_queries

_SQL = load_queries("mcp_adapter_service", "registry.sql")


class RegistryStore:
    """Reads and changes the registry. Every method may raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def poll(self) -> tuple[int, dict[Key, Check]]:
        """Return the number that every change moves, and how every server was when it was last looked at."""
        rows = await self._database.fetch_all(_SQL["poll"])
        checks = {
            (row["tenant"], row["server"]): Check(checked_at=row["checked_at"], healthy=row["healthy"], message=row["message"])
            for row in rows
            if row["tenant"] is not None
        }
        return (int(rows[0]["generation"]) if rows else 0), checks

    async def versions(self) -> dict[Key, tuple[str, int]]:
        """Return every server's identity and version."""
        rows = await self._database.fetch_all(_SQL["versions"])
        return {(row["tenant"], row["name"]): (row["id"], row["version"]) for row in rows}

    async def servers(self, keys: Sequence[Key]) -> list[KeptServer]:
        """Return the servers of `keys` that there are, with their tools."""
        async with self._database.transaction() as connection:
            return await _read(connection, keys)

    async def add(self, server: NewServer, listing: Listing, author: Author, *, next_check_seconds: float) -> KeptServer:
        """Keep a server with everything that it lists pinned.

        Raises:
            AlreadyExists: the tenant has a server of that name.
        """
        async with self._database.transaction() as connection:
            columns = {name: getattr(server, name) for name in NewServer.__slots__} | {"command": list(server.command)}
            cursor = await connection.execute(
                _SQL["add_server"].encode(), {**columns, "listing_hash": listing.hash, "actor": author.actor}
            )
            if await cursor.fetchone() is None:
                raise AlreadyExists("ALREADY_EXISTS", f"There is a server called {server.name} already; remove it first.")
            key = (server.tenant, server.name)
            await _pin(connection, key, listing, {}, set(listing.tools))
            named = {"tenant": server.tenant, "name": server.name, "next_seconds": next_check_seconds}
            await connection.execute(_SQL["add_check"].encode(), named)
            pins = {name: tool.pin for name, tool in listing.tools.items()}
            at = {"url": server.url} if server.url else {"command": list(server.command)}
            await _note(connection, key, "registered", author, {**at, "pins": pins})
            return (await _read(connection, [key]))[0]

    async def note_listing(self, key: Key, server_id: str, listing: Listing, author: Author) -> list[Standing]:
        """Note what a server lists now where that is new, and return the tools that stand otherwise than before."""
        async with self._locked(key) as (connection, server):
            # Removed or replaced meanwhile: what was listed is of another.
            if server.id != server_id or server.listing_hash == listing.hash:
                return []
            return await _note_drift(connection, server, listing, author)

    async def repin(self, key: Key, listing: Listing, expected_hash: str, tools: Sequence[str], author: Author) -> KeptServer:
        """Accept tools as `listing` has them; all of it where none is named.

        Raises:
            NotFound: there is no such server, or no such tool.
            Conflict: what was looked at is not what is listed.
            FailedPrecondition: a tool cannot be used as it is listed.
        """
        async with self._locked(key) as (connection, server):
            if listing.hash != expected_hash:
                raise Conflict("CONFLICT", "The server lists something else by now; look at it again.")
            known = listing.tools.keys() | listing.unusable.keys() | server.tools.keys()
            for name in tools:
                if name not in known:
                    raise NotFound("NOT_FOUND", "The server has no such tool.")
                if name in listing.unusable:
                    raise FailedPrecondition("TOOL_UNUSABLE", f"The tool cannot be pinned: {listing.unusable[name]}.")
            accepted = set(tools) or known - listing.unusable.keys()
            await _pin(connection, key, listing, server.tools, accepted)
            pins = {name: tool.pin for name, tool in listing.tools.items() if name in accepted}
            await _note(connection, key, "repinned", author, {"listing": listing.hash, "pins": pins})
            return (await _read(connection, [key]))[0]

    async def configure(
        self, key: Key, tool: str, author: Author, *, effect: str, idempotent: bool, permission: str, sensitive: bool
    ) -> KeptTool:
        """Say what we know of a tool. Raises NotFound."""
        said = {"effect": effect, "idempotent": idempotent, "permission": permission, "sensitive": sensitive}
        async with self._locked(key) as (connection, server):
            _tool(server, tool)
            await connection.execute(_SQL["configure_tool"].encode(), {**said, **_named(key), "tool": tool})
            await _note(connection, key, "configured", author, said, tool=tool)
            return _tool((await _read(connection, [key]))[0], tool)

    async def enable(self, key: Key, tool: str, author: Author, *, subject: str, enabled: bool) -> KeptTool:
        """Let a subject, or everybody where it is empty, call a tool, or take that back.

        Raises:
            NotFound: there is no such server, or no such tool.
            FailedPrecondition: the tool was never pinned.
        """
        async with self._locked(key) as (connection, server):
            before = _tool(server, tool)
            if enabled and before.pinned is None:
                raise FailedPrecondition("NOT_PINNED", f"The tool cannot be enabled: {before.reason}.")
            for_all = before.enabled_for_all if subject else enabled
            subjects = {*before.enabled_for} - {subject} | ({subject} if subject and enabled else set())
            who = {"enabled_for_all": for_all, "enabled_for": sorted(subjects)}
            await connection.execute(_SQL["enable_tool"].encode(), {**who, **_named(key), "tool": tool})
            await _note(connection, key, "enabled" if enabled else "disabled", author, {"subject": subject, **who}, tool=tool)
            return _tool((await _read(connection, [key]))[0], tool)

    async def remove(self, key: Key, author: Author) -> None:
        """Forget a server. Raises NotFound."""
        async with self._locked(key) as (connection, server):
            await connection.execute(_SQL["remove_server"].encode(), {"tenant": server.tenant, "name": server.name})
            await _note(connection, key, "removed", author, {"pins": {name: tool.pin for name, tool in server.pinned.items()}})

    @asynccontextmanager
    async def _locked(self, key: Key) -> AsyncIterator[tuple[Connection, KeptServer]]:
        async with self._database.transaction() as connection:
            cursor = await connection.execute(_SQL["lock"].encode(), {"tenant": key[0], "name": key[1]})
            if await cursor.fetchone() is None:
                raise NotFound("NOT_FOUND", "There is no such server.")
            yield connection, (await _read(connection, [key]))[0]


def _tool(server: KeptServer, name: str) -> KeptTool:
    tool = server.tools.get(name)
    if tool is None:
        raise NotFound("NOT_FOUND", "The server has no such tool.")
    return tool


def _named(key: Key) -> dict[str, str]:
    return {"tenant": key[0], "server": key[1]}


async def _read(connection: Connection, keys: Sequence[Key]) -> list[KeptServer]:
    wanted = {"tenants": [tenant for tenant, _ in keys], "names": [name for _, name in keys]}
    heads = await (await connection.execute(_SQL["servers"].encode(), wanted)).fetchall()
    tools: dict[Key, list[KeptTool]] = {}
    for row in await (await connection.execute(_SQL["tools"].encode(), wanted)).fetchall():
        tools.setdefault((row["tenant"], row["server"]), []).append(tool_of(row))
    return [server_of(row, tools.get((row["tenant"], row["name"]), [])) for row in heads]


async def _note_drift(connection: Connection, server: KeptServer, listing: Listing, author: Author) -> list[Standing]:
    """Note how every tool stands to its pin; return those of whom that is news."""
    standings = await _put(connection, server.key, listing, server.pinned, server.tools)
    news = [standing for standing in standings if _is_news(standing, server.tools.get(standing.name))]
    document = {"listing": listing.hash, "tools": {standing.name: standing.drift.value for standing in news}}
    await _note(connection, server.key, "drifted", author, document)
    return news


def _is_news(standing: Standing, before: KeptTool | None) -> bool:
    if before is None:
        return True
    return (before.drift, before.listed and before.listed.pin) != (standing.drift, standing.listed and standing.listed.pin)


async def _pin(
    connection: Connection, key: Key, listing: Listing, before: Mapping[str, KeptTool], accepted: Collection[str]
) -> None:
    """Accept the tools of `accepted` as they are listed; what of them is not listed any more is forgotten."""
    pinned = {name: tool.pinned for name, tool in before.items() if tool.pinned is not None and name not in accepted}
    pinned |= {name: tool for name, tool in listing.tools.items() if name in accepted}
    await _put(connection, key, listing, pinned, before)


async def _put(
    connection: Connection, key: Key, listing: Listing, pinned: Mapping[str, Definition], before: Iterable[str]
) -> list[Standing]:
    """Write down what is pinned and how every tool stands to it."""
    standings = compare(pinned, listing)
    rows = [_row(number, standing, pinned.get(standing.name)) for number, standing in enumerate(standings)]
    parameters = {**_named(key), "tools": orjson.dumps(rows).decode()}
    await connection.execute(_SQL["put_tools"].encode(), parameters)
    kept = {standing.name for standing in standings}
    forgotten = [name for name in before if name not in kept]
    if forgotten:
        await connection.execute(_SQL["drop_tools"].encode(), {**_named(key), "names": forgotten})
    listed = {"tenant": key[0], "name": key[1], "listing_hash": listing.hash}
    await connection.execute(_SQL["put_listing"].encode(), listed)
    return standings


def _row(number: int, standing: Standing, pinned: Definition | None) -> dict[str, Any]:
    # What is kept of a definition is its text, in a string: jsonb would order it anew, and refuse some of it.
    return {
        "name": standing.name,
        "position": number,
        "pin": pinned.pin if pinned else "",
        "pinned": pinned.text if pinned else None,
        "listed": standing.listed.text if standing.listed else None,
        "drift": standing.drift.value,
        "reason": standing.reason,
    }


async def _note(
    connection: Connection, key: Key, what: str, author: Author, document: Mapping[str, Any], *, tool: str = ""
) -> None:
    await connection.execute(
        _SQL["add_history"].encode(),
        {
            **_named(key),
            "tool": tool,
            "what": what,
            "actor": author.actor,
            "correlation_id": author.correlation_id,
            "document": orjson.dumps(document).decode(),
        },
    )
