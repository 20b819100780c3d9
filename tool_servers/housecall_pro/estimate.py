"""An estimate request: customer, address, estimate with one option, photos; in steps that can be taken up again.

Above: `servicer`. Below: `work`, `customers`, `photos`, `vendor`.

Photos can only be attached to an option of an estimate. Where the company's plan at the vendor has no estimates, the request
becomes a lead, without photos.
"""

from __future__ import annotations

from switchboard.tools.housecall_pro.v1 import housecall_pro_service_pb2 as pb

from tool_servers.housecall_pro.company import CompanyDirectory
from tool_servers.housecall_pro.customers import Client, CustomerFile, Place, read_client
from tool_servers.housecall_pro.faults import VendorProblem
from tool_servers.housecall_pro.photos import Photographs
from tool_servers.housecall_pro.vendor import Vendor
from tool_servers.housecall_pro.wire import EstimateRecord, LeadRecord
from tool_servers.housecall_pro.work import Work, WorkLedger, identify
from tool_servers.runtime import ToolCall

_OPTION = "Requested work"


class EstimateRequests:
    """Asks the office for estimates."""

    def __init__(
        self,
        *,
        vendor: Vendor,
        ledger: WorkLedger,
        directory: CompanyDirectory,
        customers: CustomerFile,
        photos: Photographs,
    ) -> None:
        self._vendor = vendor
        self._ledger = ledger
        self._directory = directory
        self._customers = customers
        self._photos = photos

    async def request(self, request: pb.CreateEstimateRequestRequest, call: ToolCall) -> pb.CreateEstimateRequestResponse:
        """Return the estimate request of this call, whether this attempt made it or one before."""
        deadline = call.deadline
        async with self._ledger.claim(identify(call, "create_estimate_request", _asked(request)), deadline) as work:
            if work.done is not None:
                return pb.CreateEstimateRequestResponse.FromString(work.done)
            taken_up = work.progress.record_id is not None or work.progress.posting in ("estimate", "lead")
            if work.progress.record_id is None:
                await self._create(work, request, deadline)
            record_id, option_id = work.progress.record_id or "", work.progress.option_id
            attached = 0
            if option_id is not None:
                attached = await self._photos.attach(
                    deadline, record_id, option_id, request.photos_asset_ids, maybe_there=taken_up
                )
            response = pb.CreateEstimateRequestResponse(estimate_id=record_id, photos_attached=attached)
            await work.finish(response, record_id)
            return response

    async def _create(self, work: Work, request: pb.CreateEstimateRequestRequest, deadline: float) -> None:
        """Make the estimate or the lead and record its id."""
        record: EstimateRecord | LeadRecord | None = await work.left_over("estimate", lambda: self._find_estimate(work, deadline))
        record = record or await work.left_over("lead", lambda: self._find_lead(work, deadline))
        if record is None:
            company = await self._directory.get(deadline)
            company.check_serves(request.address.zip)
            client = read_client(request.customer, request.address, request.service.lead_source)
            known = await self._customers.known(work, deadline, client)
            place = await self._customers.place(work, deadline, client, known)
            record = await self._post(work, request, client, place, deadline)
        option_id = record.options[0].id if isinstance(record, EstimateRecord) and record.options else None
        await work.record(posting=None, record_id=record.id, option_id=option_id)

    async def _post(
        self, work: Work, request: pb.CreateEstimateRequestRequest, client: Client, place: Place, deadline: float
    ) -> EstimateRecord | LeadRecord:
        body = _body(request, client, place, work.identity.reference)
        ids = {"customer_id": place.customer_id, "address_id": place.address_id}
        try:
            return await work.post_once(
                "estimate",
                find=lambda: self._find_estimate(work, deadline),
                post=lambda: self._vendor.create_estimate(deadline, body | {"options": [_option(request)]}),
                **ids,
            )
        except VendorProblem as problem:
            if not problem.not_offered:
                raise
        return await work.post_once(
            "lead",
            find=lambda: self._find_lead(work, deadline),
            post=lambda: self._vendor.create_lead(deadline, body),
            **ids,
        )

    async def _find_estimate(self, work: Work, deadline: float) -> EstimateRecord | None:
        async for record in self._vendor.estimates(deadline, work.progress.customer_id or ""):
            if work.identity.reference in record.note:
                return record
        return None

    async def _find_lead(self, work: Work, deadline: float) -> LeadRecord | None:
        async for record in self._vendor.leads(deadline, work.progress.customer_id or ""):
            if work.identity.reference in record.note:
                return record
        return None


def _asked(request: pb.CreateEstimateRequestRequest) -> pb.CreateEstimateRequestRequest:
    """What has to be the same in a repeated call: not what the adapter fills in, which follows the service mapping."""
    asked = pb.CreateEstimateRequestRequest()
    asked.CopyFrom(request)
    asked.ClearField("service")
    return asked


def _body(request: pb.CreateEstimateRequestRequest, client: Client, place: Place, reference: str) -> dict[str, object]:
    note = [request.problem_summary]
    if client.phone.extension:
        note.append(f"Phone extension: {client.phone.extension}")
    note.append(f"Reference: {reference}")
    body: dict[str, object] = {"customer_id": place.customer_id, "address_id": place.address_id, "note": "\n".join(note)}
    return body | ({"lead_source": client.lead_source} if client.lead_source else {})


def _option(request: pb.CreateEstimateRequestRequest) -> dict[str, object]:
    return {"name": request.service.name or _OPTION}
