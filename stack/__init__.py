"""Running it: one machine's Switchboard as one foreground command, and the command line around it.

Above: `make run` and people at a terminal. Below: the services, Envoy and Postgres, each a process of its own. A
deployment elsewhere (see `deploy/`) does not use this package; the services do not know it.
"""
