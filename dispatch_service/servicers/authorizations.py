"""AuthorizationService: what waits for a person, for those who decide and for those who asked.

Above: the door. Below: `authorizations`; `authorization_messages` says what of a row whom is shown.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NoReturn

from google.protobuf.message import Message
from switchboard.authorization.v1 import authorization_service_pb2, authorization_service_pb2_grpc

from dispatch_service.authorizations.aggregate import Status, Verdict
from dispatch_service.authorizations.decisions import Decided, Decisions
from dispatch_service.authorizations.grants import Grants
from dispatch_service.authorizations.store import AuthorizationStore, Filters
from dispatch_service.principal import Realm, require_operator, require_token
from dispatch_service.servicers import metadata as metadata_of
from dispatch_service.servicers.authorization_messages import Messages, of_grant
from service_kit.contract import validation
from service_kit.contract.parse import struct_to_document
from service_kit.contract.problems import Problem
from service_kit.errors import InvalidArgument

Authorization = authorization_service_pb2.Authorization
ListResponse = authorization_service_pb2.ListAuthorizationsResponse
WatchResponse = authorization_service_pb2.WatchAuthorizationsResponse
_PAGE_SIZE = 50


class AuthorizationServicer(authorization_service_pb2_grpc.AuthorizationServiceServicer):
    """Lists, shows, streams and decides what the caller may see."""

    def __init__(
        self, *, realm: Realm, store: AuthorizationStore, decisions: Decisions, grants: Grants, messages: Messages
    ) -> None:
        self._realm = realm
        self._store = store
        self._decisions = decisions
        self._grants = grants
        self._messages = messages

    async def ListAuthorizations(
        self, request: authorization_service_pb2.ListAuthorizationsRequest, context: Any
    ) -> ListResponse:
        """One page, and how many wait in all."""
        viewer = require_token(metadata_of.of(context), self._realm)
        _check(request)
        status = Status(authorization_service_pb2.AuthorizationStatus.Name(request.status)) if request.status else Status.PENDING
        filters = Filters(
            status=None if request.all_statuses else status, tool=request.tool or None, requester=request.requester or None
        )
        rows, token = await self._store.page(viewer, filters, request.page_size or _PAGE_SIZE, request.page_token)
        return ListResponse(
            authorizations=[self._messages.of(row, viewer) for row in rows],
            next_page_token=token,
            pending=await self._store.count_pending(viewer),
        )

    async def GetAuthorization(self, request: authorization_service_pb2.GetAuthorizationRequest, context: Any) -> Authorization:
        """One, with what came of it."""
        viewer = require_token(metadata_of.of(context), self._realm)
        _check(request)
        return self._messages.of(await self._decisions.find(request.id, viewer), viewer)

    async def WatchAuthorizations(
        self, request: authorization_service_pb2.WatchAuthorizationsRequest, context: Any
    ) -> AsyncIterator[WatchResponse]:
        """Each as it is made or changes."""
        viewer = require_token(metadata_of.of(context), self._realm)
        mark = await self._store.watermark()
        # Headers at once: a client then knows that nothing from here on is missed.
        await context.send_initial_metadata(())
        async for row in self._store.changes(viewer, mark):
            yield WatchResponse(authorization=self._messages.of(row, viewer))

    async def DecideAuthorization(
        self, request: authorization_service_pb2.DecideAuthorizationRequest, context: Any
    ) -> Authorization:
        """Take a decision."""
        viewer = require_token(metadata_of.of(context), self._realm)
        _check(request)
        return self._messages.of(await self._decisions.take(request.id, viewer, _decided(request)), viewer)

    async def ListGrants(
        self, request: authorization_service_pb2.ListGrantsRequest, context: Any
    ) -> authorization_service_pb2.ListGrantsResponse:
        """The tenant's standing permissions."""
        operator = require_operator(metadata_of.of(context), self._realm)
        rows = await self._grants.of_tenant(operator.tenant, include_ended=request.include_ended)
        return authorization_service_pb2.ListGrantsResponse(grants=[of_grant(row) for row in rows])

    async def RevokeGrant(
        self, request: authorization_service_pb2.RevokeGrantRequest, context: Any
    ) -> authorization_service_pb2.Grant:
        """Take a standing permission back."""
        operator = require_operator(metadata_of.of(context), self._realm)
        _check(request)
        return of_grant(await self._grants.revoke(operator.tenant, request.id, operator.subject))


def _check(request: Message) -> None:
    problems = validation.check(request)
    if problems:
        _refuse(problems)


def _decided(request: authorization_service_pb2.DecideAuthorizationRequest) -> Decided:
    """Read a decision. What goes with another one is refused and not ignored: whoever sent it means something by it."""
    try:
        verdict = Verdict(request.decision.strip().lower())
    except ValueError:
        choices = ", ".join(verdict.value for verdict in Verdict)
        _refuse([Problem(path="decision", rule="unknown_decision", message=f"This must be one of {choices}.")])
    problems = []
    edits = request.HasField("edited_arguments")
    if edits and verdict is not Verdict.EDITED:
        message = "These go with the decision `edited`; decide on the edited authorization after that."
        problems.append(Problem(path="editedArguments", rule="not_with_decision", message=message))
    if verdict is Verdict.EDITED and not edits:
        problems.append(Problem(path="editedArguments", rule="required", message="This is needed.", missing=True))
    for name, given in (("upgradePermission", request.upgrade_permission), ("grantDays", request.grant_days)):
        if given and verdict is not Verdict.AUTHORIZED:
            problems.append(Problem(path=name, rule="not_with_decision", message="This goes with the decision `authorized`."))
    if request.grant_days and not request.upgrade_permission and verdict is Verdict.AUTHORIZED:
        problems.append(Problem(path="grantDays", rule="not_with_decision", message="This goes with upgradePermission."))
    if problems:
        _refuse(problems)
    return Decided(
        verdict=verdict,
        notes=request.notes,
        always=request.upgrade_permission,
        grant_days=request.grant_days,
        looked_at=request.arguments_hash,
        edited_arguments=struct_to_document(request.edited_arguments) if edits else None,
    )


def _refuse(problems: list[Problem]) -> NoReturn:
    named = ", ".join(problem.path for problem in problems)
    raise InvalidArgument("INVALID_ARGUMENT", f"Check these parameters: {named}.", problems=problems)
