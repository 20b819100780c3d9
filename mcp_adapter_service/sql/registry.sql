-- The registry's statements. `registry/store.py` and `registry/check_store.py` run them.

-- name: poll
-- Says whether anything changed since the cache was filled, and how every server was when it was last looked at; polled.
-- Without servers it is one row of nulls.
select g.generation, c.tenant, c.server, c.checked_at, c.healthy, c.message
from adapter.registry_generation g
left join adapter.registered_server_check c on true

-- name: versions
-- Every server's version, to see which have to be read again.
select tenant, name, id::text as id, version from adapter.registered_server

-- name: servers
-- Servers by tenant and name.
select s.*
from adapter.registered_server s
join unnest(%(tenants)s::text[], %(names)s::text[]) as wanted (tenant, name) using (tenant, name)

-- name: tools
-- The tools of servers, in the servers' order.
select t.*
from adapter.registered_tool t
join unnest(%(tenants)s::text[], %(names)s::text[]) as wanted (tenant, server) using (tenant, server)
order by t.tenant, t.server, t.position, t.name

-- name: lock
-- One change at a time at a server; who comes second sees what the first did.
select * from adapter.registered_server where tenant = %(tenant)s and name = %(name)s for update

-- name: add_server
-- Keeps a server; nothing where there is one of that name.
insert into adapter.registered_server
    (tenant, name, url, command, token_environment, sealed_token, timeout_seconds, protocol_version, listing_hash, registered_by)
values
    (%(tenant)s, %(name)s, %(url)s, %(command)s, %(token_environment)s, %(sealed_token)s, %(timeout_seconds)s,
     %(protocol_version)s, %(listing_hash)s, %(actor)s)
on conflict (tenant, name) do nothing
returning id::text as id

-- name: add_check
-- Says that a new server has just been looked at.
insert into adapter.registered_server_check (tenant, server, next_at)
values (%(tenant)s, %(name)s, now() + make_interval(secs => %(next_seconds)s))

-- name: put_listing
-- Notes what a server lists now.
update adapter.registered_server set listing_hash = %(listing_hash)s where tenant = %(tenant)s and name = %(name)s

-- name: put_tools
-- Notes what is pinned of tools and how they stand to it; what we say of a tool stays as it is. One statement for all of them,
-- so that their server gets one new version.
insert into adapter.registered_tool as t (tenant, server, name, position, pin, pinned, listed, drift, reason)
select %(tenant)s, %(server)s, i.name, i.position, i.pin, i.pinned::json, i.listed::json, i.drift, i.reason
from jsonb_to_recordset(%(tools)s::jsonb)
    as i (name text, position integer, pin text, pinned text, listed text, drift text, reason text)
on conflict (tenant, server, name) do update set
    position = excluded.position, pin = excluded.pin, pinned = excluded.pinned, listed = excluded.listed,
    drift = excluded.drift, reason = excluded.reason

-- name: drop_tools
-- Forgets tools that are neither pinned nor listed any more.
delete from adapter.registered_tool where tenant = %(tenant)s and server = %(server)s and name = any(%(names)s)

-- name: configure_tool
-- Says what we know of a tool.
update adapter.registered_tool
set effect = %(effect)s, idempotent = %(idempotent)s, permission = %(permission)s, sensitive = %(sensitive)s, configured = true
where tenant = %(tenant)s and server = %(server)s and name = %(tool)s

-- name: enable_tool
-- Says who may call a tool.
update adapter.registered_tool
set enabled_for_all = %(enabled_for_all)s, enabled_for = %(enabled_for)s
where tenant = %(tenant)s and server = %(server)s and name = %(tool)s

-- name: remove_server
-- Forgets a server; its tools and its check go with it.
delete from adapter.registered_server where tenant = %(tenant)s and name = %(name)s returning name

-- name: add_history
-- Writes down a change beside it, in the same transaction.
insert into adapter.registered_server_history (tenant, server, tool, what, actor, correlation_id, document)
values (%(tenant)s, %(server)s, %(tool)s, %(what)s, %(actor)s, %(correlation_id)s, %(document)s::jsonb)

-- name: claim_checks
-- Takes servers that are due to be looked at. Another adapter does not take them within `lease_seconds`, nor does this one.
update adapter.registered_server_check c
set next_at = now() + make_interval(secs => %(lease_seconds)s)
from (
    select tenant, server from adapter.registered_server_check
    where next_at <= now() order by next_at limit %(most)s for update skip locked
) due
where c.tenant = due.tenant and c.server = due.server
returning c.tenant, c.server

-- name: put_check
-- Notes how a server was, and when to look again.
update adapter.registered_server_check
set checked_at = now(), healthy = %(healthy)s, message = %(message)s, next_at = now() + make_interval(secs => %(next_seconds)s)
where tenant = %(tenant)s and server = %(server)s

-- name: make_due
-- Has a server looked at now.
update adapter.registered_server_check set next_at = now() where tenant = %(tenant)s and server = %(server)s
