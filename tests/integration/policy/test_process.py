"""The dispatch process and its policy files: what it starts with, and what it takes up."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.fix_dispatch import OWNER, ROOT, DispatchProcess, ScriptedAdapter, booking
from tests.fix_postgres import MigratedDatabase
from tests.integration.policy.works import SHIPPED

BOOK = "HOUSECALL_PRO_BOOKING"
_CLOSED = '@id("more.closed") @reason("We are closed.") forbid (principal, action in Action::"card", resource);'


@pytest.fixture
async def process(
    adapter: tuple[ScriptedAdapter, str], fresh_database: Callable[..., MigratedDatabase]
) -> AsyncIterator[DispatchProcess]:
    """A dispatch process, not started yet, with a copy of the shipped policies in `policies` of its folder."""
    with tempfile.TemporaryDirectory(prefix="dsp-") as folder:
        directory = Path(folder) / "policies"
        shutil.copytree(SHIPPED, directory)
        environment = {"SWITCHBOARD_POLICY_DIRECTORY": str(directory)}
        made = DispatchProcess(Path(folder), fresh_database(OWNER), adapter[1], environment)
        yield made
        with suppress(ProcessLookupError):
            await made.stop()


async def code_of_a_click(process: DispatchProcess, number: int) -> dict[str, Any]:
    answer = await process.click(BOOK, booking(), key=f"key-{number}")
    return {"ok": answer["ok"], **{name: answer.get("error", {}).get(name) for name in ("code", "details")}}


async def test_a_running_process_takes_up_a_changed_policy_within_seconds(process: DispatchProcess) -> None:
    await process.start()
    assert await code_of_a_click(process, 0) == {"ok": True, "code": None, "details": None}
    more = process.folder / "policies" / "more.cedar"
    more.write_text(_CLOSED, encoding="utf-8")
    clicks = [await code_of_a_click(process, 1)]
    while clicks[-1]["ok"] and len(clicks) < 2000:
        clicks.append(await code_of_a_click(process, len(clicks) + 1))
    assert clicks[-1] == {"ok": False, "code": "FORBIDDEN", "details": "We are closed."}
    more.write_text("nonsense", encoding="utf-8")
    while "policies were refused" not in process.log and len(clicks) < 4000:
        clicks.append(await code_of_a_click(process, len(clicks) + 1))
    assert process.log.count("policies were refused") == 1
    assert clicks[-1]["code"] == "FORBIDDEN"


async def test_what_was_decided_stands_in_the_journal(process: DispatchProcess) -> None:
    await process.start()
    await code_of_a_click(process, 1)
    (row,) = process.rows("select policy_ids from dispatch.action")
    assert row["policy_ids"] == ["card-actions.people"]
    (event,) = process.rows(
        "select body::jsonb #> '{details,decision}' as decision from dispatch.event where type = 'intent' and action_id <> ''"
    )
    assert event["decision"] == {
        "tenant": "demo",
        "subject": "anonymous",
        "kind": "human",
        "role": "visitor",
        "action": f"card/{BOOK}",
        "effect": "ALLOW",
        "policy_ids": ["card-actions.people"],
    }


def test_a_process_does_not_start_with_policies_that_do_not_pass(process: DispatchProcess) -> None:
    (process.folder / "policies" / "more.cedar").write_text("permit (principal, action, resource);", encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "dispatch_service"],
        cwd=ROOT,
        env=process._environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith(f"{process.folder}/policies/more.cedar:1: @id is missing")
