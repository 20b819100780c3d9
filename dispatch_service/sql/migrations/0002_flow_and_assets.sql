-- A guided booking's draft, one per conversation, sealed: it holds a visitor's name and address until the booking is made.
create table dispatch.booking_flow (
    tenant       text not null,
    thread_id    text not null,
    sealed_draft bytea not null,
    updated_at   timestamptz not null default now(),
    primary key (tenant, thread_id)
);

-- Uploaded pictures, owned by the conversation they were uploaded in.
create table dispatch.asset (
    id           text primary key,
    tenant       text not null,
    thread_id    text not null,
    content_type text not null,
    content      bytea not null,
    sha256       text not null,
    created_at   timestamptz not null default now()
);
create index asset_thread on dispatch.asset (tenant, thread_id);

-- How a tool server reads a picture that an action named: by id, through this function only.
create function dispatch.read_asset(p_asset_id text) returns table (content bytea, content_type text)
language sql stable security definer set search_path = dispatch, pg_temp as $$
    select asset.content, asset.content_type from dispatch.asset where asset.id = p_asset_id
$$;
revoke execute on function dispatch.read_asset(text) from public;

do $$
begin
    if not exists (select 1 from pg_roles where rolname = 'switchboard_asset_reader') then
        create role switchboard_asset_reader nologin;
    end if;
end
$$;
grant usage on schema dispatch to switchboard_asset_reader;
grant execute on function dispatch.read_asset(text) to switchboard_asset_reader;

grant select, insert, update, delete on dispatch.booking_flow to {role};
grant select, insert on dispatch.asset to {role};
