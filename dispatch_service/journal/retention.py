"""What time does to the journal and what lies beside it: months of events are made ahead and, when they are old, dropped.

Above: `authorizations.work` has this done every hour, by one replica at a time. Below: functions that belong to the tables'
owner, for the service's own role can remove nothing from the journal; and the tables that it may clear itself.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dispatch_service.journal import QUERIES
from dispatch_service.settings import DispatchSettings
from service_kit.logging import log
from service_kit.postgres import Database

_logger = logging.getLogger(__name__)
_MONTHS_AHEAD = 3


@dataclass(kw_only=True, slots=True)
class Maintained:
    """What was made and what was removed."""

    partitions: int = 0
    months: int = 0
    actions: int = 0
    keys: int = 0
    drafts: int = 0
    assets: int = 0


async def maintain(database: Database, settings: DispatchSettings) -> Maintained:
    """Do all that is due, however long it was not done. Raises DatabaseError: the next run goes on where this one ended."""
    done = Maintained()
    done.partitions = len(await database.fetch_all(QUERIES["make_partitions"], {"ahead": _MONTHS_AHEAD}))
    before = _months_ago(datetime.now(UTC), settings.journal_retention_months)
    while (dropped := await database.fetch_one(QUERIES["prune_month"], {"before": before})) and dropped["month"]:
        done.months += 1
        done.actions += dropped["actions"]
        log(_logger, logging.INFO, "a month of the journal was dropped", partition=dropped["month"], events=dropped["events"])
    done.keys = await _removed(database, "drop_keys", settings.key_retention_days)
    done.drafts = await _removed(database, "drop_drafts", settings.draft_retention_days)
    done.assets = await _removed(database, "drop_assets", settings.asset_retention_days)
    log(_logger, logging.INFO, "retention", keys=done.keys, drafts=done.drafts, assets=done.assets, months=done.months)
    return done


async def _removed(database: Database, query: str, days: float) -> int:
    row = await database.fetch_one(QUERIES[query], {"age": timedelta(days=days)})
    return int(row["removed"]) if row else 0


def _months_ago(now: datetime, months: int) -> datetime:
    """The first moment of the month that lies `months` whole months before this one."""
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)
