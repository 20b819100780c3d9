"""`verify-log` finds any change to the journal and names where it is."""

from __future__ import annotations

import pytest

from dispatch_service.verify_log import main
from tests.fix_dispatch import DispatchProcess, booking

BOOK = "HOUSECALL_PRO_BOOKING"


async def write_journal(dispatch: DispatchProcess) -> None:
    """Three bookings and a refusal, and a second process whose chain anchors the first's."""
    for number in range(3):
        await dispatch.click(BOOK, booking(notes=f"Note {number}"), key=f"key-{number}")
    await dispatch.click(BOOK, {})
    await dispatch.stop()
    await dispatch.start()
    await dispatch.click(BOOK, booking(notes="After the restart"), key="key-9")


async def test_an_untouched_journal_is_ok(dispatch: DispatchProcess, capsys: pytest.CaptureFixture[str]) -> None:
    await write_journal(dispatch)
    assert main(dispatch.database.owner_url) == 0
    assert capsys.readouterr().out.startswith("ok: ")


EVENT = "(select min(sequence) from dispatch.event where type = 'outcome')"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (f"update dispatch.event set body = replace(body, 'SUCCEEDED', 'FAILED') where sequence = {EVENT}", "was changed"),
        (f"update dispatch.event set at = at + interval '1 hour' where sequence = {EVENT}", "columns differ"),
        ("delete from dispatch.event where sequence = 3", "are missing"),
        (
            "update dispatch.event set sequence = -1 where sequence = 2;"
            "update dispatch.event set sequence = 2 where sequence = 3;"
            "update dispatch.event set sequence = 3 where sequence = -1",
            "changed, inserted or moved",
        ),
        (
            "with last as (select writer_id, max(sequence) as sequence from dispatch.event group by writer_id)"
            " delete from dispatch.event using last where event.writer_id = last.writer_id and event.sequence = last.sequence",
            "its end was cut off",
        ),
        (
            "insert into dispatch.event"
            " select writer_id, sequence + 1, action_id, type, at, written_at, body, hash from dispatch.event"
            " order by sequence desc limit 1",
            "changed, inserted or moved",
        ),
        (
            "update dispatch.event set written_at = written_at + interval '1 hour'"
            " where (writer_id, sequence) = (select writer_id, sequence from dispatch.event order by sequence desc limit 1)",
            "columns differ",
        ),
        ("delete from dispatch.chain where sequence = (select max(sequence) from dispatch.chain)", "events and no head"),
        (
            "update dispatch.action set places = places[1:1], status = 'EXECUTING' where status = 'SUCCEEDED'",
            "its history leaves out chain",
        ),
        (
            "update dispatch.action set places = array[places[2], places[1]] where status = 'SUCCEEDED'",
            "its history is not in order",
        ),
        (
            "update dispatch.action set places = (select places from dispatch.action where status = 'SUCCEEDED' limit 1)"
            " where status = 'REJECTED'",
            "which is not its own",
        ),
        ("update dispatch.action set mcp_tool = 'create_booking' where status = 'REJECTED'", "mcp_tool differ"),
        ("update dispatch.action set status = 'SUCCEEDED' where status = 'REJECTED'", "status differ from its events"),
        ("update dispatch.action set payload_redacted = '{}' where status = 'SUCCEEDED'", "payload_redacted differ"),
        ("delete from dispatch.action where status = 'REJECTED'", "is gone from the action log"),
        (
            "insert into dispatch.action (id, tenant, action, status, actor, origin, correlation_id, created_at, updated_at)"
            " values ('act_forged', 'demo', 'x', 'SUCCEEDED', 'a', 'b', 'c', now(), now())",
            "no event tells of it",
        ),
    ],
)
async def test_a_change_is_found_and_named(
    dispatch: DispatchProcess, capsys: pytest.CaptureFixture[str], change: str, named: str
) -> None:
    await write_journal(dispatch)
    for statement in change.split(";"):
        dispatch.rows(statement)
    assert main(dispatch.database.owner_url) == 1
    assert named in capsys.readouterr().out


async def test_a_chain_cut_off_together_with_its_head_is_found_by_another_chains_anchor(
    dispatch: DispatchProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    await write_journal(dispatch)
    [first] = dispatch.rows("select writer_id from dispatch.chain order by started_at limit 1")
    writer = first["writer_id"]
    dispatch.rows(
        "delete from dispatch.action where id in (select action_id from dispatch.event where writer_id = %s and sequence > 2)",
        writer,
    )
    dispatch.rows("delete from dispatch.event where writer_id = %s and sequence > 2", writer)
    dispatch.rows(
        "update dispatch.chain set sequence = 2, hash = (select hash from dispatch.event where writer_id = %s and sequence = 2)"
        " where writer_id = %s",
        writer,
        writer,
    )
    assert main(dispatch.database.owner_url) == 1
    assert "anchors event" in capsys.readouterr().out


async def test_the_services_own_role_cannot_change_or_remove_an_event(dispatch: DispatchProcess) -> None:
    import psycopg

    await write_journal(dispatch)
    with psycopg.connect(dispatch.database.url("switchboard_dispatch"), autocommit=True) as connection:
        for statement in (b"update dispatch.event set body = ''", b"delete from dispatch.event", b"truncate dispatch.event"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
