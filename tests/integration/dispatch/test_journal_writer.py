"""What the journal keeps of an action's life, whatever order things are written in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from dispatch_service.journal import records, rows
from dispatch_service.journal.records import Claim
from tests.fix_dispatch import OWNER
from tests.fix_postgres import MigratedDatabase
from tests.integration.dispatch.journal_parts import Journal, closing_of, journal_on, opening_of, writer_of, writing


@pytest.fixture
async def journal(fresh_database: Callable[..., MigratedDatabase]) -> AsyncIterator[Journal]:
    """A journal on a database of its own."""
    async with journal_on(fresh_database(OWNER)) as made:
        yield made


def events(journal: Journal, action_id: str) -> list[str]:
    """The types of an action's events in the order of its history."""
    found = journal.rows(
        "select event.type from dispatch.action cross join unnest(places) with ordinality as told(place, n)"
        " join dispatch.event on event.writer_id || ':' || event.sequence = told.place where id = %s order by told.n",
        action_id,
    )
    return [row["type"] for row in found]


def claim(journal: Journal, action_id: str) -> dict[str, Any]:
    """The claim that an action holds."""
    [row] = journal.rows("select * from dispatch.claim where action_id = %s", action_id)
    return row


async def pending(journal: Journal, key: str) -> tuple[str, records.Opened]:
    """Open an action that waits for a person."""
    opening = opening_of(key, type=records.PENDING, row={"status": "PENDING_AUTHORIZATION", "authorization_id": f"auth_{key}"})
    assert opening.claim is not None
    waiting = Claim(scope=opening.claim.scope, fingerprint="f", derived=False, sealed_plan=b"plan", sealed_result=b"queued")
    authorization = {
        **dict.fromkeys(("server", "tool", "rpc", "requester", "requester_kind", "requester_role", "thread_id"), "x"),
        **dict.fromkeys(("correlation_id", "reason", "arguments_hash", "decided_by", "grant_id"), ""),
        "id": f"auth_{key}",
        "tenant": "demo",
        "action_id": opening.action_id,
        "status": "PENDING",
        "revision": 1,
        "policy_ids": [],
        "arguments_redacted": {},
        "sealed_request": "\\x0102",
        "offers_always": True,
        "edited": False,
        "created_at": opening.at.isoformat(),
        "expires_at": opening.at.isoformat(),
        "updated_at": opening.at.isoformat(),
        "attempts": 0,
    }
    opening = records.Opening(
        action_id=opening.action_id, type=opening.type, at=opening.at, row=opening.row, claim=waiting, authorization=authorization
    )
    return opening.action_id, await journal.writer.open(opening)


async def test_an_action_that_waits_for_a_person_is_written_with_its_authorization_and_answers_repetitions(
    journal: Journal,
) -> None:
    action_id, opened = await pending(journal, "k")
    assert opened.won
    [authorization] = journal.rows("select action_id, sealed_request from dispatch.authorization")
    assert authorization == {"action_id": action_id, "sealed_request": b"\x01\x02"}
    assert claim(journal, action_id)["state"] == records.DONE
    _, again = await pending(journal, "k")
    assert (again.won, again.holder, again.sealed_result) == (False, action_id, b"queued")
    assert len(journal.rows("select 1 from dispatch.authorization")) == 1
    assert journal.rows("select status from dispatch.waiting") == [{"status": "PENDING_AUTHORIZATION"}]
    assert journal.problems() == []


@pytest.mark.requirement("S4.23")
async def test_the_history_of_an_allowed_action_tells_its_whole_life(journal: Journal) -> None:
    action_id, _ = await pending(journal, "k")
    now = datetime.now(UTC)
    for kind in (records.EDITED, records.AUTHORISED, records.EXECUTING):
        assert await journal.writer.close(rows.decided(action_id, kind, at=now, by="olga"))
    assert claim(journal, action_id)["sealed_result"] == b"queued"
    assert await journal.writer.close(closing_of(action_id))
    assert events(journal, action_id) == ["pending", "edited", "authorised", "executing", "outcome"]
    assert journal.status(action_id) == "SUCCEEDED"
    assert claim(journal, action_id)["sealed_result"] == b"result"
    assert journal.rows("select 1 from dispatch.waiting") == []
    assert journal.problems() == []


async def test_an_edit_erases_the_plan_as_it_was(journal: Journal) -> None:
    action_id, _ = await pending(journal, "k")
    assert claim(journal, action_id)["sealed_plan"] == b"plan"
    await journal.writer.close(rows.decided(action_id, records.EDITED, at=datetime.now(UTC), by="olga"))
    assert claim(journal, action_id)["sealed_plan"] is None


@pytest.mark.parametrize("late", ["EXECUTING", "OUTCOME_UNKNOWN", "FAILED", "SUCCEEDED"])
async def test_what_comes_after_success_is_written_as_late_and_changes_nothing(journal: Journal, late: str) -> None:
    action_id = await journal.book("k")
    before = journal.rows("select * from dispatch.action")[0] | {"places": None}
    assert await journal.writer.close(closing_of(action_id, late, records.RETRYABLE, sealed_result=None))
    assert journal.rows("select * from dispatch.action")[0] | {"places": None} == before
    assert claim(journal, action_id)["state"] == records.DONE
    assert events(journal, action_id) == ["intent", "outcome", "outcome"]
    assert journal.problems() == []


