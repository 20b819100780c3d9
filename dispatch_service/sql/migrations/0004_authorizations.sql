-- Calls that wait for a person, and the standing permissions that come of decisions. What is personal is sealed, and erased when it is
-- no longer needed.
-- library: procrastinate.sql in dispatch_queue

create table dispatch.authorization (
    id                 text primary key,
    tenant             text not null,
    action_id          text not null,
    status             text not null
        check (status in ('PENDING', 'AUTHORIZED', 'DENIED', 'CANCELLED', 'EXPIRED', 'EXECUTED', 'FAILED')),
    -- Counts decisions and edits: who read an older one is told so.
    revision           integer not null,
    server             text not null,
    tool               text not null,
    rpc                text not null,
    requester          text not null,
    requester_kind     text not null,
    requester_role     text not null,
    thread_id          text not null,
    correlation_id     text not null,
    reason             text not null,
    policy_ids         jsonb not null,
    arguments_redacted jsonb not null,
    -- Everything that carrying it out needs, until it was carried out or will not be.
    sealed_request     bytea,
    sealed_preview     bytea,
    sealed_notes       bytea,
    sealed_result      bytea,
    arguments_hash     text not null,
    offers_always      boolean not null,
    edited             boolean not null,
    created_at         timestamptz not null,
    expires_at         timestamptz not null,
    decided_at         timestamptz,
    decided_by         text not null,
    grant_id           text not null,
    updated_at         timestamptz not null,
    -- What the tool sees as its key: the same however often the call is begun.
    tool_key           text not null,
    -- Who carries it out just now, until when that holds, how often it was begun, and when the tool may first have been called.
    lease_owner        text,
    lease_until        timestamptz,
    attempts           integer not null,
    called_at          timestamptz,
    -- The transaction that changed it last, for those who watch.
    changed_in         xid8 not null
);
create index authorization_newest on dispatch.authorization (tenant, created_at desc, id desc);
create index authorization_of_status on dispatch.authorization (tenant, status, created_at desc, id desc);
create index authorization_of_requester on dispatch.authorization (tenant, requester, created_at desc, id desc);
create index authorization_changed on dispatch.authorization (tenant, changed_in);
create index authorization_action on dispatch.authorization (action_id);
create index authorization_waiting on dispatch.authorization (expires_at) where status = 'PENDING';
create index authorization_allowed on dispatch.authorization (lease_until) where status = 'AUTHORIZED';
create index authorization_result on dispatch.authorization (updated_at) where sealed_result is not null or sealed_notes is not null;

-- A retry keeps the key that its claim has from the attempt before it; that is known only where the claim is taken.
create function dispatch.begin_authorization() returns trigger
language plpgsql as $$
begin
    new.tool_key := coalesce((select claim.tool_key from dispatch.claim where claim.action_id = new.action_id), new.action_id);
    new.changed_in := pg_current_xact_id();
    return new;
end
$$;
create trigger begin_authorization before insert on dispatch.authorization
    for each row execute function dispatch.begin_authorization();

-- "Allow always": one subject may call one tool without a person until this expires or is revoked.
create table dispatch.grant (
    id               text primary key,
    tenant           text not null,
    subject          text not null,
    subject_kind     text not null,
    server           text not null,
    tool             text not null,
    created_by       text not null,
    created_at       timestamptz not null,
    expires_at       timestamptz not null,
    revoked_at       timestamptz,
    revoked_by       text not null default '',
    authorization_id text not null references dispatch.authorization
);
create index grant_live on dispatch.grant (tenant, subject, subject_kind, server, tool, expires_at) where revoked_at is null;
create index grant_newest on dispatch.grant (tenant, created_at desc, id desc);

grant select, insert, update on dispatch.authorization, dispatch.grant to {role};
grant execute on function dispatch.begin_authorization() to {role};
