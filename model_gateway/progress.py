"""Progress of a call, for clients that gave a token for it: that it is under way, at intervals, until it is answered.

Above: calls. Below: the SDK's notifications, which ride on the call's own response stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.session import ServerSession

_SECONDS = 2.0
_UNDER_WAY = "The call is under way."


@asynccontextmanager
async def reported(session: ServerSession, meta: Any) -> AsyncIterator[None]:
    """Report progress while the body runs, where the request's `meta` has a token."""
    if not isinstance(meta, dict) or meta.get("progressToken") is None:
        yield
        return
    # One at once, so that a client sees that it was heard.
    await session.report_progress(1, None, _UNDER_WAY)
    reporting = asyncio.create_task(_report(session))
    try:
        yield
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)


async def _report(session: ServerSession) -> None:
    step = 1
    while True:
        await asyncio.sleep(_SECONDS)
        step += 1
        await session.report_progress(step, None, _UNDER_WAY)