async def test_an_unknown_outcome_keeps_the_plan_until_it_is_known(journal: Journal) -> None:
    action_id, _ = await journal.open("k")
    await journal.writer.close(closing_of(action_id, "OUTCOME_UNKNOWN"))
    assert claim(journal, action_id)["sealed_plan"] == b"plan"
    assert journal.rows("select action_id, status from dispatch.waiting") == [
        {"action_id": action_id, "status": "OUTCOME_UNKNOWN"}
    ]
    await journal.writer.close(closing_of(action_id, type=records.SETTLED))
    assert claim(journal, action_id)["sealed_plan"] is None
    assert journal.rows("select 1 from dispatch.waiting") == []


async def test_one_commit_takes_new_keys_and_held_ones_and_numbers_what_it_writes_without_a_gap(journal: Journal) -> None:
    held = await journal.book("held")
    failed, _ = await journal.open("failed")
    await journal.writer.close(closing_of(failed, "FAILED", records.RETRYABLE, sealed_result=None))
    keys = ["new-1", "held", "failed", "new-2", ""]
    answers = await asyncio.gather(*(journal.open(key) for key in keys), journal.open("held", fingerprint="other"))
    won = [opened.won for _, opened in answers]
    assert won == [True, False, True, True, True, False]
    assert answers[1][1].holder == held
    assert answers[1][1].sealed_result == b"result"
    assert answers[2][1].retry_of == answers[2][1].tool_key == failed
    [chain] = journal.rows("select sequence from dispatch.chain")
    numbers = [row["sequence"] for row in journal.rows("select sequence from dispatch.event order by sequence")]
    assert numbers == list(range(1, chain["sequence"] + 1))
    assert journal.problems() == []


async def test_writers_of_several_processes_that_want_the_same_keys_share_them_out(journal: Journal) -> None:
    other = writer_of(journal.database)
    async with writing(other):
        keys = [f"k{n % 40}" for n in range(200)]
        asked = [(journal.writer, other)[n % 2].open(opening_of(key)) for n, key in enumerate(keys)]
        opened = await asyncio.wait_for(asyncio.gather(*asked), 30)
    assert sum(each.won for each in opened) == 40
    assert journal.problems() == []


async def test_a_commit_whose_answer_was_lost_is_not_written_twice(journal: Journal) -> None:
    action_id, _ = await journal.open("k")
    closing = closing_of(action_id)
    assert await journal.writer.close(closing)
    # As after a lost answer: what was written is queued once more, beside the closing of an opening that was never written.
    journal.writer._lost = 0
    assert all(await asyncio.gather(journal.writer.close(closing), journal.writer.close(closing_of("act_never"))))
    assert events(journal, action_id) == ["intent", "outcome"]
    assert journal.problems() == []


async def test_what_becomes_of_an_action_that_never_was_is_refused(journal: Journal) -> None:
    unknown, known = await asyncio.gather(journal.writer.close(closing_of("act_never")), journal.book("k"))
    assert unknown is False
    assert journal.status(known) == "SUCCEEDED"
    assert journal.problems() == []


async def test_what_is_no_json_is_refused_and_holds_nobody_up(journal: Journal) -> None:
    bad = opening_of("bad", row={"client": {"address": object()}})
    results = await asyncio.gather(journal.writer.open(bad), journal.open("good"), return_exceptions=True)
    assert "refused" in str(results[0])
    assert results[1][1].won  # type: ignore[index]
    assert journal.problems() == []


async def test_a_chain_says_how_much_of_it_is_settled(journal: Journal) -> None:
    await journal.book("k1")
    assert journal.writer.settled == 2
    under_way, _ = await journal.open("k2")
    await journal.book("k3")
    assert journal.writer.settled == 2
    await journal.writer.close(closing_of(under_way))
    assert journal.writer.settled == 6


async def test_changes_of_actions_and_claims_stay_on_their_page(journal: Journal) -> None:
    for turn in range(10):
        opened = await asyncio.gather(*(journal.open(f"k{turn}-{n}") for n in range(30)))
        await asyncio.gather(*(journal.writer.close(closing_of(action_id)) for action_id, _ in opened))
    async with asyncio.timeout(20):
        while (figures := _updates(journal)) is None or figures[0] < 600:
            await asyncio.to_thread(lambda: None)
    assert figures[1] / figures[0] > 0.95


def _updates(journal: Journal) -> tuple[int, int] | None:
    [row] = journal.rows(
        "select sum(n_tup_upd)::int as changed, sum(n_tup_hot_upd)::int as on_page from pg_stat_user_tables"
        " where schemaname = 'dispatch' and relname in ('action', 'claim')"
    )
    return row["changed"], row["on_page"]
