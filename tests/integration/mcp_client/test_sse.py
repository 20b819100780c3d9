"""The event stream decoder: the same events however the bytes are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_adapter_service.mcp_client.sse import Event, SseDecoder


def decode(*chunks: bytes) -> list[Event]:
    """All events of a stream that comes in `chunks`."""
    decoder = SseDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


_LINES = st.lists(
    st.sampled_from(
        [
            b"",
            b"data: a",
            b"data:b",
            b"data",
            b"data:  c",
            b": note",
            b"event: ping",
            b"id: 7",
            b"retry: 10",
            b"x: y",
            b"data: \xc3\xbc",
        ]
    ),
    max_size=12,
)


@given(_LINES, st.lists(st.sampled_from([b"\n", b"\r", b"\r\n"]), min_size=12, max_size=12), st.lists(st.integers(0, 200)))
def test_cutting_a_stream_anywhere_changes_nothing(lines: list[bytes], ends: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(line + end for line, end in zip(lines, ends, strict=False)) + b"data: tail\n\n"
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut <= len(stream))})
    pieces = [stream[begin:end] for begin, end in itertools.pairwise(edges)]

    assert decode(*pieces) == decode(stream)
    assert decode(*(stream[at : at + 1] for at in range(len(stream)))) == decode(stream)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_each_kind_of_line_end_works(end: bytes) -> None:
    stream = end.join([b"event: ping", b"data: one", b"data: two", b"", b"data: three", b"", b""])

    assert decode(stream) == [Event("ping", b"one\ntwo"), Event("message", b"three")]


def test_an_unfinished_event_is_dropped_and_a_byte_order_mark_is_skipped() -> None:
    assert decode(b"\xef\xbb\xbfdata: whole\n\ndata: half") == [Event("message", b"whole")]


def test_the_last_event_id_and_the_retry_time_are_kept() -> None:
    decoder = SseDecoder()
    list(decoder.feed(b"id: 41\nretry: 1500\ndata:\n\nid: 4\x002\nretry: soon\n\n"))

    assert (decoder.last_event_id, decoder.retry_seconds) == ("41", 1.5)
