"""Schema migrations: numbered SQL files, replayed in order, each exactly once, each service in its own schema.

Above: `stack` (and a deployment's init step) call `migrate` for every service with the database owner's connection.
Below: `<package>/sql/migrations/NNNN_name.sql`. A file may use `{role}` for the service's own role, which this module
creates; tables belong to the owner, so a service can do to them only what its migrations grant.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

import psycopg
from psycopg import sql


class MigrationError(Exception):
    """A migration cannot be applied; the message says which and what to do."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A service that owns a schema: `package` holds its migrations, `schema` its tables, `role` its login."""

    package: str
    schema: str
    role: str


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


def _ensure_role(connection: psycopg.Connection[tuple[object, ...]], role: str) -> None:
    exists = connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone()
    if not exists:
        connection.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
