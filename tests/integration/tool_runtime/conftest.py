"""The echo server of the bench and a server that misbehaves, each a process that one module's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fix_tool_server import ToolServerProcess


@pytest.fixture(scope="module")
def echo() -> Iterator[ToolServerProcess]:
    """The bench's echo server."""
    process = ToolServerProcess("tests.bench.echo_server", {})
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def unruly() -> Iterator[ToolServerProcess]:
    """A server that misbehaves on request."""
    process = ToolServerProcess("tests.integration.tool_runtime.unruly_server", {})
    process.start()
    yield process
    process.stop()
