"""An embedded stand-in for the Housecall Pro REST API: the vendor's wire shapes over HTTP, with state and faults.

Above: `tool_servers/housecall_pro` talks to it over HTTP wherever no vendor API key is configured, and knows nothing of
this package. Below: Postgres, schema `housecall_pro_sandbox`. Run it with `python -m tool_servers.housecall_pro_sandbox`.
"""
