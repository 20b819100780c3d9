"""DispatchService: from a request to a `Call`, and on to the journey.

Both RPCs meet in the same message before anything is checked: a typed payload is taken as it is, loose JSON is read into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from switchboard.dispatch.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc

from dispatch_service.actions import ActionRegistry
from dispatch_service.call import Call
from dispatch_service.journey import Journey
from dispatch_service.principal import Realm, principal_of
from dispatch_service.rate_limit import VisitorLimit
from dispatch_service.servicers import metadata as metadata_of
from service_kit.contract import validation
from service_kit.contract.parse import struct_to_document
from service_kit.contract.problems import Problem, first_per_path
from service_kit.keys import Keyring

Result = dispatch_service_pb2.DispatchResult
Envelope = dispatch_service_pb2.DispatchCardActionRequest
_PAYLOAD_THREAD = "threadId"


class DispatchServicer(dispatch_service_pb2_grpc.DispatchServiceServicer):
    """The door for clicks."""

    def __init__(self, *, realm: Realm, limit: VisitorLimit, actions: ActionRegistry, journey: Journey, keys: Keyring) -> None:
        self._realm = realm
        self._limit = limit
        self._actions = actions
        self._journey = journey
        self._keys = keys

    async def Dispatch(self, request: dispatch_service_pb2.DispatchRequest, context: Any) -> Result:
        """One typed action."""
        member = request.WhichOneof("action")
        payload = getattr(request, member) if member is not None else None
        problems = validation.check(payload) if payload is not None else []
        envelope = Envelope(action=(member or "").upper(), idempotency_key=request.idempotency_key)
        if request.HasField("context"):
            envelope.context.CopyFrom(request.context)
        return await self._go(context, envelope, payload, problems)

    async def DispatchCardAction(self, request: Envelope, context: Any) -> Result:
        """One action in loose JSON."""
        payload = self._actions.new_payload(request.action)
        problems: list[Problem] = []
        if payload is not None:
            problems = validation.read_document(struct_to_document(request.payload), payload)
        elif request.action.strip():
            problems = [Problem(path="action", rule="unknown_action", message="There is no such action.")]
        return await self._go(context, request, payload, problems)

    async def _go(self, context: Any, envelope: Envelope, payload: Message | None, problems: Sequence[Problem]) -> Result:
        """What stands around the payload has the same rules for both RPCs: those of the loose request."""
        metadata = metadata_of.of(context)
        principal = principal_of(metadata, self._realm)
        self._limit.admit(principal, metadata, envelope.context.session_id)
        if not envelope.idempotency_key:
            envelope.idempotency_key = metadata.get("idempotency-key", "")
        found = [*problems, *validation.check(envelope), *_thread_problems(payload, envelope.context.thread_id)]
        thread_id, session_id = envelope.context.thread_id, envelope.context.session_id
        call = Call(
            action=envelope.action if payload is not None else "",
            payload=payload,
            problems=first_per_path(found),
            thread_id=thread_id if thread_id.isprintable() else "",
            session_id=session_id,
            idempotency_key=envelope.idempotency_key,
            principal=principal,
            correlation_id=metadata_of.correlation_id(metadata),
            client=metadata_of.client(metadata, session_id, self._keys),
        )
        answer = await self._journey.start(call)
        if not isinstance(answer, Result):
            raise TypeError("the door for clicks answers with a DispatchResult")
        return answer


def _thread_problems(payload: Message | None, thread_id: str) -> list[Problem]:
    inside = getattr(payload, "thread_id", "") if payload is not None else ""
    if inside and thread_id and inside != thread_id:
        return [Problem(path=_PAYLOAD_THREAD, rule="thread_mismatch", message="This differs from the context's threadId.")]
    return []
