"""A tool call as the adapter's contract has it, and what came of one in our words.

Above: `client`. Below: the generated contract, `stream`'s outcomes.
"""

from __future__ import annotations

import logging
from typing import Any

import orjson
from switchboard.adapter.v1 import adapter_service_pb2 as pb

from dispatch_service.adapter.stream import Lost
from dispatch_service.call import ToolAnswer
from dispatch_service.principal import Principal
from service_kit.contract.tools import ToolSpec
from service_kit.logging import log

_logger = logging.getLogger(__name__)


def request_of(
    tool: ToolSpec, arguments: dict[str, Any], principal: Principal, *, correlation_id: str, key: str, dry_run: bool
) -> pb.InvokeToolRequest:
    """Return the request for one call. What changes nothing has no key."""
    return pb.InvokeToolRequest(
        server=tool.server,
        tool=tool.name,
        arguments_json=orjson.dumps(arguments),
        idempotency_key="" if tool.reads_only or dry_run else key,
        correlation_id=correlation_id,
        principal=pb.Principal(
            tenant=principal.tenant,
            subject=principal.subject,
            kind=principal.kind,
            role=principal.role,
            tier=principal.tier,
            owner=principal.owner,
            buildings=principal.buildings,
            resident=principal.resident,
        ),
        dry_run=dry_run,
        pin=tool.revision if tool.foreign else "",
    )


def answer_of(reply: pb.InvokeToolResponse, tool: ToolSpec) -> ToolAnswer:
    """Return what the adapter says of a call."""
    outcome = reply.outcome
    return ToolAnswer(
        succeeded=outcome == pb.TOOL_OUTCOME_SUCCEEDED,
        possible_effect=reply.effect == pb.EFFECT_CERTAINTY_POSSIBLE and not tool.reads_only,
        from_tool=outcome in (pb.TOOL_OUTCOME_SUCCEEDED, pb.TOOL_OUTCOME_TOOL_ERROR),
        result=orjson.loads(reply.result_json) if reply.result_json else {},
        code=reply.error_code,
        message=reply.error_message,
        error_field=reply.error_field,
        retryable=reply.retryable,
    )


def answer_to(lost: Lost, tool: ToolSpec, *, dry_run: bool) -> ToolAnswer:
    """Return what is known where the adapter did not answer: only a call that provably never reached a tool had no effect."""
    log(_logger, logging.WARNING, "the adapter did not answer", tool=tool.name, status=lost.status)
    return ToolAnswer(
        succeeded=False,
        possible_effect=lost.sent and not (tool.reads_only or dry_run),
        code="ADAPTER_AWAY",
        message="The part that calls tools does not answer.",
        retryable=True,
    )
