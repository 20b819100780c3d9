-- The journal: append-only, hash-chained events; the action log as their projection; claims on idempotency keys.

-- One row per writing process. The row is its chain's head and, through alive_until, its lease on what it is executing.
create table dispatch.chain (
    writer_id   text primary key,
    sequence    bigint not null default 0,
    hash        bytea not null,
    started_at  timestamptz not null default now(),
    alive_until timestamptz not null
);

-- What happened, in the order in which each writer wrote it. `body` is the exact text that is hashed.
create table dispatch.event (
    writer_id text not null references dispatch.chain,
    sequence  bigint not null,
    action_id text not null,
    type      text not null,
    at        timestamptz not null,
    body      text not null,
    hash      bytea not null,
    primary key (writer_id, sequence)
);
create index event_action on dispatch.event (action_id);

-- The action log that people see: each column is the last value that the action's events gave it.
create table dispatch.action (
    id               text primary key,
    tenant           text not null,
    thread_id        text not null default '',
    action           text not null,
    status           text not null,
    mcp_tool         text not null default '',
    actor            text not null,
    tier             text not null default '',
    origin           text not null,
    payload_redacted jsonb not null default '{}',
    redactions       jsonb not null default '[]',
    input_hash       text not null default '',
    output_hash      text not null default '',
    correlation_id   text not null,
    external_id      text not null default '',
    vendor_reference text not null default '',
    latency_ms       integer not null default 0,
    error_code       text not null default '',
    error_details    text not null default '',
    policy_ids       jsonb not null default '[]',
    retry_of         text not null default '',
    client           jsonb not null default '{}',
    created_at       timestamptz not null,
    updated_at       timestamptz not null
);
create index action_newest on dispatch.action (tenant, created_at desc, id desc);
create index action_thread on dispatch.action (tenant, thread_id, created_at desc, id desc);
create index action_correlation on dispatch.action (correlation_id);

-- Who holds an idempotency key. `tool_key` is what the tool sees; it outlives retries and changes with a new use of the key.
create table dispatch.claim (
    tenant           text not null,
    actor            text not null,
    action           text not null,
    key_hash         text not null,
    action_id        text not null,
    -- The action that held the claim before this retry; null on first use.
    retry_of         text,
    tool_key         text not null,
    fingerprint      text not null,
    derived          boolean not null,
    state            text not null check (state in ('in_flight', 'retryable', 'done')),
    owner            text not null,
    sealed_plan      bytea,
    sealed_result    bytea,
    created_at       timestamptz not null,
    primary key (tenant, actor, action, key_hash)
);
create unique index claim_action on dispatch.claim (action_id);
create index claim_in_flight on dispatch.claim (owner) where state = 'in_flight';

-- Appends events to a writer's chain and applies them to the action log. Each item: action_id, type, at, body (text holding
-- {"row": {column: value}}). The chain's row is locked, so a chain has one order however many sessions use it.
create function dispatch.append_events(p_writer text, p_items jsonb) returns void
language plpgsql as $$
declare
    v_sequence bigint;
    v_hash     bytea;
    v_hashes   bytea[] := '{}';
    v_body     text;
begin
    select sequence, hash into strict v_sequence, v_hash from dispatch.chain where writer_id = p_writer for update;
    for v_body in select item ->> 'body' from jsonb_array_elements(p_items) as item loop
        v_hash := sha256(v_hash || convert_to(v_body, 'UTF8'));
        v_hashes := v_hashes || v_hash;
    end loop;
    insert into dispatch.event (writer_id, sequence, action_id, type, at, body, hash)
    select p_writer, v_sequence + n, item ->> 'action_id', item ->> 'type', (item ->> 'at')::timestamptz, item ->> 'body', v_hashes[n]
    from jsonb_array_elements(p_items) with ordinality as items(item, n);
    update dispatch.chain set sequence = v_sequence + cardinality(v_hashes), hash = v_hash where writer_id = p_writer;
end
$$;

-- Takes actions in. Each item: action_id, type, at, body, row and, where an effect is meant, claim {tenant, actor, action, key_hash,
-- fingerprint, derived, sealed_plan (base64)}. An item whose claim is held by another action writes nothing and
-- comes back with that claim as it stands; two items of one call must not hold the same claim.
create function dispatch.open_actions(p_writer text, p_items jsonb, p_derived_window interval)
returns table (
    action_id text, won boolean, tool_key text, holder text, state text, fingerprint text, sealed_result bytea, retry_of text
)
language plpgsql as $$
#variable_conflict use_column
declare
    v_won   jsonb;
    v_items jsonb;
