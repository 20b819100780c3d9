"""The adapter as dispatch sees it: call a tool, list what can be booked, ask whether it works.

Above: the journey, the catalogue, health. Below: `switchboard.adapter.v1`. `client` is the whole of it, `targets` knows which
adapters there are, `stream` is one stream of calls to one of them, `conversion` is what is said on it, `registry` is the register
of third-party servers.
"""

from dispatch_service.adapter.client import AdapterClient, BookableService, ToolPort
from dispatch_service.adapter.registry import AdapterAway, Asker, RegistryClient

__all__ = ["AdapterAway", "AdapterClient", "Asker", "BookableService", "RegistryClient", "ToolPort"]
