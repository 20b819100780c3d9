"""What can go wrong between a model and the tools, other than what a model is told and can mend itself.

    LoopError
    ├─ ProviderError            the model's API
    │  ├─ ProviderUnavailable   not reached, or a fault of its own (5xx), also when tried again
    │  ├─ ProviderBusy          429, also when tried again
    │  ├─ ProviderRefused       another 4xx: the key, the model or the request
    │  └─ ProviderUnreadable    a reply that is not what the API promises
    └─ GatewayError             the tools' door
       ├─ GatewayUnavailable    not reached, or a fault of its own, also when tried again
       └─ GatewayRefused        4xx: the token or the request

No text of an error quotes a message, an argument, a key or what the other side wrote.
"""

from __future__ import annotations


class LoopError(Exception):
    """The base of all. `status` is the HTTP status, 0 where there was none."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ProviderError(LoopError):
    """The model's API did not give a reply."""


class ProviderUnavailable(ProviderError):
    """It was not reached, or is at fault itself."""


class ProviderBusy(ProviderError):
    """It asks for patience. `retry_after` is how long, in seconds, where it says so."""

    def __init__(self, message: str, *, status: int = 429, retry_after: float | None = None) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after


class ProviderRefused(ProviderError):
    """It does not take the request."""


class ProviderUnreadable(ProviderError):
    """Its reply makes no sense."""


class GatewayError(LoopError):
    """The tools' door did not give an answer. Sending the same again is safe: a tool call acts once."""


class GatewayUnavailable(GatewayError):
    """It was not reached, or is at fault itself."""


class GatewayRefused(GatewayError):
    """It does not take the request. `code` is the published one, where there is one."""

    def __init__(self, message: str, *, status: int, code: str = "") -> None:
        super().__init__(message, status=status)
        self.code = code
