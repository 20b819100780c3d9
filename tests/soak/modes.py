"""The one table of what a faulty server does and what becomes of the call: mode → outcome, effect, code.

Above: `run` makes the calls and compares; `test_soak` and `make test-soak` print the table. Below: nothing but names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """Mode is one way to go wrong and its stated outcome."""

    name: str
    """The tool that is called, or the tool list that is asked for."""
    what: str
    """What the server does, for a person."""
    outcome: str
    effect: str
    code: str
    server: str = "faulty"
    seconds: float = 30.0
    """The call's deadline. Short where the outcome is that it passes."""


_IMPATIENT: Final = 0.3


def _call(name: str, what: str, *stated: str, seconds: float = 30.0) -> Mode:
    outcome, effect, code = stated
    return Mode(name=name, what=what, outcome=outcome, effect=effect, code=code, seconds=seconds)


def _sessions(name: str, what: str, *stated: str, seconds: float = 30.0) -> Mode:
    return replace(_call(name, what, *stated, seconds=seconds), server="sessions")


def _tools(name: str, what: str, *stated: str) -> Mode:
    return replace(_call(name, what, *stated), server=name)


MODES: Final = (
    _call("drop", "reads the call and resets the connection", "Unknown", "possible", "CONNECTION_LOST"),
    _call("drop_within", "drops the connection in mid-reply", "Unknown", "possible", "CONNECTION_LOST"),
    _call("drop_stream", "ends the event stream before the reply", "Unknown", "possible", "CONNECTION_LOST"),
    _call("401", "401 with an HTML page", "HttpFault", "none", "UNAUTHORIZED"),
    _call("403", "403 with an HTML page", "HttpFault", "none", "FORBIDDEN"),
    _call("404", "404 with an HTML page", "HttpFault", "none", "ENDPOINT_NOT_FOUND"),
    _call("429", "429 with Retry-After: 7", "HttpFault", "none", "RATE_LIMITED"),
    _call("500", "500 with an HTML page", "HttpFault", "possible", "SERVER_ERROR"),
    _call("502", "502 with an HTML page", "HttpFault", "possible", "UNAVAILABLE"),
    _call("503", "503 with Retry-After: 3", "HttpFault", "possible", "UNAVAILABLE"),
    _call("redirect", "307 to elsewhere (not followed)", "HttpFault", "none", "REDIRECTED"),
    _call("see_other", "303 to elsewhere (may follow the deed)", "HttpFault", "possible", "REDIRECTED"),
    _call("bad_json", "JSON that breaks off", "ProtocolFault", "possible", "BAD_JSON"),
    _call("deep_json", "100,000 open brackets", "ProtocolFault", "possible", "BAD_JSON"),
    _call("html", "200 with an HTML page", "ProtocolFault", "possible", "BAD_CONTENT_TYPE"),
    _call("accepted", "202 and no reply", "ProtocolFault", "possible", "NO_REPLY"),
    _call("garbage", "an answer that is not HTTP", "ProtocolFault", "possible", "BAD_HTTP"),
    _call("endless_head", "header after header", "ProtocolFault", "possible", "BAD_HTTP"),
    _call("endless_stream", "an endless event stream", "ProtocolFault", "possible", "REPLY_TOO_LARGE"),
    _call("fifty_megabytes", "a reply of 50 MB, announced", "ProtocolFault", "possible", "REPLY_TOO_LARGE"),
    _call("fifty_megabytes_unannounced", "a reply of 50 MB in chunks", "ProtocolFault", "possible", "REPLY_TOO_LARGE"),
    _call("gzip_bomb", "20 MB of blanks, compressed", "ProtocolFault", "possible", "COMPRESSED"),
    _call("foreign_id", "a reply with a wrong id", "ProtocolFault", "possible", "BAD_REPLY"),
    _call("id_as_text", "a reply with the id as a text", "ProtocolFault", "possible", "BAD_REPLY"),
    _call("no_id", "a result without an id", "ProtocolFault", "possible", "BAD_REPLY"),
    _call("other_requests_reply", "an event stream with another's reply only", "Unknown", "possible", "CONNECTION_LOST"),
    _call("duplicate_replies", "two replies to one call: the first counts", "ToolSucceeded", "done", ""),
    # On a server of its own: whether the second response comes before the connection's next call is anybody's guess.
    replace(_call("two_responses", "a second HTTP response behind the first", "ToolSucceeded", "done", ""), server="smuggling"),
    _call("stall", "no answer at all", "TimedOut", "possible", "NO_ANSWER", seconds=_IMPATIENT),
    _call("slow_head", "half a head and no more", "TimedOut", "possible", "NO_ANSWER", seconds=_IMPATIENT),
    _call("dripping_head", "a head that comes byte by byte", "TimedOut", "possible", "NO_ANSWER", seconds=_IMPATIENT),
    _call("silent_stream", "an event stream that says nothing", "TimedOut", "possible", "NO_ANSWER", seconds=_IMPATIENT),
    _call("dripping_stream", "an event stream of comments", "TimedOut", "possible", "NO_ANSWER", seconds=_IMPATIENT),
    _tools("reference_bomb", "tools/list: references without end", "ToolList", "-", "2 left out"),
    _tools("deep_schema", "tools/list: a schema 200 levels deep", "ToolList", "-", "1 left out"),
    _tools("too_deep_for_json", "tools/list: 200,000 levels deep", "ProtocolFault", "possible", "BAD_JSON"),
    _tools("endless_pages", "tools/list: page after page", "ProtocolFault", "possible", "REPLY_TOO_LARGE"),
    _tools("same_cursor", "tools/list: the same cursor again", "ProtocolFault", "possible", "BAD_REPLY"),
    _tools("large_pages", "tools/list: more than is kept", "ProtocolFault", "possible", "REPLY_TOO_LARGE"),
    _sessions("lose_session", "2025-11-25: forgets the session", "ToolSucceeded", "done", ""),
    _sessions("resumed", "2025-11-25: cuts the stream, resumes it", "ToolSucceeded", "done", ""),
    _sessions("stall", "2025-11-25: no answer; is told of the end", "TimedOut", "possible", "NO_ANSWER", seconds=_IMPATIENT),
)
