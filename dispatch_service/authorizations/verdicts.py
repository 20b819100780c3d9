"""What a repetition of a call that waited for a person is told, once it is over.

Above: the journey, for whoever sends the same call again. Below: `store`. That something waits is kept as the answer under its
idempotency key; what was done takes that answer's place. Here is the rest: what will not be done any more, and why.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from switchboard.dispatch.v1 import error_pb2

from dispatch_service.authorizations import request
from dispatch_service.authorizations.aggregate import Status
from dispatch_service.authorizations.store import AuthorizationStore
from dispatch_service.call import Refusal
from dispatch_service.keying import Keying
from service_kit.contract.problems import Problem
from service_kit.keys import BadSeal
from service_kit.logging import log

Row = Mapping[str, Any]
_logger = logging.getLogger(__name__)
_GIVEN_UP: Mapping[Status, str] = {
    Status.CANCELLED: "This was taken back before anybody allowed it.",
    Status.EXPIRED: "Nobody decided on this in time, so it was given up. Ask for it again.",
}
_FORGOTTEN = "This was allowed and could not be carried out. The action log says why."


class Verdicts:
    """Finds out what became of calls that waited."""

    def __init__(self, store: AuthorizationStore, keying: Keying) -> None:
        self._store = store
        self._keying = keying

    async def of(self, tenant: str, authorization_id: str) -> Refusal | None:
        """Return why a call will not be carried out any more; None where it still may be, or was. Raises DatabaseError."""
        row = await self._store.get(tenant, authorization_id)
        status = Status(row["status"]) if row is not None else Status.PENDING
        if row is None or status in (Status.PENDING, Status.AUTHORIZED, Status.EXECUTED):
            return None
        try:
            return self._refusal(status, row)
        except BadSeal:
            log(_logger, logging.ERROR, "what became of an authorization cannot be read", id=row["id"])
            return Refusal("DENIED" if status is Status.DENIED else "CONFLICT", _FORGOTTEN)

    def _refusal(self, status: Status, row: Row) -> Refusal:
        if status is Status.DENIED:
            notes = request.notes_of(row, self._keying)
            return Refusal("DENIED", f"A person said no: {notes}" if notes else "A person said no.")
        if status in _GIVEN_UP:
            return Refusal("CONFLICT", _GIVEN_UP[status])
        result = request.result_of(row, self._keying)
        return _of_error(result.error) if result is not None else Refusal("CONFLICT", _FORGOTTEN)


def _of_error(error: error_pb2.ActionError) -> Refusal:
    missing = [Problem(path=path, rule="required", message="This is needed.", missing=True) for path in error.missing_fields]
    wrong = [Problem(path=one.field, rule=one.rule, message=one.message) for one in error.field_violations]
    return Refusal(error_pb2.ErrorCode.Name(error.code), error.details, [*missing, *wrong])
