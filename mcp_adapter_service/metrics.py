"""What the adapter counts: calls by outcome, how long they took, and how each server's breaker stands.

Above: the adapter's servicer, `app`. Below: prometheus-client. Labels are names from our contract and configuration only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from switchboard.adapter.v1 import adapter_service_pb2 as pb

from mcp_adapter_service.resilience import BreakerState
from mcp_adapter_service.servers import ToolServer

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)


class Metrics:
    """Metrics of one adapter process."""

    def __init__(self, registry: CollectorRegistry, servers: Mapping[str, ToolServer]) -> None:
        self._calls = Counter(
            "switchboard_adapter_tool_calls", "Tool calls by outcome.", ("server", "tool", "outcome"), registry=registry
        )
        self._attempts = Counter(
            "switchboard_adapter_tool_attempts", "Requests sent to tool servers.", ("server", "tool"), registry=registry
        )
        self._seconds = Histogram(
            "switchboard_adapter_tool_call_seconds",
            "How long tool calls took, waiting and retries included.",
            ("server", "tool"),
            registry=registry,
            buckets=_BUCKETS,
        )
        breaker = Gauge("switchboard_adapter_breaker_open", "1 while a server is left alone.", ("server",), registry=registry)
        for name, server in servers.items():
            breaker.labels(name).set_function(_open(server))
        # Looking labels up costs more than counting.
        self._children: dict[tuple[str, str, int], tuple[Counter, Counter, Histogram]] = {}

    def observe(self, server: str, tool: str, response: pb.InvokeToolResponse) -> None:
        """Count one call."""
        key = (server, tool, response.outcome)
        children = self._children.get(key)
        if children is None:
            outcome = pb.ToolOutcome.Name(response.outcome).removeprefix("TOOL_OUTCOME_").lower()
            children = (
                self._calls.labels(server, tool, outcome),
                self._attempts.labels(server, tool),
                self._seconds.labels(server, tool),
            )
            self._children[key] = children
        calls, attempts, seconds = children
        calls.inc()
        attempts.inc(response.attempts)
        seconds.observe(response.latency_ms / 1000)


def _open(server: ToolServer) -> Callable[[], float]:
    return lambda: float(server.client.breaker_state is BreakerState.OPEN)
