-- Third-party MCP servers: which there are, what their tools were when they were accepted, and who changed that when.

create table adapter.registered_server (
    tenant            text        not null check (tenant <> ''),
    name              text        not null check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
    -- Tells a server from one that was removed and had the same name.
    id                uuid        not null default gen_random_uuid(),
    version           integer     not null default 1 check (version > 0),
    url               text        not null default '',
    command           text[]      not null default '{}',
    token_environment text        not null default '',
    -- Sealed with the keys file for this tenant, name and address: moved to another row it does not open.
    sealed_token      bytea,
    timeout_seconds   integer     not null check (timeout_seconds between 1 and 600),
    protocol_version  text        not null default '',
    listing_hash      text        not null,
    registered_by     text        not null,
    registered_at     timestamptz not null default now(),
    primary key (tenant, name),
    check ((url <> '') <> (cardinality(command) > 0)),
    check (token_environment = '' or sealed_token is null)
);

-- `pinned` is the definition that was accepted, null where there is none; `listed` is what the server says now, where that is
-- something else. Both as text that a hash stands for, so json and not jsonb.
create table adapter.registered_tool (
    tenant          text     not null,
    server          text     not null,
    name            text     not null,
    position        integer  not null default 0,
    pin             text     not null default '',
    pinned          json,
    listed          json,
    drift           text     not null check (drift in ('none', 'changed', 'gone', 'new', 'unusable')),
    reason          text     not null default '',
    effect          text     not null default 'destructive' check (effect in ('read', 'write', 'destructive')),
    idempotent      boolean  not null default false,
    permission      text     not null default 'requires_authorization'
                             check (permission in ('unrestricted', 'soft_limit', 'requires_authorization')),
    sensitive       boolean  not null default false,
    configured      boolean  not null default false,
    enabled_for_all boolean  not null default false,
    enabled_for     text[]   not null default '{}',
    primary key (tenant, server, name),
    foreign key (tenant, server) references adapter.registered_server (tenant, name) on delete cascade,
    check ((pin = '') = (pinned is null)),
    check (drift in ('new', 'unusable') or pin <> '')
);

-- When a server was last looked at and how it was: written every minute, so apart from what is followed.
create table adapter.registered_server_check (
    tenant     text        not null,
    server     text        not null,
    next_at    timestamptz not null default now(),
    checked_at timestamptz not null default now(),
    healthy    boolean     not null default true,
    message    text        not null default '',
    primary key (tenant, server),
    foreign key (tenant, server) references adapter.registered_server (tenant, name) on delete cascade
);
create index on adapter.registered_server_check (next_at);

-- One row per change. Append-only: the service may not touch what is written, and a server's removal leaves it.
create table adapter.registered_server_history (
    id             bigint      generated always as identity primary key,
    tenant         text        not null,
    server         text        not null,
    tool           text        not null default '',
    what           text        not null,
    actor          text        not null,
    at             timestamptz not null default now(),
    correlation_id text        not null default '',
    document       jsonb       not null
);
create index on adapter.registered_server_history (tenant, server, id desc);

-- A counter that every change moves; see adapter.service_mapping_generation.
create table adapter.registry_generation (
    singleton  boolean primary key default true check (singleton),
    generation bigint  not null
);
insert into adapter.registry_generation (generation) values (1);

create function adapter.move_registry_generation() returns trigger language plpgsql as $$
begin
    update adapter.registry_generation set generation = generation + 1;
    return null;
end
$$;
create trigger registry_changed
    after insert or update or delete or truncate on adapter.registered_server
    for each statement execute function adapter.move_registry_generation();

-- Every change of a server or of one of its tools gives the server another version, so that only it is read again.
create function adapter.move_server_version() returns trigger language plpgsql as $$
begin
    new.version = old.version + 1;
    return new;
end
$$;
create trigger server_version before update on adapter.registered_server
    for each row execute function adapter.move_server_version();

create function adapter.touch_servers() returns trigger language plpgsql as $$
begin
    update adapter.registered_server s set version = s.version
    from (select distinct tenant, server from changed) c
    where s.tenant = c.tenant and s.name = c.server;
    return null;
end
$$;
create trigger tool_added after insert on adapter.registered_tool
    referencing new table as changed for each statement execute function adapter.touch_servers();
create trigger tool_changed after update on adapter.registered_tool
    referencing new table as changed for each statement execute function adapter.touch_servers();
create trigger tool_removed after delete on adapter.registered_tool
    referencing old table as changed for each statement execute function adapter.touch_servers();

grant select, insert, update, delete on adapter.registered_server to {role};
grant select, insert, update, delete on adapter.registered_tool to {role};
grant select, insert, update, delete on adapter.registered_server_check to {role};
grant select, insert on adapter.registered_server_history to {role};
grant select, update on adapter.registry_generation to {role};
