"""Third-party tools through dispatch: real processes in front of a real third-party MCP server."""
