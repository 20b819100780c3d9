"""What is counted. Labels are names of tools that exist and codes, never anything that a client sent.

Above: `mcp_server` and calls. Below: prometheus-client, served where `metrics_listen` says.
"""

from __future__ import annotations

from prometheus_client import Counter, Histogram

CALLS = Counter("switchboard_model_calls_total", "Tool calls of models by tool and what came of them.", ("tool", "code"))
SECONDS = Histogram(
    "switchboard_model_call_seconds",
    "Time from taking a model's call in to its answer, in seconds.",
    ("tool",),
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
LISTS = Counter("switchboard_model_lists_total", "Pages of tools that models were shown.")