begin
    with asked as (
        select item ->> 'action_id' as action_id, (item ->> 'at')::timestamptz as at, claim.*
        from jsonb_array_elements(p_items) as item,
             jsonb_to_record(item -> 'claim') as claim(
                 tenant text, actor text, action text, key_hash text, fingerprint text, derived boolean, sealed_plan text)
        where item -> 'claim' is not null and jsonb_typeof(item -> 'claim') = 'object'
        -- One order for every writer: two that want the same keys cannot wait for each other.
        order by claim.tenant, claim.actor, claim.action, claim.key_hash
    ), taken as (
        insert into dispatch.claim as held
            (tenant, actor, action, key_hash, action_id, tool_key, fingerprint, derived, state, owner, sealed_plan, created_at)
        select tenant, actor, action, key_hash, action_id, action_id, fingerprint, derived, 'in_flight', p_writer,
               decode(sealed_plan, 'base64'), at
        from asked
        on conflict (tenant, actor, action, key_hash) do update set
            action_id = excluded.action_id,
            retry_of = case when held.state = 'retryable' then held.action_id end,
            -- A retry of the same request keeps the tool's key; a new use of a derived key after its window gets a new one.
            tool_key = case when held.derived and held.created_at < excluded.created_at - p_derived_window
                            then excluded.tool_key else held.tool_key end,
            fingerprint = excluded.fingerprint,
            state = 'in_flight',
            owner = excluded.owner,
            sealed_plan = excluded.sealed_plan,
            sealed_result = null,
            created_at = excluded.created_at
        where (held.state = 'retryable' and held.fingerprint = excluded.fingerprint)
           or (held.state <> 'in_flight' and held.derived and held.created_at < excluded.created_at - p_derived_window)
        returning held.action_id, held.tool_key, held.retry_of
    )
    select coalesce(jsonb_object_agg(taken.action_id, jsonb_build_object('tool_key', taken.tool_key, 'retry_of', taken.retry_of)), '{}')
    into v_won from taken;

    select coalesce(jsonb_agg(item order by n), '[]') into v_items
    from jsonb_array_elements(p_items) with ordinality as items(item, n)
    where jsonb_typeof(item -> 'claim') is distinct from 'object' or v_won ? (item ->> 'action_id');

    if jsonb_array_length(v_items) > 0 then
        perform dispatch.append_events(p_writer, v_items);
        insert into dispatch.action
        select filled.*
        from jsonb_array_elements(v_items) as item,
             jsonb_populate_record(
                 row('', '', '', '', '', '', '', '', '', '{}'::jsonb, '[]'::jsonb, '', '', '', '', '', 0, '', '', '[]'::jsonb, '',
                     '{}'::jsonb, now(), now())::dispatch.action,
                 item -> 'row') as filled
        where item ->> 'action_id' <> '';
    end if;

    return query
    select item ->> 'action_id', true, v_won -> (item ->> 'action_id') ->> 'tool_key', item ->> 'action_id', 'in_flight', null::text,
           null::bytea, v_won -> (item ->> 'action_id') ->> 'retry_of'
    from jsonb_array_elements(v_items) as item
    union all
    select item ->> 'action_id', false, held.tool_key, held.action_id, held.state, held.fingerprint, held.sealed_result, null::text
    from jsonb_array_elements(p_items) as item
    join dispatch.claim as held
      on held.tenant = item -> 'claim' ->> 'tenant' and held.actor = item -> 'claim' ->> 'actor'
     and held.action = item -> 'claim' ->> 'action' and held.key_hash = item -> 'claim' ->> 'key_hash'
    where jsonb_typeof(item -> 'claim') = 'object' and not v_won ? (item ->> 'action_id');
end
$$;

-- Writes outcomes. Each item: action_id, type, at, body, row and, where the action holds a claim, claim_state and
-- sealed_result (base64). Items of actions that were never taken in are left out. With p_again, items that an
-- earlier call with a lost answer already wrote are left out too.
create function dispatch.close_actions(p_writer text, p_items jsonb, p_again boolean) returns void
language plpgsql as $$
declare
    v_items jsonb;
begin
    select coalesce(jsonb_agg(item order by n), '[]') into v_items
    from jsonb_array_elements(p_items) with ordinality as items(item, n)
    where exists (select 1 from dispatch.action where id = item ->> 'action_id')
      and not (p_again and exists (
          select 1 from dispatch.event
          where action_id = item ->> 'action_id' and type = item ->> 'type' and at = (item ->> 'at')::timestamptz));
    if jsonb_array_length(v_items) = 0 then
        return;
    end if;
    perform dispatch.append_events(p_writer, v_items);
    update dispatch.action as target set
        status = coalesce(change.status, target.status),
        output_hash = coalesce(change.output_hash, target.output_hash),
        external_id = coalesce(change.external_id, target.external_id),
        vendor_reference = coalesce(change.vendor_reference, target.vendor_reference),
        latency_ms = coalesce(change.latency_ms, target.latency_ms),
        error_code = coalesce(change.error_code, target.error_code),
        error_details = coalesce(change.error_details, target.error_details),
        retry_of = coalesce(change.retry_of, target.retry_of),
        updated_at = change.updated_at
    from jsonb_array_elements(v_items) as item,
         jsonb_to_record(item -> 'row') as change(
             status text, output_hash text, external_id text, vendor_reference text, latency_ms integer, error_code text,
             error_details text, retry_of text, updated_at timestamptz)
    where target.id = item ->> 'action_id';
    update dispatch.claim as held set
        state = item ->> 'claim_state',
        sealed_result = decode(item ->> 'sealed_result', 'base64'),
        sealed_plan = null
    from jsonb_array_elements(v_items) as item
    where held.action_id = item ->> 'action_id' and item ->> 'claim_state' is not null;
end
$$;

-- One transaction for everything that is waiting: what is taken in and what is finished.
create function dispatch.write_journal(
    p_writer text, p_opens jsonb, p_closes jsonb, p_again boolean, p_derived_window interval
) returns table (
    action_id text, won boolean, tool_key text, holder text, state text, fingerprint text, sealed_result bytea, retry_of text
)
language plpgsql as $$
begin
    if jsonb_array_length(p_closes) > 0 then
        perform dispatch.close_actions(p_writer, p_closes, p_again);
    end if;
    if jsonb_array_length(p_opens) > 0 then
        return query select * from dispatch.open_actions(p_writer, p_opens, p_derived_window);
    end if;
end
$$;

grant select, insert on dispatch.event to {role};
grant select, insert, update on dispatch.chain, dispatch.action, dispatch.claim to {role};
grant execute on all functions in schema dispatch to {role};
