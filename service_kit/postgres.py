"""Postgres for the services: the one place that imports the driver's pool and translates its errors.

Above: `journal`-like modules, which hold a `Database` and named SQL. Below: psycopg 3 and its pool.

Errors:
    DatabaseError
    ├── DatabaseUnavailable   the server cannot be reached or dropped the connection; the statement may have run
    └── DatabaseRefused       the server answered with an error; the statement did not take effect
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

Connection = psycopg.AsyncConnection[DictRow]


class DatabaseError(Exception):
    """Something went wrong in Postgres. The driver's text stays in `__cause__` and reaches no client."""


class DatabaseUnavailable(DatabaseError):
    """The server cannot be reached or dropped the connection. Whether the statement took effect is unknown."""


class DatabaseRefused(DatabaseError):
    """The server refused the statement; it had no effect. `sqlstate` is its five-character code."""

    def __init__(self, message: str, sqlstate: str | None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turn driver errors raised inside into the tree above."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as problem:
        raise DatabaseUnavailable("Postgres cannot be reached") from problem
    except psycopg.Error as problem:
        raise DatabaseRefused("Postgres refused the statement", problem.sqlstate) from problem


class Database:
    """A pool of connections to one database, opened once per process.

    `timeout` (seconds) bounds the wait for a free connection. Connections are in autocommit mode: a transaction is
    opened where it is meant, with `transaction()`.
    """

    def __init__(self, url: str, *, min_size: int = 1, max_size: int = 8, timeout: float = 2.0) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=min_size,
            max_size=max_size,
            timeout=timeout,
            open=False,
            kwargs={"autocommit": True, "row_factory": dict_row, "connect_timeout": 3},
            # Autocommit ping on check-out costs a round trip; broken connections are replaced after their first failure.
            reconnect_timeout=5.0,
        )

    async def open(self) -> None:
        """Start filling the pool; does not wait for the server, so that a service can start before its database."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A pooled connection in autocommit mode, with driver errors translated."""
        async with translated(), self._pool.connection() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A pooled connection inside one transaction, with driver errors translated."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch_all(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[DictRow]:
        """Run one statement on its own and return its rows."""
        async with self.connection() as connection:
            cursor = await connection.execute(sql.encode(), parameters)
            return await cursor.fetchall() if cursor.description else []

    async def fetch_one(self, sql: str, parameters: Mapping[str, Any] | None = None) -> DictRow | None:
        """Run one statement on its own and return its first row, or None."""
        rows = await self.fetch_all(sql, parameters)
        return rows[0] if rows else None


_QUERY = re.compile(r"^-- name: (?P<name>\w+)\s*$", re.MULTILINE)


def load_queries(package: str, file: str = "queries.sql") -> dict[str, str]:
    """Read named SQL from `<package>/sql/<file>`: each statement follows a line `-- name: its_name`."""
    text = resources.files(package).joinpath("sql", file).read_text(encoding="utf-8")
    parts = _QUERY.split(text)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
