-- The adapter's statements. `service_mapping/store.py` runs them.

-- name: generation
-- Says whether anything changed since the cache was filled; polled.
select generation from adapter.service_mapping_generation

-- name: all_mappings
-- Every mapping with the generation that it belongs to: one statement, so one snapshot. Without mappings it is one row of nulls.
select g.generation, m.*
from adapter.service_mapping_generation g
left join adapter.service_mapping m on true
order by m.tenant, m.position, m.service_id

-- name: lock_tenant
-- Lets one change at a time at a tenant's mappings, first ones included, which have no row to lock yet.
select pg_advisory_xact_lock(hashtext('adapter.service_mapping'), hashtext(%(tenant)s))

-- name: current
-- The mapping as it is before a change.
select * from adapter.service_mapping where tenant = %(tenant)s and service_id = %(service_id)s

-- name: has_any
-- Says whether the tenant has mappings, which a seed must leave alone.
select exists (select 1 from adapter.service_mapping where tenant = %(tenant)s) as found

-- name: put
-- Creates or replaces a mapping. The caller holds the tenant's lock and has chosen the version.
insert into adapter.service_mapping as m
    (tenant, service_id, name, summary, duration_minutes, price_from_cents, currency, server, vendor, active, position, version)
values
    (%(tenant)s, %(service_id)s, %(name)s, %(summary)s, %(duration_minutes)s, %(price_from_cents)s, %(currency)s, %(server)s,
     %(vendor)s::jsonb, %(active)s, %(position)s, %(version)s)
on conflict (tenant, service_id) do update set
    name = excluded.name, summary = excluded.summary, duration_minutes = excluded.duration_minutes,
    price_from_cents = excluded.price_from_cents, currency = excluded.currency, server = excluded.server,
    vendor = excluded.vendor, active = excluded.active, position = excluded.position, version = excluded.version,
    updated_at = now()

-- name: add_history
-- Writes down a change beside it, in the same transaction.
insert into adapter.service_mapping_history
    (tenant, service_id, version, actor, changed_fields, correlation_id, document)
values
    (%(tenant)s, %(service_id)s, %(version)s, %(actor)s, %(changed_fields)s, %(correlation_id)s, %(document)s::jsonb)

-- name: changes
-- A tenant's changes, newest first; of one service where one is named.
select service_id, version, actor, at, changed_fields, correlation_id
from adapter.service_mapping_history
where tenant = %(tenant)s and (%(service_id)s = '' or service_id = %(service_id)s)
order by id desc
limit %(limit)s
