"""model_gateway: the door for models. An MCP server whose every tool call becomes a call on dispatch_service.

Above: MCP clients, through Envoy's `/mcp`. Below: dispatch_service over gRPC. It decides nothing: it shows tools by names that
models' APIs take, hands the caller's checked token on, and says what came of a call so that a model can act on it.
"""
