"""Lines out of a program's output, however they come, and those that are too long."""

from __future__ import annotations

import pytest

from mcp_adapter_service.stdio.lines import Lines, TooLong

LONG = b'{"jsonrpc":"2.0","id":7,"result":{"text":"' + b"x" * 5000 + b'"}}'
LONG_TAIL = b'{"result":{"id":3,"text":"' + b"x" * 5000 + b'"},"jsonrpc":"2.0","id":8}'
NAMELESS = b'{"result":{"text":"' + b"x" * 5000 + b'"}}'


@pytest.mark.parametrize("size", [1, 7, 300, 100_000])
def test_lines_are_the_same_in_whatever_pieces_they_come(size: int) -> None:
    stream = b"\n".join([b"one", b"", LONG, b"two", LONG_TAIL, NAMELESS, b"three", b"not whole"])
    lines = Lines(1000)
    found = [line for start in range(0, len(stream), size) for line in lines.feed(stream[start : start + size])]
    assert found == [b"one", b"", TooLong(7), b"two", TooLong(8), TooLong(None), b"three"]


def test_a_line_that_never_ends_is_not_kept() -> None:
    lines = Lines(1000)
    for _ in range(10_000):
        assert not list(lines.feed(b"x" * 1000))
    assert list(lines.feed(b"\nnext\n")) == [TooLong(None), b"next"]
