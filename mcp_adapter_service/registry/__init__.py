"""The registry of third-party MCP servers: which there are per tenant, what their tools were when they were accepted, and what
we say of them.

Above: `app` and `servers`. Below: Postgres, schema `adapter`, and the servers themselves. A server is believed in nothing: its
tools are pinned as they were looked at, and what they may do is what an operator says.
"""
