"""What the adapter counts: calls by outcome, how long they took, how each server's breaker stands, and tools that drifted.

Above: the adapter's servicer, `app`. Below: prometheus-client. Labels are names from our contract and configuration only; of two
tenants' servers of one name, what is counted is counted together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from switchboard.adapter.v1 import adapter_service_pb2 as pb

from mcp_adapter_service.resilience import BreakerState
from mcp_adapter_service.server_directory import ServerDirectory

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)


class Metrics:
    """Metrics of one adapter process."""

    def __init__(self, registry: CollectorRegistry, directory: ServerDirectory) -> None:
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
        self._drifts = Counter(
            "switchboard_adapter_tool_drifts",
            "Tools of third-party servers that were found to be otherwise than before.",
            ("server",),
            registry=registry,
        )
        registry.register(_Servers(directory))
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

    def observe_drift(self, server: str, tools: int) -> None:
        """Count tools that were found to stand otherwise than before."""
        self._drifts.labels(server).inc(tools)


class _Servers(Collector):
    """How every server stands at the moment of asking."""

    def __init__(self, directory: ServerDirectory) -> None:
        self._directory = directory

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the gauges."""
        breakers = ((server.name, server.client.breaker_state is BreakerState.OPEN) for server in self._directory.all())
        yield _gauge("switchboard_adapter_breaker_open", "1 while a server is left alone.", breakers)
        drifted = self._directory.drifted()
        yield _gauge(
            "switchboard_adapter_tools_drifted", "Tools of a third-party server that are not as they were pinned.", drifted
        )


def _gauge(name: str, documentation: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    together: dict[str, float] = {}
    for server, value in values:
        together[server] = together.get(server, 0.0) + value
    gauge = GaugeMetricFamily(name, documentation, labels=("server",))
    for server, value in sorted(together.items()):
        gauge.add_metric((server,), value)
    return gauge
