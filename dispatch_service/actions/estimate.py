"""HOUSECALL_PRO_ESTIMATE_REQUEST: ask the office for an estimate, with photos that the visitor uploaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchboard.dispatch.v1 import action_pb2, dispatch_service_pb2
from switchboard.tools.housecall_pro.v1 import housecall_pro_service_pb2

from dispatch_service.actions import tool_of
from dispatch_service.actions.wishes import Wishes
from dispatch_service.assets import AssetStore
from dispatch_service.call import Call, Plan, Refusal
from dispatch_service.cards import build
from dispatch_service.keying import reference
from service_kit.contract.problems import Problem
from service_kit.contract.render import arguments

NAME = "HOUSECALL_PRO_ESTIMATE_REQUEST"
_PREFIX = "est"


class EstimateAction:
    """Plans and presents estimate requests."""

    def __init__(self, wishes: Wishes, assets: AssetStore) -> None:
        self._wishes = wishes
        self._assets = assets

    async def plan(self, call: Call) -> Plan:
        """Turn the payload into a call of the estimate tool. Photos must have been uploaded in the same conversation."""
        payload = call.payload
        if not isinstance(payload, action_pb2.EstimateRequestPayload):
            raise TypeError("an estimate request needs an EstimateRequestPayload")
        service = await self._wishes.service(payload.service_id, "serviceId")
        ids = list(dict.fromkeys(photo.asset_id for photo in payload.photos))
        if ids:
            owned = await self._assets.owned(call.principal.tenant, payload.thread_id, ids)
            problems = [
                Problem(path=f"photos[{index}].assetId", rule="asset.unknown", message="No such picture was uploaded here.")
                for index, photo in enumerate(payload.photos)
                if photo.asset_id not in owned
            ]
            if problems:
                raise Refusal("INVALID_ARGUMENT", "A picture was not uploaded in this conversation.", problems)
        request = housecall_pro_service_pb2.CreateEstimateRequestRequest(
            service_hcp_id=payload.service_id, problem_summary=payload.problem_summary, photos_asset_ids=ids
        )
        request.customer.CopyFrom(payload.customer)
        request.address.CopyFrom(payload.address)
        view = {"serviceId": service.service_id, "serviceName": service.name, "photos": len(ids)}
        return Plan(presenter=NAME, tool=tool_of(NAME), arguments=arguments(request), view=view)

    def present(self, plan: Plan, result: Mapping[str, Any], reference_key: str) -> dispatch_service_pb2.ActionResult:
        """Render the confirmation."""
        number = reference(_PREFIX, reference_key)
        service, asked = str(plan.view["serviceName"]), int(plan.view["photos"])
        attached = int(result.get("photosAttached") or 0)
        text = "Our office looks at it and calls you with an estimate."
        if attached < asked:
            text += f" {asked - attached} of your pictures could not be added; you can send them when we call."
        made = build.card(
            "Estimate requested",
            text,
            facts=[("Service", service), ("Pictures", str(attached) if asked else ""), ("Reference", number)],
        )
        body = made.estimate_confirmation
        body.reference, body.service_id, body.photos_attached = number, str(plan.view["serviceId"]), attached
        message = f"Estimate requested: {service}."
        return dispatch_service_pb2.ActionResult(message=message, external_id=number, card=build.typed(made))
