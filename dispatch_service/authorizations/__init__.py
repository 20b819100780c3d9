"""Authorizations: calls that wait for a person, the decisions, and the standing permissions that come of them.

Read in this order: `aggregate` (the states and who may change them), `request` (what is kept of a call that waits), `decisions`
(what a person does to it), `execution` (carrying it out once), `upkeep` (expiry, and what was left behind), `work` (the queue in
Postgres that runs both). `store` and `grants` hold the tables, `history` tells the journal, `ports` is what the journey lends.
"""

from service_kit.postgres import load_queries

QUERIES = load_queries("dispatch_service", "authorizations.sql")
