"""Prometheus metrics of a tool server. Labels are tool names and result codes; no argument ever becomes one.

Above: `invocation` counts, `application` serves `/metrics`. Below: prometheus_client, with a registry of its own.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of one server process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._calls = Counter(
            "switchboard_tool_calls", "Tool calls by tool and result code.", ["tool", "code"], registry=self._registry
        )
        self._seconds = Histogram(
            "switchboard_tool_call_seconds",
            "How long tool calls took.",
            ["tool"],
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def tool(self, name: str) -> ToolMetrics:
        """Return the counters of one tool, looked up once and not per call."""
        return ToolMetrics(self._calls, self._seconds, name)

    def text(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)


class ToolMetrics:
    """The counters of one tool."""

    def __init__(self, calls: Counter, seconds: Histogram, tool: str) -> None:
        self._calls = calls
        self._tool = tool
        self._seconds = seconds.labels(tool=tool)
        self._by_code = {"OK": calls.labels(tool=tool, code="OK")}

    def record(self, code: str, seconds: float) -> None:
        """Count one call that ended with `code` (`OK` or an error code) after `seconds`."""
        counter = self._by_code.get(code)
        if counter is None:
            counter = self._by_code[code] = self._calls.labels(tool=self._tool, code=code)
        counter.inc()
        self._seconds.observe(seconds)
