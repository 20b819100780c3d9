-- Which vendor identifiers stand for which of our services, and who changed that when.

create table adapter.service_mapping (
    tenant           text        not null,
    service_id       text        not null check (service_id ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    name             text        not null,
    summary          text        not null default '',
    duration_minutes integer     not null check (duration_minutes between 15 and 1440),
    price_from_cents integer     not null default 0 check (price_from_cents >= 0),
    currency         text        not null check (currency ~ '^[A-Z]{3}$'),
    server           text        not null,
    vendor           jsonb       not null check (jsonb_typeof(vendor) = 'object'),
    active           boolean     not null,
    position         integer     not null default 0,
    version          integer     not null default 1 check (version > 0),
    updated_at       timestamptz not null default now(),
    primary key (tenant, service_id)
);

-- One row per change, with the whole mapping as the change left it. Append-only: the service may not touch what is written.
create table adapter.service_mapping_history (
    id             bigint      generated always as identity primary key,
    tenant         text        not null,
    service_id     text        not null,
    version        integer     not null,
    actor          text        not null,
    at             timestamptz not null default now(),
    changed_fields text[]      not null,
    correlation_id text        not null default '',
    document       jsonb       not null,
    unique (tenant, service_id, version)
);
create index on adapter.service_mapping_history (tenant, id desc);

-- A counter that every change moves, so that replicas see with one tiny query that there is something new. The row's lock
-- makes changes commit in the order of the counter; a maximum over ids or times would let a late commit slip by.
create table adapter.service_mapping_generation (
    singleton  boolean primary key default true check (singleton),
    generation bigint  not null
);
insert into adapter.service_mapping_generation (generation) values (1);

-- A trigger rather than a line in the service, so that a change made by hand in psql is seen as well.
create function adapter.move_service_mapping_generation() returns trigger language plpgsql as $$
begin
    update adapter.service_mapping_generation set generation = generation + 1;
    return null;
end
$$;
create trigger service_mapping_changed
    after insert or update or delete or truncate on adapter.service_mapping
    for each statement execute function adapter.move_service_mapping_generation();

grant select, insert, update on adapter.service_mapping to {role};
grant select, insert on adapter.service_mapping_history to {role};
grant select, update on adapter.service_mapping_generation to {role};
