"""The stack that `make run` starts, with every real process in it: it books, it keeps its secrets, it heals."""

from __future__ import annotations

import json
import shlex
import subprocess

import httpx

from tests.fix_sandbox import wait_until
from tests.fix_stack import RunningStack


def _bearer(stack: RunningStack, role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {stack.token(role=role)}"}


def test_every_process_runs_and_says_where(stack: RunningStack) -> None:
    processes = {process.name: process for process in stack.processes()}
    assert list(processes) == [
        "postgres",
        "housecall_pro_sandbox",
        "housecall_pro",
        "mcp_adapter_service",
        "dispatch_service",
        "model_gateway",
        "envoy",
    ]
    assert {process.state for process in processes.values()} == {"running"}
    assert processes["envoy"].address == stack.front_door


def test_the_command_that_is_printed_at_the_start_books(stack: RunningStack) -> None:
    lines = stack.output().splitlines()
    first = next(number for number, line in enumerate(lines) if "/api/actions/dispatch" in line)
    command = "\n".join(lines[first : first + 2])
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    reply = json.loads(done.stdout)
    assert reply["ok"] is True, reply
    assert reply["result"]["externalId"].startswith("bkg_")
    assert shlex.split(command)[0] == "curl"


def test_the_token_that_is_printed_opens_the_action_log(stack: RunningStack) -> None:
    url = f"{stack.front_door}/api/action-log"
    assert httpx.get(url).status_code == httpx.codes.UNAUTHORIZED
    token = stack.command("token", "--role", "operator").stdout.strip()
    assert httpx.get(url, headers={"authorization": f"Bearer {token}"}).status_code == httpx.codes.OK
    assert httpx.get(url, headers=_bearer(stack, "operator")).status_code == httpx.codes.OK


def test_a_token_that_has_expired_opens_nothing(stack: RunningStack) -> None:
    token = stack.token(role="operator", expires=-3600)
    reply = httpx.get(f"{stack.front_door}/api/action-log", headers={"authorization": f"Bearer {token}"})
    assert reply.status_code == httpx.codes.UNAUTHORIZED


def test_verify_log_finds_the_journal_whole(stack: RunningStack) -> None:
    done = stack.command("verify-log")
    assert (done.returncode, done.stderr) == (0, "")


def test_no_secret_of_the_stack_is_in_a_log(stack: RunningStack) -> None:
    logs = stack.logs()
    keys = json.loads((stack.state_directory / "keys" / "keys.json").read_text())
    secrets = [entry["key"] for entry in keys.values()]
    secrets.append((stack.state_directory / "keys" / "tool_token").read_text())
    assert [secret for secret in secrets if secret in logs] == []
    assert "PRIVATE KEY" not in logs


def test_after_any_one_process_dies_bookings_work_again(stack: RunningStack) -> None:
    for process in stack.processes():
        killed = stack.kill(process.name)
        stack.wait_until_running(process.name, other_than=killed)
        wait_until(lambda: _answers(f"{stack.front_door}/healthz"), 30, f"the stack is not healthy after {process.name} died")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
