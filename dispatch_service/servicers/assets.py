"""AssetService: uploads of pictures."""

from __future__ import annotations

from typing import Any

from switchboard.asset.v1 import asset_service_pb2, asset_service_pb2_grpc

from dispatch_service.assets import AssetStore
from dispatch_service.principal import Realm, principal_of
from dispatch_service.rate_limit import VisitorLimit
from dispatch_service.servicers import metadata as metadata_of
from service_kit.contract import validation
from service_kit.errors import InvalidArgument


class AssetServicer(asset_service_pb2_grpc.AssetServiceServicer):
    """Takes one picture per call."""

    def __init__(self, store: AssetStore, realm: Realm, limit: VisitorLimit) -> None:
        self._store = store
        self._realm = realm
        self._limit = limit

    async def UploadAsset(
        self, request: asset_service_pb2.UploadAssetRequest, context: Any
    ) -> asset_service_pb2.UploadAssetResponse:
        """Store a picture for a conversation."""
        metadata = metadata_of.of(context)
        principal = principal_of(metadata, self._realm)
        self._limit.admit(principal, metadata)
        problems = validation.check(request)
        if problems:
            raise InvalidArgument("MISSING_FIELDS", "The query parameter thread_id is needed.", problems=problems)
        asset = await self._store.save(principal.tenant, request.thread_id, request.file.data)
        return asset_service_pb2.UploadAssetResponse(asset_id=asset.id, content_type=asset.content_type, size_bytes=asset.size)
