"""What stands between one call and a server that fails: breaker, bulkhead, rate, retries, and the client that has them all.

Above: the adapter's servicer. Below: `mcp_client`.
"""

from mcp_adapter_service.resilience.breaker import Breaker, BreakerState
from mcp_adapter_service.resilience.bulkhead import Bulkhead, Place
from mcp_adapter_service.resilience.client import CallReport, ResilientClient
from mcp_adapter_service.resilience.rate import Rate
from mcp_adapter_service.resilience.retry import RetryPolicy

__all__ = ["Breaker", "BreakerState", "Bulkhead", "CallReport", "Place", "Rate", "ResilientClient", "RetryPolicy"]
