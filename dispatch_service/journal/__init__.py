"""The journal: what was asked for and what came of it, durable before and after every effect.

`records` shapes what is written, `writer` commits it in groups, `recovery` finishes what a dead process left, `action_log` reads
the projection that people see, `verify` recomputes the chains. Only these modules know the tables.
"""

from service_kit.postgres import load_queries

QUERIES = load_queries("dispatch_service")
