"""The Housecall Pro tool server: open appointments, bookings and estimate requests, composed from the vendor's REST calls.

Above: the adapter calls it over MCP. Below: the tool-server runtime, the vendor's API (or the sandbox that stands in for it) and
Postgres, schema `housecall_pro`, which keeps how far each piece of work has got. Run it with
`python -m tool_servers.housecall_pro`.

    servicer ─ booking, estimate ─ customers, appointments ─ vendor (HTTP)
                      └─ work (which step has been taken, in Postgres), assets (photos, in Postgres)
"""

from service_kit.migrations import Owner

OWNER = Owner(package="tool_servers.housecall_pro", schema="housecall_pro", role="switchboard_housecall_pro")
