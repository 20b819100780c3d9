"""What people read about a running stack: the table of processes, and what to try next.

Above: `switchboard up` and `status`. Below: nothing.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any


def process_table(processes: Sequence[dict[str, Any]]) -> list[str]:
    """One line per process, in columns, under a heading."""
    rows = [("process", "state", "pid", "address")]
    rows += [(row["name"], row["state"], str(row["pid"] or "-"), row["address"]) for row in processes]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows]


def what_is_where(front_door: str, processes: Sequence[dict[str, Any]], root: Path, *, today: date) -> list[str]:
    """The page that `switchboard up` ends its start with."""
    return [
        "",
        f"Switchboard is ready at {front_door}",
        "",
        *process_table(processes),
        "",
        f"  state and logs: {_short(root)}, {_short(root)}/logs/NAME.log",
        "",
        "Book a visit:",
        "",
        *_booking(front_door, today),
        "",
        "Everything but the card actions and /healthz wants a token:",
        "",
        f"  curl -s {front_door}/api/action-log \\",
        '    -H "authorization: Bearer $(.venv/bin/switchboard token --role operator)"',
        "",
        f"Models connect to {front_door}/mcp (MCP, with a token of the role agent; docs/models.md).",
        "",
        "Ctrl-C stops everything.",
    ]


def _booking(front_door: str, today: date) -> list[str]:
    request = {
        "action": "HOUSECALL_PRO_BOOKING",
        "payload": {
            "threadId": "try-1",
            "serviceId": "drain-cleaning",
            "customer": {"firstName": "Ada", "lastName": "Byron", "phone": "(608) 555-0142"},
            "address": {"line1": "1 S Pinckney St", "city": "Madison", "state": "WI", "zip": "53703"},
            "preferred": {"date1": (today + timedelta(days=2)).isoformat(), "timeWindow": "AM"},
        },
        "context": {"threadId": "try-1"},
    }
    return [
        f"  curl -s {front_door}/api/actions/dispatch -H 'content-type: application/json' \\",
        f"    -d {shlex.quote(json.dumps(request))}",
    ]


def _short(path: Path) -> str:
    """`path` as seen from here, where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
