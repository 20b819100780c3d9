"""The company's own facts, kept for some minutes: its time zone and where it works.

Above: `availability`, `booking`, `estimate` and the health check. Below: `vendor`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from tool_servers.housecall_pro.vendor import Vendor
from tool_servers.runtime import InvalidArgument


@dataclass(frozen=True, kw_only=True, slots=True)
class Company:
    """The company. `zips` are five-digit ZIP codes; none means that it works everywhere."""

    zone: ZoneInfo
    zips: frozenset[str]

    def serves(self, zip_code: str) -> bool:
        """Say whether the company works at `zip_code`, of five or nine digits."""
        return not self.zips or zip_code[:5] in self.zips

    def check_serves(self, zip_code: str) -> None:
        """Raise InvalidArgument where the company does not work at `zip_code`."""
        if not self.serves(zip_code):
            raise InvalidArgument("The company does not work in this ZIP code.", field="address.zip")


class CompanyDirectory:
    """Asks for the company at most every `seconds`, once for all calls that need it at the same time."""

    def __init__(self, vendor: Vendor, *, seconds: float) -> None:
        self._vendor = vendor
        self._seconds = seconds
        self._known: tuple[Company, float] | None = None
        self._lock = asyncio.Lock()

    async def get(self, deadline: float, *, max_age: float | None = None) -> Company:
        """Return the company, no older than `max_age` seconds. Raises VendorProblem."""
        limit = self._seconds if max_age is None else min(max_age, self._seconds)
        return self._fresh(limit) or await self._ask(deadline, limit)

    def _fresh(self, limit: float) -> Company | None:
        if self._known is None or asyncio.get_running_loop().time() - self._known[1] >= limit:
            return None
        return self._known[0]

    async def _ask(self, deadline: float, limit: float) -> Company:
        async with self._lock:
            found = self._fresh(limit)
            if found is not None:
                return found
            record = await self._vendor.company(deadline)
            zips = record.service_areas_data.zip_codes if record.service_areas_data else ()
            company = Company(zone=record.time_zone, zips=frozenset(code.strip()[:5] for code in zips if code.strip()))
            self._known = (company, asyncio.get_running_loop().time())
            return company
