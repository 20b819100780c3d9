"""Server-sent events, decoded as they arrive. Pure: bytes in, events out.

Above: `exchange` feeds it. Below: nothing. Follows the event stream format of the HTML standard: lines end in CR, LF or CRLF,
a colon first is a comment, several `data` lines are one text joined by LF, an unfinished event at the end is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Event is one complete event."""

    kind: str
    data: bytes


class SseDecoder:
    """Decode one stream. Keeps the last event id and the retry time for whoever takes the stream up again."""

    __slots__ = ("_buffer", "_data", "_kind", "_skip_lf", "_start", "last_event_id", "retry_seconds")

    def __init__(self, last_event_id: str | None = None, retry_seconds: float | None = None) -> None:
        self._buffer = bytearray()
        self._data: list[bytes] = []
        self._kind = ""
        self._start = True
        self._skip_lf = False
        self.last_event_id = last_event_id
        self.retry_seconds = retry_seconds

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that `chunk` completes."""
        for line in self._lines(chunk):
            if line:
                self._field(line)
                continue
            data, kind = self._data, self._kind
            self._data, self._kind = [], ""
            if data:
                yield Event(kind or "message", b"\n".join(data))

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        if self._skip_lf and chunk:
            # The CR that ended the chunk before ended a line; an LF now belongs to it.
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        buffer = self._buffer
        if not chunk:
            return
        scanned = len(buffer)
        buffer += chunk
        if self._start:
            if len(buffer) < 3 and b"\xef\xbb\xbf".startswith(buffer):
                return
            self._start = False
            if buffer.startswith(b"\xef\xbb\xbf"):
                del buffer[:3]
            scanned = 0
        begin = 0
        while True:
            lf = buffer.find(b"\n", scanned)
            cr = buffer.find(b"\r", scanned, lf if lf >= 0 else len(buffer))
            end = cr if cr >= 0 else lf
            if end < 0:
                break
            line = bytes(buffer[begin:end])
            begin = end + 1
            if cr >= 0:
                if begin == len(buffer):
                    self._skip_lf = True
                elif buffer[begin] == 0x0A:
                    begin += 1
            scanned = begin
            yield line
        del buffer[:begin]

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._kind = value.decode("utf-8", "replace")
        elif name == b"id":
            if b"\x00" not in value:
                self.last_event_id = value.decode("utf-8", "replace") or None
        elif name == b"retry" and value.isdigit() and len(value) < 10:
            self.retry_seconds = int(value) / 1000
