"""Rows of authorizations and grants as messages: to each caller what it may see.

Above: the authorization servicer. Below: `authorizations.request`, which opens what is sealed.

Who may decide sees arguments, preview and reasoning in full while the call waits. Everybody else, and everybody afterwards, sees
arguments redacted. Who asked gets what it needs to go on: status, notes, result.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.timestamp_pb2 import Timestamp
from switchboard.authorization.v1 import authorization_service_pb2

from dispatch_service.authorizations import request
from dispatch_service.authorizations.aggregate import Status, may_decide
from dispatch_service.keying import Keying
from dispatch_service.principal import Principal
from service_kit.contract.tools import tools
from service_kit.keys import BadSeal
from service_kit.logging import log

Row = Mapping[str, Any]
Authorization = authorization_service_pb2.Authorization
Grant = authorization_service_pb2.Grant
_logger = logging.getLogger(__name__)
_TIMES = ("created_at", "expires_at", "decided_at", "updated_at")
# What has the message's own name and type in the row.
_SAME_NAME = (
    "id",
    "server",
    "tool",
    "arguments_hash",
    "reason",
    "requester",
    "requester_kind",
    "thread_id",
    "action_id",
    "correlation_id",
    "policy_ids",
    "offers_always",
    "decided_by",
    "grant_id",
    "edited",
)
_CANNOT_TELL = "This tool cannot tell what it would do. What it would be called with is all that is known."
_GRANT_NAMES = ("id", "subject", "subject_kind", "server", "tool", "created_by", "revoked_by", "authorization_id")


class Messages:
    """Makes messages of rows."""

    def __init__(self, keying: Keying) -> None:
        self._keying = keying

    def of(self, row: Row, viewer: Principal) -> Authorization:
        """Return an authorization as `viewer`, who may see it, is shown it."""
        message = Authorization(
            status=authorization_service_pb2.AuthorizationStatus.Value(row["status"]),
            title=_title(row),
            **{name: row[name] for name in _SAME_NAME},
        )
        for name in _TIMES:
            if row[name] is not None:
                getattr(message, name).FromDatetime(row[name])
        message.arguments.update(row["arguments_redacted"])
        try:
            self._open(message, row, viewer)
        except (BadSeal, KeyError, TypeError, ValueError, ParseError):
            log(_logger, logging.ERROR, "an authorization cannot be shown in full", id=row["id"])
        return message

    def _open(self, message: Authorization, row: Row, viewer: Principal) -> None:
        message.notes = request.notes_of(row, self._keying)
        result = request.result_of(row, self._keying)
        if result is not None:
            message.result.CopyFrom(result)
        if row["status"] != Status.PENDING or not may_decide(viewer):
            return
        opened = request.opened(row, self._keying)
        tool = opened.kept.plan.tool
        if opened.preview is not None:
            ParseDict(opened.preview, message.preview, ignore_unknown_fields=True)
        elif tool is not None and tool.foreign:
            message.preview.summary = _CANNOT_TELL
        message.reasoning = opened.kept.reasoning
        message.arguments.Clear()
        message.arguments.update(opened.kept.plan.arguments)


def of_grant(row: Row) -> Grant:
    """Return a standing permission."""
    return Grant(
        created_at=_timestamp(row["created_at"]),
        expires_at=_timestamp(row["expires_at"]),
        revoked_at=_timestamp(row["revoked_at"]) if row["revoked_at"] else None,
        **{name: row[name] for name in _GRANT_NAMES},
    )


def _title(row: Row) -> str:
    spec = tools().get((row["server"], row["tool"]))
    return spec.title if spec is not None else str(row["tool"])


def _timestamp(at: Any) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
