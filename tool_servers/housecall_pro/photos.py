"""Photos of the problem, attached to an estimate: each once, none of them worth failing the request for.

Above: `estimate`. Below: `assets`, `vendor`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from service_kit.logging import log
from service_kit.postgres import DatabaseError
from tool_servers.housecall_pro.assets import AssetReader
from tool_servers.housecall_pro.faults import VendorProblem
from tool_servers.housecall_pro.vendor import Vendor
from tool_servers.housecall_pro.wire import EstimateRecord

_AT_ONCE = 3
_ENDINGS = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/heic": ".heic", "image/gif": ".gif"}

_logger = logging.getLogger(__name__)


class Photographs:
    """Attaches photos. A file is named after its asset, so that what is there already is recognised."""

    def __init__(self, vendor: Vendor, assets: AssetReader) -> None:
        self._vendor = vendor
        self._assets = assets

    async def attach(
        self, deadline: float, estimate_id: str, option_id: str, asset_ids: Sequence[str], *, maybe_there: bool
    ) -> int:
        """Return how many of the photos the vendor has. `maybe_there` says that an earlier attempt may have attached some."""
        if not asset_ids:
            return 0
        there: set[str] = set()
        if maybe_there:
            found = await self._there(deadline, estimate_id, asset_ids)
            if found is None:
                # Rather a photo too few than each of them twice.
                return 0
            there = found
        places = asyncio.Semaphore(_AT_ONCE)
        outcomes = await asyncio.gather(
            *(
                self._attach_one(places, deadline, estimate_id, option_id, asset_id)
                for asset_id in asset_ids
                if asset_id not in there
            )
        )
        if any(outcome is None for outcome in outcomes):
            found = await self._there(deadline, estimate_id, asset_ids)
            if found is not None:
                return len(found)
        return len(there) + sum(outcome is True for outcome in outcomes)

    async def _attach_one(
        self, places: asyncio.Semaphore, deadline: float, estimate_id: str, option_id: str, asset_id: str
    ) -> bool | None:
        """Attach one photo. None where nobody knows."""
        async with places:
            try:
                asset = await self._assets.read(asset_id)
            except DatabaseError:
                log(_logger, logging.WARNING, "a photo could not be read", exc_info=True)
                return False
            if asset is None:
                log(_logger, logging.WARNING, "a photo is not there")
                return False
            try:
                await self._vendor.attach(
                    deadline,
                    estimate_id,
                    option_id,
                    name=f"{asset_id}{_ENDINGS.get(asset.content_type, '')}",
                    content=asset.content,
                    content_type=asset.content_type,
                )
            except VendorProblem as problem:
                return None if problem.uncertain else False
            return True

    async def _there(self, deadline: float, estimate_id: str, asset_ids: Iterable[str]) -> set[str] | None:
        try:
            record = await self._vendor.estimate(deadline, estimate_id)
        except VendorProblem:
            return None
        return _attached(record) & set(asset_ids)


def _attached(record: EstimateRecord) -> set[str]:
    return {file.file_name.partition(".")[0] for option in record.options for file in option.attachments}
