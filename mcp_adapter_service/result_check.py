"""Whether a third-party tool's result is what it was accepted to give.

Above: `invocation`. Below: `service_kit.json_schema`. Small results are checked at once; larger ones in a thread, so that others'
calls go on meanwhile, and what takes too long even there does not match.
"""

from __future__ import annotations

import asyncio
from typing import Final

import orjson

from mcp_adapter_service.mcp_client import ToolReply, ToolSucceeded
from service_kit.json_schema import FULL_BUDGET, QUICK_BUDGET, Schema, SchemaUnusable, TooCostly

_QUICK_BYTES: Final = 16 * 1024


async def matches(outcome: ToolReply, schema: Schema) -> bool:
    """Whether `outcome` is no result at all, or one that `schema` allows."""
    if not isinstance(outcome, ToolSucceeded):
        return True
    if outcome.structured is None:
        return False
    size = len(orjson.dumps(outcome.structured))
    try:
        if size <= _QUICK_BYTES:
            return schema.problem(outcome.structured, budget=QUICK_BUDGET, value_bytes=size) is None
    except TooCostly:
        pass  # It is tried again with more time, where it holds nobody up.
    except SchemaUnusable:
        return False
    try:
        problem = await asyncio.to_thread(schema.problem, outcome.structured, budget=FULL_BUDGET, value_bytes=size)
    except (TooCostly, SchemaUnusable):
        return False
    return problem is None
