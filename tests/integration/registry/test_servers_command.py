"""`switchboard servers`, in front of a real adapter and a real third-party server."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest

from stack.commands import servers
from stack.errors import StackError
from tests.fix_sandbox import wait_until
from tests.integration.adapter.processes import AdapterProcess
from tests.integration.registry.third_party import ThirdParty

Run = Callable[..., str]


@pytest.fixture
def run(adapter: AdapterProcess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs the command and returns what it prints."""

    @contextmanager
    def channel() -> Iterator[grpc.Channel]:
        with grpc.insecure_channel(adapter.target) as opened:
            yield opened

    monkeypatch.setattr(servers, "adapter_channel", channel)

    def run_it(what: str, *arguments: str) -> str:
        parser = argparse.ArgumentParser()
        servers.add_arguments(parser)
        assert servers.run(parser.parse_args([what, "--tenant", "command", *arguments])) == 0
        return capsys.readouterr().out

    return run_it


def test_a_server_goes_through_its_life_on_the_command_line(run: Run, server: ThirdParty) -> None:
    added = run("add", "tickets", "--url", server.url)
    assert "Looking for an MCP server" in added
    assert "3 tools" in added
    assert "find_ticket    yes          destructive" in added
    assert "tickets" in run("list")
    assert "nobody" in run("show", "tickets")
    configured = run("configure", "tickets", "find_ticket", "--effect", "read", "--permission", "unrestricted", "--sensitive")
    assert "read" in configured
    assert "ada" in run("enable", "tickets", "find_ticket", "--subject", "ada")
    assert "everybody" in run("enable", "tickets", "find_ticket")
    run("disable", "tickets", "find_ticket")
    assert "ada" in run("disable", "tickets", "find_ticket")
    server.change("find_ticket", description="Something else.")
    wait_until(lambda: "changed since it was pinned: description" in run("show", "tickets"), 20, "the drift is not shown")
    [kept] = json.loads(run("show", "tickets", "--json"))
    assert kept["drifted"] == 1
    assert "changed" not in run("repin", "tickets", "--listing", kept["listingHash"])
    run("remove", "tickets")
    assert "tickets" not in run("list")


def test_what_cannot_be_done_is_one_clear_line(run: Run, server: ThirdParty) -> None:
    with pytest.raises(StackError, match=r"nothing was kept: .*SWITCHBOARD_MCP_HTTP_HOSTS"):
        run("add", "elsewhere", "--url", "http://example.com/mcp")
    with pytest.raises(StackError, match=r"refused: .*name configured"):
        run("add", "configured", "--url", server.url)
    with pytest.raises(StackError, match="There is no such server"):
        run("show", "nothing")


def test_a_token_is_read_and_not_given_as_an_argument(run: Run, server: ThirdParty, monkeypatch: pytest.MonkeyPatch) -> None:
    server.token = "a-vendor-token"
    monkeypatch.setattr(sys, "stdin", io.StringIO("a-vendor-token\n"))
    [kept] = json.loads(run("add", "sealed", "--json", "--url", server.url, "--token-file", "-"))
    assert kept["hasToken"]
    run("remove", "sealed")
