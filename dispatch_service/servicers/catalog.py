"""CatalogService: what can be booked and how to reach the company."""

from __future__ import annotations

from typing import Any

from switchboard.catalog.v1 import catalog_service_pb2, catalog_service_pb2_grpc

from dispatch_service.adapter import AdapterAway, AdapterClient
from dispatch_service.tenant import Tenant
from service_kit.errors import Unavailable


class CatalogServicer(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Answers from the service mapping, without vendor identifiers, and from the tenant file."""

    def __init__(self, adapter: AdapterClient, tenant: Tenant) -> None:
        self._adapter = adapter
        self._site = catalog_service_pb2.GetSiteResponse(
            name=tenant.name, time_zone=tenant.time_zone, phones=tenant.phones, links=tenant.links
        )

    async def ListServices(
        self, request: catalog_service_pb2.ListServicesRequest, context: Any
    ) -> catalog_service_pb2.ListServicesResponse:
        """List what can be booked."""
        try:
            offered = await self._adapter.services()
        except AdapterAway:
            raise Unavailable("INTEGRATION_DOWN", "The list of services cannot be read just now.") from None
        return catalog_service_pb2.ListServicesResponse(
            services=[
                catalog_service_pb2.Service(
                    service_id=service.service_id,
                    name=service.name,
                    summary=service.summary,
                    duration_minutes=service.duration_minutes,
                    price_from=service.price_from_cents / 100 if service.price_from_cents else None,
                    currency=service.currency,
                )
                for service in offered
            ]
        )

    async def GetSite(self, request: catalog_service_pb2.GetSiteRequest, context: Any) -> catalog_service_pb2.GetSiteResponse:
        """Return the company's public settings."""
        return self._site
