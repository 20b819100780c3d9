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
from dispatch_service.principal import principal_of
from dispatch_service.servicers import metadata as metadata_of
from service_kit.contract import validation
from service_kit.contract.parse import struct_to_document
from service_kit.contract.problems import Problem, first_per_path
from service_kit.keys import Keyring

Result = dispatch_service_pb2.DispatchResult
_PAYLOAD_THREAD = "threadId"


class DispatchServicer(dispatch_service_pb2_grpc.DispatchServiceServicer):
    """The door for clicks."""

    def __init__(self, *, tenant: str, actions: ActionRegistry, journey: Journey, keys: Keyring) -> None:
        self._tenant = tenant
        self._actions = actions
        self._journey = journey
        self._keys = keys

    async def Dispatch(self, request: dispatch_service_pb2.DispatchRequest, context: Any) -> Result:
        """One typed action."""
        member = request.WhichOneof("action")
        problems: list[Problem] = []
        payload: Message | None = None
        if member is None:
            problems.append(Problem(path="action", rule="required", message="Say which action to carry out.", missing=True))
        else:
            payload = getattr(request, member)
            problems += validation.check(payload)
        problems += _envelope_problems(request.context, request.idempotency_key)
        return await self._go(context, request, (member or "").upper(), payload, problems)

    async def DispatchCardAction(self, request: dispatch_service_pb2.DispatchCardActionRequest, context: Any) -> Result:
        """One action in loose JSON."""
        action = request.action.strip()
        problems: list[Problem] = []
        payload = self._actions.new_payload(action)
        if payload is not None:
            problems += validation.read_document(struct_to_document(request.payload), payload)
        elif action:
            problems.append(Problem(path="action", rule="unknown_action", message="There is no such action."))
        else:
            problems.append(Problem(path="action", rule="required", message="Say which action to carry out.", missing=True))
        problems += _envelope_problems(request.context, request.idempotency_key)
        return await self._go(context, request, action if payload is not None else "", payload, problems)

    async def _go(self, context: Any, request: Any, action: str, payload: Message | None, problems: Sequence[Problem]) -> Result:
        metadata = metadata_of.of(context)
        thread_id = request.context.thread_id
        found = [*problems, *_thread_problems(payload, thread_id)]
        key = request.idempotency_key or metadata.get("idempotency-key", "")
        if not request.idempotency_key and key:
            found += _envelope_problems(None, key)
        call = Call(
            action=action,
            payload=payload,
            problems=first_per_path(found),
            thread_id=thread_id if thread_id.isprintable() else "",
            session_id=request.context.session_id,
            idempotency_key=key,
            principal=principal_of(metadata, self._tenant),
            correlation_id=metadata_of.correlation_id(metadata),
            client=metadata_of.client(metadata, request.context.session_id, self._keys),
        )
        return await self._journey.start(call)


def _envelope_problems(context: dispatch_service_pb2.DispatchContext | None, key: str) -> list[Problem]:
    """Check what stands around the payload, by the rules that the contract gives it."""
    problems = validation.check(context, "context") if context is not None else []
    probe = dispatch_service_pb2.DispatchCardActionRequest(idempotency_key=key)
    return problems + [problem for problem in validation.check(probe) if problem.path == "idempotencyKey"] if key else problems


def _thread_problems(payload: Message | None, thread_id: str) -> list[Problem]:
    inside = getattr(payload, "thread_id", "") if payload is not None else ""
    if inside and thread_id and inside != thread_id:
        return [Problem(path=_PAYLOAD_THREAD, rule="thread_mismatch", message="This differs from the context's threadId.")]
    return []
