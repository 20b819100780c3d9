"""What the proving server knows and has done, in one SQLite file that tests and server share.

Above: `server` writes, tests read and set the scene. Below: SQLite, which keeps what was committed when a process is killed.

An effect and the answer that belongs to its idempotency key are one transaction: whatever has two effects for one key was called
twice with the key lost, and that is what tests look for.
"""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
create table if not exists thing (
    id text primary key, state text, amount_cents integer, related_records integer, owner text, building text, resident text);
create table if not exists effect (
    number integer primary key autoincrement, id text, tool text, key text, tenant text, subject text, thing_id text);
create table if not exists done (
    tenant text, tool text, key text, fingerprint text, effect_ids text, primary key (tenant, tool, key));
create table if not exists call (number integer primary key autoincrement, tool text, key text, dry_run integer);
create table if not exists switch (number integer primary key autoincrement, tool text, kind text, seconds real, times integer);
"""
_NEW_THINGS = (
    # id, state, amount_cents, related_records, owner, building, resident
    ("thing-1", "open", 450_000, 15, "o-1", "b-1", "r-1"),
    ("thing-2", "open", 0, 0, "o-1", "b-2", "r-2"),
    ("thing-3", "paid", 9_900, 1, "o-2", "b-3", "r-3"),
)


class KeyReused(Exception):
    """The idempotency key was used with other arguments."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Thing:
    """One thing. `state` may be anything; `removed` is as good as absent."""

    id: str
    state: str = "open"
    amount_cents: int = 0
    related_records: int = 0
    owner: str = ""
    building: str = ""
    resident: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """One effect that was had. `key` is the idempotency key as the tool server saw it."""

    id: str
    tool: str
    key: str
    tenant: str
    subject: str
    thing_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """One call that reached a tool, whatever came of it."""

    tool: str
    key: str
    dry_run: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Switch:
    """What a call is to do besides its work."""

    kind: str
    seconds: float


