"""Months of the journal: made ahead, dropped when they are old, and verified all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from dispatch_service.journal.records import ANCHOR, Opening
from dispatch_service.journal.retention import Maintained, maintain
from dispatch_service.settings import DispatchSettings
from dispatch_service.verify_log import main as verify_log
from service_kit.postgres import Database
from tests.fix_dispatch import OWNER
from tests.fix_postgres import MigratedDatabase
from tests.integration.dispatch.journal_parts import ROLE, Journal, closing_of, journal_on, writer_of, writing


@pytest.fixture
async def journal(fresh_database: Callable[..., MigratedDatabase]) -> AsyncIterator[Journal]:
    """A journal on a database of its own."""
    async with journal_on(fresh_database(OWNER)) as made:
        yield made


def months_ago(months: int, day: int = 15) -> datetime:
    """A time in the month that lies so many months back."""
    now = datetime.now(UTC)
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    return datetime(year, month + 1, day, 12, tzinfo=UTC)


async def upkeep(journal: Journal, **changes: Any) -> Maintained:
    """What the hourly job does, in the service's own role."""
    known = {
        "listen": "x",
        "database_url": "x",
        "adapter_target": "x",
        "keys_file": "x",
        "tenant_file": "x",
        "policy_directory": "x",
    }
    settings = DispatchSettings.model_construct(**{name: field.default for name, field in DispatchSettings.model_fields.items()})
    settings = settings.model_copy(update=known | changes)
    database = Database(journal.database.url(ROLE))
    await database.open()
    try:
        return await maintain(database, settings)
    finally:
        await database.close()


def partitions(journal: Journal) -> dict[str, int]:
    """How many events each partition holds."""
    found = journal.rows("select tableoid::regclass::text as name, count(*) as events from dispatch.event group by 1")
    return {row["name"].removeprefix("dispatch."): row["events"] for row in found}


def name_of(month: datetime) -> str:
    return f"event_{month:%Y_%m}"


async def written_over_months(journal: Journal) -> dict[int, str]:
    """An action in each of some months, the oldest 26 months ago, and one that is closed a month after it began."""
    actions = {}
    for months in (26, 25, 24, 12, 1):
        journal.clock(months_ago(months))
        actions[months] = await journal.book(f"key-{months}")
        if months == 26:
            slow, _ = await journal.open("slow")
        if months == 12:
            await journal.writer.close(closing_of(slow))
            actions[0] = slow
    journal.clock()
    return actions


async def test_a_month_without_a_partition_stops_no_write_and_gets_one_afterwards(journal: Journal) -> None:
    journal.clock(months_ago(2))
    await journal.book("k")
    assert partitions(journal) == {"event_default": 2}
    journal.clock()
    done = await upkeep(journal)
    assert done.partitions == 1
    assert partitions(journal) == {name_of(months_ago(2)): 2}
    await journal.book("now")
    assert partitions(journal)[name_of(datetime.now(UTC))] == 2
    assert journal.problems() == []


async def test_partitions_are_made_for_the_months_ahead(journal: Journal) -> None:
    for months in (0, -1, -2, -3):
        journal.clock(months_ago(months))
        await journal.book(f"k{months}")
    assert set(partitions(journal)) == {name_of(months_ago(-ahead)) for ahead in range(4)}
    journal.clock()
    assert (await upkeep(journal)).partitions == 0


async def test_old_months_are_dropped_with_their_actions_and_the_rest_verifies(journal: Journal) -> None:
    actions = await written_over_months(journal)
    done = await upkeep(journal)
    assert (done.months, done.actions) == (2, 2)
    kept = {row["id"] for row in journal.rows("select id from dispatch.action")}
    # What ended later than it began is kept with the month in which it ended.
    assert kept == set(actions.values()) - {actions[26], actions[25]}
    assert name_of(months_ago(25)) not in partitions(journal)
    assert journal.problems() == []
    await journal.book("after")
    assert (await upkeep(journal)).months == 0
    # As `switchboard verify-log` does: in the service's own role.
    assert verify_log(journal.database.url(ROLE)) == 0


async def test_a_second_round_goes_on_from_the_first(journal: Journal) -> None:
    await written_over_months(journal)
    await upkeep(journal)
    done = await upkeep(journal, journal_retention_months=6)
    assert done.months == 2
    assert journal.problems() == []


async def test_a_chain_of_which_nothing_is_left_is_forgotten_with_its_anchors(journal: Journal) -> None:
    other = writer_of(journal.database)
    journal.clock(months_ago(26))
    async with writing(other):
        await other.open(Opening(action_id="", type=ANCHOR, at=datetime.now(UTC), row={"heads": []}))
    journal.clock(months_ago(20))
    [head] = journal.rows(
        "select sequence, encode(hash, 'hex') as hash from dispatch.chain where writer_id = %s", other.writer_id
    )
    await journal.writer.anchor([[other.writer_id, head["sequence"], head["hash"]]])
    journal.clock()
    journal.rows("update dispatch.chain set alive_until = now() - interval '20 months' where writer_id = %s", other.writer_id)
    assert (await upkeep(journal)).months == 1
    assert journal.rows("select 1 from dispatch.chain where writer_id = %s", other.writer_id) == []
    assert journal.problems() == []


