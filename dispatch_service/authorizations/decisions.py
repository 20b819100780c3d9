"""What a person does to a call that waits: allow it once or always, refuse it, change it, take it back.

Above: the servicer. Below: `aggregate` says who may and what becomes of it; here it is written, in one transaction with the
journal's event, the grant and the job that carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, Protocol

from dispatch_service.authorizations import request
from dispatch_service.authorizations.aggregate import Authorization, Status, TooLate, Verdict
from dispatch_service.authorizations.grants import Grants, new_grant_id
from dispatch_service.authorizations.history import History
from dispatch_service.authorizations.ports import ForeignArguments, KeptRequest, Redecide, Redecided
from dispatch_service.authorizations.store import AuthorizationStore, visible
from dispatch_service.call import Refusal
from dispatch_service.foreign.tool import whole_numbers
from dispatch_service.journal import records, rows
from dispatch_service.keying import Keying
from dispatch_service.policy import Effect
from dispatch_service.principal import Principal
from service_kit.contract import validation
from service_kit.contract.problems import Problem
from service_kit.contract.render import arguments as rendered
from service_kit.contract.tools import ToolSpec
from service_kit.errors import Conflict, InvalidArgument, NotFound, Unavailable
from service_kit.keys import BadSeal
from service_kit.postgres import Connection, Database

Row = Mapping[str, Any]
_GRANT_DAYS = 30
_EDITED = "editedArguments"
_EVENTS = {
    Verdict.AUTHORIZED: records.AUTHORISED,
    Verdict.DENIED: records.DENIED,
    Verdict.CANCELLED: records.CANCELLED,
}
_FASTER = "Somebody else was faster. Look at it again."


class Queue(Protocol):
    """Where jobs wait."""

    async def defer(self, connection: Connection, authorization_id: str) -> None:
        """Have an authorization carried out once the transaction on `connection` is committed."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """What a person says. `looked_at` is the hash of what was looked at, where it is given; `grant_days` 0 means 30."""

    verdict: Verdict
    notes: str = ""
    always: bool = False
    grant_days: int = 0
    looked_at: str = ""
    edited_arguments: dict[str, Any] | None = None


class Decisions:
    """Takes decisions."""

    def __init__(
        self,
        *,
        database: Database,
        store: AuthorizationStore,
        grants: Grants,
        history: History,
        queue: Queue,
        redecide: Redecide,
        keying: Keying,
        foreign: ForeignArguments,
    ) -> None:
        self._foreign = foreign
        self._database = database
        self._store = store
        self._grants = grants
        self._history = history
        self._queue = queue
        self._redecide = redecide
        self._keying = keying

    async def take(self, authorization_id: str, by: Principal, decided: Decided) -> Row:
        """Take one decision and return the authorization as it then stands.

        Raises NotFound for what is not there for `by`, Forbidden, Conflict for what was decided, is overdue or has changed, and
        InvalidArgument."""
        row = await self.find(authorization_id, by)
        try:
            if decided.verdict is Verdict.EDITED:
                await self._edit(row, by, decided)
            else:
                await self._decide(row, by, decided)
        except TooLate:
            await self.expire(authorization_id)
            raise
        return await self.find(authorization_id, by)

    async def find(self, authorization_id: str, viewer: Principal) -> Row:
        """Return what `viewer` may see. Raises NotFound, the same for what is somebody else's and for what is not there."""
        row = await self._store.get(viewer.tenant, authorization_id)
        if row is None or not visible(row, viewer):
            raise NotFound("NOT_FOUND", "There is no authorization by this id.")
        return row

    async def expire(self, authorization_id: str | None = None) -> int:
        """Give up what is overdue, all of it or one, and return how many that were."""
        now = datetime.now(UTC)
        await self._history.ready()
        async with self._database.transaction() as connection:
            overdue = await self._store.expire(connection, now, authorization_id)
            if overdue:
                events = [
                    rows.decided(row["action_id"], records.EXPIRED, at=now, details={"authorization": row["id"]})
                    for row in overdue
                ]
                await self._history.add(connection, events)
        return len(overdue)

    async def _decide(self, row: Row, by: Principal, decided: Decided) -> None:
        now = datetime.now(UTC)
        after = request.aggregate_of(row).decide(decided.verdict, by, now=now, looked_at=decided.looked_at, always=decided.always)
        grant_id = new_grant_id() if decided.always else ""
        until = now + timedelta(days=decided.grant_days or _GRANT_DAYS)
        details = _details(after) | ({"grant": grant_id, "until": until.isoformat()} if grant_id else {})
        event = rows.decided(row["action_id"], _EVENTS[decided.verdict], at=now, by=by.subject, details=details)
        if decided.verdict is Verdict.DENIED:
            event = replace(event, row=event.row | {"error_code": "DENIED", "error_details": "A person said no."})
        notes = request.sealed_notes(after.id, decided.notes, self._keying)
        await self._history.ready()
        async with self._database.transaction() as connection:
            if not await self._store.decide(connection, after, by=by.subject, now=now, notes=notes, grant_id=grant_id):
                raise Conflict("CONFLICT", _FASTER)
            if grant_id:
                await self._grants.make(connection, grant_id, authorization_id=after.id, by=by.subject, now=now, expires_at=until)
            if after.status is Status.AUTHORIZED:
                await self._queue.defer(connection, after.id)
            await self._history.add(connection, [event])

    async def _edit(self, row: Row, by: Principal, decided: Decided) -> None:
        before = request.aggregate_of(row)
        before.may_edit(by, now=datetime.now(UTC), looked_at=decided.looked_at)
        kept = self._open(row)
        redecided = await self._again(kept, decided.edited_arguments or {})
        contents = request.contents(before.id, replace(kept.kept, plan=redecided.plan), redecided.preview, self._keying)
        decision = redecided.decision
        # The tool and policy took their time: what holds now is what counts.
        now = datetime.now(UTC)
        after = before.edit(
            by,
            now=now,
            looked_at=decided.looked_at,
            arguments_hash=contents["arguments_hash"],
            offers_always=decision.offers_always or decision.effect is Effect.ALLOW,
        )
        policy_ids = decision.policy_ids or tuple(row["policy_ids"])
        redacted, redactions = request.redacted(redecided.plan)
        changes = {
            "input_hash": self._keying.hash(redecided.plan.arguments),
            "payload_redacted": redacted,
            "redactions": redactions,
            "policy_ids": list(policy_ids),
            "scope": {name: ", ".join(values) for name, values in redecided.plan.scope.items()},
        }
        event = rows.decided(row["action_id"], records.EDITED, at=now, by=by.subject, details=_details(after), changes=changes)
        await self._history.ready()
        async with self._database.transaction() as connection:
            if not await self._store.edit(
                connection,
                after,
                now=now,
                contents=contents,
                reason=decision.reason or row["reason"],
                policy_ids=policy_ids,
                notes=request.sealed_notes(after.id, decided.notes, self._keying),
            ):
                raise Conflict("CONFLICT", _FASTER)
            await self._history.add(connection, [event])

    def _open(self, row: Row) -> KeptRequest:
        try:
            return request.opened(row, self._keying)
        except (BadSeal, KeyError, TypeError, ValueError):
            raise Conflict("CONFLICT", "What was asked for cannot be read any more. Deny it, and ask for it again.") from None

    async def _again(self, kept: KeptRequest, document: dict[str, Any]) -> Redecided:
        """Hold edited arguments to the contract and to policy, as if they had been asked for like this."""
        tool = kept.kept.plan.tool
        if tool is None:
            raise InvalidArgument("INVALID_ARGUMENT", "This cannot be edited.")
        try:
            arguments, problems = await self._read(tool, document)
            if problems:
                raise InvalidArgument("INVALID_ARGUMENT", "The edited arguments are not right.", problems=problems)
            redecided = await self._redecide.redecide(kept, arguments, authorized=False)
        except Refusal as refusal:
            _not_possible(refusal, tool)
        if redecided.decision.effect is Effect.DENY:
            problem = Problem(path=_EDITED, rule="policy", message="The requester may not ask for this.")
            raise InvalidArgument("INVALID_ARGUMENT", "Policy refuses this to who asked.", problems=[problem])
        return redecided

    async def _read(self, tool: ToolSpec, document: dict[str, Any]) -> tuple[dict[str, Any], Sequence[Problem]]:
        """Return arguments as the tool gets them, and everything that is wrong with them. Raises Refusal."""
        if tool.input is None:
            untyped = whole_numbers(document)
            return untyped, await self._foreign.problems(tool, untyped, _EDITED)
        message = tool.input()
        problems = validation.read_document(document, message, _EDITED)
        return ({} if problems else rendered(message)), problems


def _not_possible(refusal: Refusal, tool: ToolSpec) -> NoReturn:
    """The tool says that the call could not be made like this, or cannot be asked."""
    if refusal.code == "INTEGRATION_DOWN":
        raise Unavailable(refusal.code, refusal.details) from None
    if tool.foreign:
        raise Conflict("CONFLICT", refusal.details) from None
    problems = [replace(problem, path=f"{_EDITED}.{problem.path}") for problem in refusal.problems]
    raise InvalidArgument("INVALID_ARGUMENT", "The tool would not take these arguments.", problems=problems) from None


def _details(after: Authorization) -> dict[str, Any]:
    """What the journal keeps of a decision: what it was for, exactly."""
    return {"authorization": after.id, "revision": after.revision, "arguments_hash": after.arguments_hash}
