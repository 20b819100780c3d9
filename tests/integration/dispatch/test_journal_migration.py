"""A journal that was written before there were months, places and settled chains goes on, and verifies."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import psycopg

from dispatch_service.journal.verify import verify
from service_kit.migrations import migrate, migration_files
from tests.fix_dispatch import OWNER
from tests.fix_postgres import MigratedDatabase, PostgresCluster
from tests.integration.dispatch.journal_parts import closing_of, journal_on

OLD = ("0001_journal.sql", "0002_flow_and_assets.sql")


def item(action_id: str, kind: str, row: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One item as the first version's functions took it."""
    at = datetime.now(UTC).isoformat()
    row = row | {"updated_at": at}
    body = json.dumps({"action": action_id, "type": kind, "at": at, "row": row})
    return {"action_id": action_id, "type": kind, "at": at, "body": body, "row": row, **more}


def write_as_before(connection: psycopg.Connection[Any]) -> None:
    """Two processes: one booked and left a claim in flight and an unknown outcome, the other anchored it."""
    for writer in ("w_first", "w_second"):
        connection.execute(
            "insert into dispatch.chain (writer_id, hash, alive_until) values (%s, sha256(convert_to(%s, 'UTF8')), now())",
            (writer, writer),
        )
    names = ("act_done", "act_in_flight", "act_unknown")
    opens = [
        item(
            name,
            "intent",
            {
                "id": name,
                "tenant": "demo",
                "action": "HOUSECALL_PRO_BOOKING",
                "status": "EXECUTING",
                "actor": "anonymous",
                "origin": "USER_CLICK",
                "correlation_id": f"c-{name}",
                "created_at": datetime.now(UTC).isoformat(),
            },
            claim={
                "tenant": "demo",
                "actor": "anonymous",
                "action": "HOUSECALL_PRO_BOOKING",
                "key_hash": name,
                "fingerprint": "f",
                "derived": False,
                "sealed_plan": "cGxhbg==",
            },
        )
        for name in names
    ]
    closes = [
        item(
            "act_done", "outcome", {"status": "SUCCEEDED", "external_id": "bkg_1"}, claim_state="done", sealed_result="cmVzdWx0"
        ),
        item("act_unknown", "outcome", {"status": "OUTCOME_UNKNOWN"}, claim_state="retryable"),
    ]
    for opened, closed in ((opens, []), ([], closes)):
        connection.execute(
            "select * from dispatch.write_journal('w_first', %s::jsonb, %s::jsonb, false, interval '2 minutes')",
            (json.dumps(opened), json.dumps(closed)),
        )
    head = connection.execute("select sequence, encode(hash, 'hex') from dispatch.chain where writer_id = 'w_first'").fetchone()
    assert head is not None
    anchor = item("", "anchor", {})
    anchor["body"] = json.dumps(json.loads(anchor["body"]) | {"row": {"heads": [["w_first", *head]]}})
    connection.execute("select dispatch.append_events('w_second', %s::jsonb)", (json.dumps([anchor]),))


async def test_an_older_journal_is_brought_up_to_date_with_all_that_it_holds(postgres: PostgresCluster) -> None:
    postgres.template((OWNER,))  # The role is the server's, and there once any database was migrated.
    name = postgres.clone(())
    database = MigratedDatabase(owner_url=postgres.database_url(name))
    try:
        with psycopg.connect(database.owner_url, autocommit=True) as connection:
            connection.execute("create schema dispatch")
            connection.execute("grant usage on schema dispatch to switchboard_dispatch")
            connection.execute(
                "create table dispatch.migration"
                " (name text primary key, checksum text not null, applied_at timestamptz not null default now())"
            )
            for file, text in migration_files(OWNER.package):
                if file in OLD:
                    connection.execute(text.replace("{role}", '"switchboard_dispatch"').encode())
                    checksum = hashlib.sha256(text.encode()).hexdigest()
                    connection.execute("insert into dispatch.migration (name, checksum) values (%s, %s)", (file, checksum))
            write_as_before(connection)
        applied = migrate(database.owner_url, OWNER)
        assert not set(OLD) & set(applied)
        assert verify(database.owner_url).problems == []
        async with journal_on(database) as journal:
            await journal.writer.connect()
            left = journal.rows("select action_id, claimed, sealed_plan from dispatch.adopt(%s, 50)", journal.writer.writer_id)
            assert left == [{"action_id": "act_in_flight", "claimed": True, "sealed_plan": b"plan"}]
            assert journal.rows("select action_id, status from dispatch.waiting") == [
                {"action_id": "act_unknown", "status": "OUTCOME_UNKNOWN"}
            ]
            await journal.writer.close(closing_of("act_in_flight"))
            _, again = await journal.open("act_done")
            assert (again.won, again.sealed_result) == (False, b"result")
            _, retried = await journal.open("act_unknown")
            assert (retried.won, retried.retry_of) == (True, "act_unknown")
            assert journal.status("act_in_flight") == "SUCCEEDED"
            assert journal.problems() == []
            journal.rows("update dispatch.event set body = replace(body, 'bkg_1', 'bkg_2') where action_id = 'act_done'")
            assert len(journal.problems()) == 2
    finally:
        postgres.drop(name)