BOOKED = "(select min(sequence) from dispatch.event where type = 'outcome' and written_at > now() - interval '14 months')"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (f"update dispatch.event set body = replace(body, 'SUCCEEDED', 'FAILED') where sequence = {BOOKED}", "was changed"),
        (f"delete from dispatch.event where sequence = {BOOKED}", "are missing before it"),
        ("delete from dispatch.event where written_at < now() - interval '20 months'", "are missing before it"),
        ("update dispatch.event set written_at = written_at + interval '1 month' where sequence = 8", "columns differ"),
        ("update dispatch.checkpoint set sequence = sequence + 1", "nothing tells that its events up to"),
        ("update dispatch.checkpoint set hash = sha256('x')", "nothing tells that its events up to"),
        ("delete from dispatch.checkpoint", "is gone"),
        (
            "insert into dispatch.checkpoint select writer_id, sequence, hash, written_at from dispatch.event where sequence = 10"
            " and writer_id <> 'retention'"
            " on conflict (writer_id) do update set sequence = excluded.sequence, hash = excluded.hash;"
            "delete from dispatch.event where sequence <= 10 and writer_id <> 'retention'",
            "nothing tells that its events up to 10 were dropped",
        ),
        (
            "delete from dispatch.event where written_at > now() - interval '2 months' and writer_id <> 'retention'",
            "its end was cut off",
        ),
        (
            "delete from dispatch.event where writer_id = 'retention'; delete from dispatch.chain where writer_id = 'retention'",
            "nothing tells",
        ),
        (
            "insert into dispatch.action"
            " (id, tenant, action, status, actor, origin, correlation_id, created_at, updated_at, places)"
            " select 'act_forged', 'demo', 'x', 'SUCCEEDED', 'a', 'b', 'c', now(), now(), array[writer_id || ':1']"
            " from dispatch.checkpoint",
            "act_forged: no event tells of it",
        ),
        ("update dispatch.action set external_id = 'bkg_other' where cardinality(places) = 2", "external_id differ"),
        (
            "delete from dispatch.action where id in (select action_id from dispatch.event where sequence = 9)",
            "is gone from the action log",
        ),
    ],
)
async def test_after_retention_a_change_is_still_found_and_named(
    journal: Journal, capsys: pytest.CaptureFixture[str], change: str, named: str
) -> None:
    await written_over_months(journal)
    await upkeep(journal)
    assert journal.problems() == []
    for statement in change.split(";"):
        journal.rows(statement)
    assert verify_log(journal.database.owner_url) == 1
    assert named in capsys.readouterr().out


async def test_the_service_cannot_drop_what_is_younger_than_a_month(journal: Journal) -> None:
    await journal.book("k")
    with psycopg.connect(journal.database.url(ROLE), autocommit=True) as connection, pytest.raises(psycopg.errors.RaiseException):
        connection.execute("select dispatch.prune_month(now() - interval '1 day')")
    with (
        psycopg.connect(journal.database.url(ROLE), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("delete from dispatch.checkpoint")


async def test_keys_drafts_and_pictures_have_their_own_times(journal: Journal) -> None:
    await journal.book("old")
    under_way, _ = await journal.open("under way")
    journal.rows("update dispatch.claim set created_at = created_at - interval '31 days'")
    await journal.book("new")
    journal.rows(
        "insert into dispatch.booking_flow select 'demo', thread, '', now() - age"
        " from (values ('t1', interval '31 days'), ('t2', interval '1 day')) as made(thread, age)"
    )
    named, _ = await journal.open(row={"payload_redacted": {"photos": [{"assetId": "ast_named"}]}})
    journal.rows(
        "insert into dispatch.asset select id, 'demo', 'thread-1', 'image/png', '', '', now() - age from"
        " (values ('ast_named', interval '99 days'), ('ast_forgotten', interval '99 days'), ('ast_new', interval '1 day'))"
        " as made(id, age)"
    )
    done = await upkeep(journal)
    assert (done.keys, done.drafts, done.assets) == (1, 1, 1)
    assert {row["key_hash"] for row in journal.rows("select key_hash from dispatch.claim")} == {"under way", "new"}
    assert {row["id"] for row in journal.rows("select id from dispatch.asset")} == {"ast_named", "ast_new"}
    await journal.writer.close(closing_of(under_way))
    await journal.writer.close(closing_of(named, claim_state=""))
    assert (await upkeep(journal, key_retention_days=30)).keys == 1
    assert journal.problems() == []
