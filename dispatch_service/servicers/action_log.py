"""ActionLogService: the log for operators."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from switchboard.audit.v1 import action_log_service_pb2, action_log_service_pb2_grpc

from dispatch_service.journal.action_log import ActionLog, Filters, Row
from dispatch_service.principal import Realm, require_operator
from dispatch_service.servicers import metadata as metadata_of
from dispatch_service.settling import Finding, Settler
from service_kit.contract import validation
from service_kit.errors import InvalidArgument, NotFound

Entry = action_log_service_pb2.ActionLogEntry
Status = action_log_service_pb2.ActionStatus
_PAGE_SIZE = 50
# Columns of the log that have the entry's own names and types; the others are converted in `_entry`.
_CONVERTED = {"status", "redactions", "policy_ids", "client", "scope", "created_at", "updated_at", "payload_redacted", "events"}
_SAME_NAME = tuple(name for name in Entry.DESCRIPTOR.fields_by_name if name not in _CONVERTED)


class ActionLogServicer(action_log_service_pb2_grpc.ActionLogServiceServicer):
    """Lists, shows, streams and settles entries of the operator's own company."""

    def __init__(self, log: ActionLog, settler: Settler, realm: Realm) -> None:
        self._log = log
        self._settler = settler
        self._realm = realm

    async def ListActionLog(
        self, request: action_log_service_pb2.ListActionLogRequest, context: Any
    ) -> action_log_service_pb2.ListActionLogResponse:
        """One page of entries."""
        principal = require_operator(metadata_of.of(context), self._realm)
        _check(request)
        filters = Filters(
            thread_id=request.thread_id or None,
            action=request.action or None,
            status=Status.Name(request.status) if request.status else None,
            correlation_id=request.correlation_id or None,
            created_after=_time(request, "created_after"),
            created_before=_time(request, "created_before"),
        )
        rows, token = await self._log.page(principal.tenant, filters, request.page_size or _PAGE_SIZE, request.page_token)
        return action_log_service_pb2.ListActionLogResponse(entries=[_entry(row) for row in rows], next_page_token=token)

    async def GetActionLogEntry(self, request: action_log_service_pb2.GetActionLogEntryRequest, context: Any) -> Entry:
        """One entry with its history."""
        principal = require_operator(metadata_of.of(context), self._realm)
        _check(request)
        return await self._entry(principal.tenant, request.id)

    async def SettleAction(self, request: action_log_service_pb2.SettleActionRequest, context: Any) -> Entry:
        """What an operator found out about an action whose outcome is unknown."""
        principal = require_operator(metadata_of.of(context), self._realm)
        _check(request)
        settlement = action_log_service_pb2.Settlement.Name(request.settlement)
        await self._settler.settle(request.id, Finding(settlement=settlement, by=principal, notes=request.notes))
        return await self._entry(principal.tenant, request.id)

    async def _entry(self, tenant: str, action_id: str) -> Entry:
        found = await self._log.entry(tenant, action_id)
        if found is None:
            raise NotFound("NOT_FOUND", "There is no action by this id.")
        row, events = found
        entry = _entry(row)
        entry.events.extend(_event(event) for event in events)
        return entry

    async def WatchActionLog(
        self, request: action_log_service_pb2.WatchActionLogRequest, context: Any
    ) -> AsyncIterator[action_log_service_pb2.WatchActionLogResponse]:
        """Entries as they come."""
        principal = require_operator(metadata_of.of(context), self._realm)
        _check(request)
        filters = Filters(
            thread_id=request.thread_id or None,
            action=request.action or None,
            status=Status.Name(request.status) if request.status else None,
        )
        # Headers at once: a client then knows that nothing from here on is missed.
        await context.send_initial_metadata(())
        async for row in self._log.changes(principal.tenant, filters):
            yield action_log_service_pb2.WatchActionLogResponse(entry=_entry(row))


def _check(request: Any) -> None:
    problems = validation.check(request)
    if problems:
        named = ", ".join(problem.path for problem in problems)
        raise InvalidArgument("INVALID_ARGUMENT", f"Check these parameters: {named}.", problems=problems)


def _time(request: Any, name: str) -> Any:
    return getattr(request, name).ToDatetime(tzinfo=UTC) if request.HasField(name) else None


def _entry(row: Row) -> Entry:
    entry = Entry(
        status=Status.Value(row["status"]),
        redactions=row["redactions"],
        policy_ids=row["policy_ids"],
        client=row["client"],
        scope=row["scope"],
        created_at=_timestamp(row["created_at"]),
        updated_at=_timestamp(row["updated_at"]),
        **{name: row[name] for name in _SAME_NAME},
    )
    entry.payload_redacted.update(row["payload_redacted"])
    return entry


def _event(event: Row) -> action_log_service_pb2.ActionEvent:
    return action_log_service_pb2.ActionEvent(
        type=event["type"],
        at=_timestamp(event["at"]),
        status=Status.Value(event["status"]) if event["status"] else Status.ACTION_STATUS_UNSPECIFIED,
        chain=event["writer_id"],
        sequence=str(event["sequence"]),
        hash=event["hash"].hex(),
    )


def _timestamp(at: Any) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
