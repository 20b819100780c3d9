"""What is counted. Labels are names of our own contract, never anything that a caller sent.

Above: the journey. Below: prometheus-client, served where `metrics_listen` says.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram
from switchboard.dispatch.v1 import error_pb2

from dispatch_service.doors import Result

ACTIONS = Counter("switchboard_actions_total", "Actions by what came of them.", ("action", "outcome"))
SECONDS = Histogram(
    "switchboard_action_seconds",
    "Time from taking an action in to its answer, in seconds.",
    ("action",),
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
REPLAYS = Counter("switchboard_replays_total", "Calls that were answered with the outcome of an earlier one.", ("action",))
RECOVERED = Counter("switchboard_recovered_total", "Actions that were taken over from a dead process.", ("outcome",))
JOURNEYS = Gauge("switchboard_journeys_running", "Actions that are under way.")
RATE_LIMITED = Counter("switchboard_rate_limited_total", "Calls of visitors that were turned away for being too many.")

_UNKNOWN_ACTION = "unknown"


def observe(action: str, result: Result, seconds: float) -> None:
    """Count one answered action."""
    name = action or _UNKNOWN_ACTION
    outcome = "OK" if result.ok else error_pb2.ErrorCode.Name(result.error.code)
    ACTIONS.labels(name, outcome).inc()
    SECONDS.labels(name).observe(seconds)
