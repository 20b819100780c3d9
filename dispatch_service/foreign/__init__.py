"""Third-party tools: those of MCP servers that an operator registered, and that no contract of ours describes.

`catalogue` knows which there are beside the contract's and for whom they are enabled, `tool` is one of them, `source` reads them
from the adapter, `arguments` holds what they are called with to their pinned schemas.
"""

from dispatch_service.foreign.catalogue import ToolCatalogue
from dispatch_service.foreign.tool import CHANGED, ForeignTool

__all__ = ["CHANGED", "ForeignTool", "ToolCatalogue"]
