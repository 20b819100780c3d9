"""The bounds of one MCP client. Above: whoever composes the adapter sets them. Below: nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """ClientLimits bounds what one server can cost us."""

    max_reply_bytes: int = 4 * 1024 * 1024
    """The largest reply that is read, events of a stream counted together."""
    handshake_seconds: float = 5.0
    """How long finding out a server's revision, and opening a session where it needs one, may take."""
    connect_seconds: float = 3.0
    """How long opening one connection may take."""
    redetect_seconds: float = 10.0
    """How often at most a refusal that only may come from another revision makes us look for the revision anew."""
    max_tool_pages: int = 100
    """The most pages of `tools/list` that are followed."""
    max_tools: int = 5000
    """The most tools of one server; after a page that passes it no further one is asked for."""
    max_listing_bytes: int = 16 * 1024 * 1024
    """The most that a server's usable tools may come to together."""
    max_stream_resumptions: int = 3
    """How often a reply stream that a 2025-11-25 server closed early is taken up again."""