class Store:
    """One SQLite file. Safe for several processes at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self) -> None:
        """Make the tables and the things that there are at first, where they are not there yet."""
        with self._transaction() as connection:
            connection.executescript(_SCHEMA)
            connection.executemany("insert or ignore into thing values (?, ?, ?, ?, ?, ?, ?)", _NEW_THINGS)

    def reset(self) -> None:
        """Forget everything, and begin with the things that there are at first."""
        with self._transaction() as connection:
            for table in ("thing", "effect", "done", "call", "switch"):
                connection.execute(f"delete from {table}")
            connection.executemany("insert into thing values (?, ?, ?, ?, ?, ?, ?)", _NEW_THINGS)

    def put(self, thing: Thing) -> None:
        """Make or change a thing."""
        values = (
            thing.id, thing.state, thing.amount_cents, thing.related_records, thing.owner, thing.building, thing.resident,
        )  # fmt: skip
        with self._transaction() as connection:
            connection.execute("insert or replace into thing values (?, ?, ?, ?, ?, ?, ?)", values)

    def thing(self, thing_id: str) -> Thing | None:
        """Return the thing, or None where there is none or it was removed."""
        with self._transaction() as connection:
            row = connection.execute("select * from thing where id = ? and state <> 'removed'", (thing_id,)).fetchone()
        return Thing(**row) if row is not None else None

    def things(self) -> list[Thing]:
        """Return every thing, removed ones too."""
        with self._transaction() as connection:
            return [Thing(**row) for row in connection.execute("select * from thing order by id")]

    def effects(self, *, tool: str | None = None, key: str | None = None) -> list[Effect]:
        """Return the effects in the order in which they were had; of one tool or one key where asked."""
        with self._transaction() as connection:
            rows = connection.execute(
                "select id, tool, key, tenant, subject, thing_id from effect"
                " where (?1 is null or tool = ?1) and (?2 is null or key = ?2) order by number",
                (tool, key),
            )
            return [Effect(**row) for row in rows]

    def calls(self, *, tool: str | None = None) -> list[Received]:
        """Return every call that reached a tool, dry runs and failures included."""
        with self._transaction() as connection:
            rows = connection.execute(
                "select tool, key, dry_run from call where ?1 is null or tool = ?1 order by number", (tool,)
            )
            return [Received(tool=row["tool"], key=row["key"], dry_run=bool(row["dry_run"])) for row in rows]

    def receive(self, tool: str, key: str, *, dry_run: bool) -> None:
        """Remember that a call has come."""
        with self._transaction() as connection:
            connection.execute("insert into call (tool, key, dry_run) values (?, ?, ?)", (tool, key, dry_run))

    def switch_on(self, tool: str, kind: str, *, seconds: float, times: int) -> None:
        """Let the next `times` calls of `tool` do `kind` as well."""
        with self._transaction() as connection:
            connection.execute(
                "insert into switch (tool, kind, seconds, times) values (?, ?, ?, ?)", (tool, kind, seconds, times)
            )

    def switches_off(self) -> None:
        """Let calls do their work and nothing else. Calls that are being held go on."""
        with self._transaction() as connection:
            connection.execute("delete from switch")

    def take_switch(self, tool: str) -> Switch | None:
        """Return what this call is to do besides its work, and count it."""
        with self._transaction() as connection:
            row = connection.execute(
                "update switch set times = times - 1 where number = (select number from switch where tool = ? and times > 0"
                " order by number limit 1) returning kind, seconds",
                (tool,),
            ).fetchone()
        return Switch(**row) if row is not None else None

    def holds(self) -> bool:
        """Say whether calls that are held are still to be held."""
        with self._transaction() as connection:
            return connection.execute("select 1 from switch where kind like 'hold%'").fetchone() is not None

    def answer_of(self, tenant: str, tool: str, key: str, arguments: bytes) -> list[str] | None:
        """Return the effects of the call with this key, or None where there was none. Raises KeyReused."""
        with self._transaction() as connection:
            return _answer_of(connection, tenant, tool, key, arguments)

    def act(
        self,
        *,
        tool: str,
        key: str,
        tenant: str,
        subject: str,
        things: Sequence[str],
        arguments: bytes,
        once: bool,
        new_state: str | None = None,
    ) -> list[str]:
        """Have one effect on each of `things` and return their ids.

        With `once`, a key that has had its effects answers with them. `new_state` is what the things become. Raises KeyReused.
        """
        with self._transaction() as connection:
            if once:
                known = _answer_of(connection, tenant, tool, key, arguments)
                if known is not None:
                    return known
            made = [f"eff_{uuid.uuid4().hex}" for _ in things]
            connection.executemany(
                "insert into effect (id, tool, key, tenant, subject, thing_id) values (?, ?, ?, ?, ?, ?)",
                [(effect, tool, key, tenant, subject, thing) for effect, thing in zip(made, things, strict=True)],
            )
            if new_state is not None:
                connection.executemany("update thing set state = ? where id = ?", [(new_state, thing) for thing in things])
            if once:
                done = (tenant, tool, key, _fingerprint(arguments), " ".join(made))
                connection.execute("insert into done values (?, ?, ?, ?, ?)", done)
            return made

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        connection.row_factory = _as_dict
        try:
            connection.execute("pragma synchronous = off")
            connection.execute("begin immediate")
            yield connection
            if connection.in_transaction:
                connection.execute("commit")
        finally:
            connection.close()


def _as_dict(cursor: sqlite3.Cursor, row: tuple[object, ...]) -> dict[str, object]:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _answer_of(connection: sqlite3.Connection, tenant: str, tool: str, key: str, arguments: bytes) -> list[str] | None:
    row = connection.execute(
        "select fingerprint, effect_ids from done where tenant = ? and tool = ? and key = ?", (tenant, tool, key)
    ).fetchone()
    if row is None:
        return None
    if row["fingerprint"] != _fingerprint(arguments):
        raise KeyReused
    return str(row["effect_ids"]).split()


def _fingerprint(arguments: bytes) -> str:
    return hashlib.sha256(arguments).hexdigest()
