"""What stands between one call and a server that fails: breaker, bulkhead, retries, and the client that has all three.

Above: the adapter's servicer. Below: `mcp_client`.
"""

from mcp_adapter_service.resilience.breaker import Breaker, BreakerState
from mcp_adapter_service.resilience.bulkhead import Bulkhead, Place
from mcp_adapter_service.resilience.client import CallReport, ResilientClient
from mcp_adapter_service.resilience.retry import RetryPolicy

__all__ = ["Breaker", "BreakerState", "Bulkhead", "CallReport", "Place", "ResilientClient", "RetryPolicy"]
