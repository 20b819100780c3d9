"""Schema migrations: numbered SQL files, replayed in order, each exactly once, each service in its own schema.

Above: `stack` (and a deployment's init step) call `migrate` for every service with the database owner's connection.
Below: `<package>/sql/migrations/NNNN_name.sql`. A file may use `{role}` for the service's own role, which this module
creates; tables belong to the owner, so a service can do to them only what its migrations grant.

A file may also need a library's tables: a line `-- library: <package> in <schema>` brings them up to date before the file is
applied, and at every later `migrate`, from the SQL that the installed library ships (`schema.sql`, and `migrations/` for what
changed since). They lie in a schema of their own, in which the service's role may change rows and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

import psycopg
from psycopg import sql

_LIBRARY = re.compile(r"^-- library: (?P<package>[\w.]+) in (?P<schema>\w+)$", re.MULTILINE)
Connection = psycopg.Connection[tuple[object, ...]]


class MigrationError(Exception):
    """A migration cannot be applied; the message says which and what to do."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A service that owns a schema: `package` holds its migrations, `schema` its tables, `role` its login."""

    package: str
    schema: str
    role: str


@dataclass(frozen=True, kw_only=True)
class Library:
    """A library's tables: `package` holds its SQL, `schema` is where we keep them."""

    package: str
    schema: str


def migration_files(package: str) -> list[tuple[str, str]]:
    """Return (name, text) of each migration of `package`, in order."""
    folder = resources.files(package).joinpath("sql", "migrations")
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [(entry.name, entry.read_text(encoding="utf-8")) for entry in files]


def migrate(url: str, owner: Owner) -> list[str]:
    """Bring `owner`'s schema up to date and return the names of the migrations applied now.

    Runs in one transaction under an advisory lock, so replicas that start together do not race.
    """
    applied: list[str] = []
    with psycopg.connect(url) as connection, connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext('switchboard.migrations'))")
        _ensure_role(connection, owner.role)
        schema = sql.Identifier(owner.schema)
        connection.execute(sql.SQL("create schema if not exists {}").format(schema))
        connection.execute(
            sql.SQL("grant usage on schema {} to {}").format(schema, sql.Identifier(owner.role)),
        )
        connection.execute(
            sql.SQL(
                "create table if not exists {}.migration "
                "(name text primary key, checksum text not null, applied_at timestamptz not null default now())",
            ).format(schema),
        )
        known: dict[str, str] = dict(
            connection.execute(sql.SQL("select name, checksum from {}.migration").format(schema)).fetchall()
        )
        for name, text in migration_files(owner.package):
            for library in _libraries(text):
                applied.extend(_apply_library(connection, library, owner.role))
            checksum = hashlib.sha256(text.encode()).hexdigest()
            if name in known:
                if known[name] != checksum:
                    raise MigrationError(
                        f"migration {owner.schema}/{name} was changed after it had been applied; "
                        "restore its text and add a new migration instead",
                    )
                continue
            connection.execute(text.replace("{role}", f'"{owner.role}"').encode())
            connection.execute(
                sql.SQL("insert into {}.migration (name, checksum) values (%s, %s)").format(schema),
                (name, checksum),
            )
            applied.append(name)
    return applied


def _libraries(text: str) -> list[Library]:
    return [Library(package=found["package"], schema=found["schema"]) for found in _LIBRARY.finditer(text)]


def _apply_library(connection: Connection, library: Library, role: str) -> list[str]:
    """Bring a library's tables up to what the installed version needs and return what was applied."""
    schema, login = sql.Identifier(library.schema), sql.Identifier(role)
    connection.execute(sql.SQL("create schema if not exists {}").format(schema))
    connection.execute(
        sql.SQL(
            "create table if not exists {}.migration (name text primary key, applied_at timestamptz not null default now())"
        ).format(schema)
    )
    known = {name for (name,) in connection.execute(sql.SQL("select name from {}.migration").format(schema)).fetchall()}
    folder = resources.files(library.package)
    steps = sorted(entry.name for entry in folder.joinpath("migrations").iterdir() if entry.name.endswith(".sql"))
    missing = [step for step in steps if step not in known]
    if known and not missing:
        return []
    # A library's SQL names nothing by its schema.
    connection.execute(sql.SQL("set local search_path = {}").format(schema))
    files = [folder.joinpath("migrations", step) for step in missing] if known else [folder.joinpath("schema.sql")]
    for file in files:
        connection.execute(file.read_text(encoding="utf-8").encode())
    connection.execute("set local search_path to default")
    for name in ["schema.sql", *steps]:
        connection.execute(sql.SQL("insert into {}.migration (name) values (%s) on conflict do nothing").format(schema), (name,))
    for grant in (
        "grant usage on schema {schema} to {role}",
        "grant select, insert, update, delete on all tables in schema {schema} to {role}",
        "grant usage on all sequences in schema {schema} to {role}",
        "grant execute on all functions in schema {schema} to {role}",
        "revoke all on {schema}.migration from {role}",
    ):
        connection.execute(sql.SQL(grant).format(schema=schema, role=login))
    return [f"{library.package}/{file.name}" for file in files]


def _ensure_role(connection: Connection, role: str) -> None:
    exists = connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone()
    if not exists:
        connection.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
