-- Actions that wait for a person, and an action log that never goes back.

alter table dispatch.action
    add column server           text not null default '',
    add column authorization_id text not null default '',
    add column scope            jsonb not null default '{}';

-- How far an action has come. It only ever goes on: what was said to have succeeded is never under way again.
create function dispatch.progress(p_status text) returns integer
language sql immutable parallel safe as $$
    select case p_status
        when 'RECEIVED' then 0 when 'PENDING_AUTHORIZATION' then 1 when 'EXECUTING' then 2 when 'OUTCOME_UNKNOWN' then 3
        when 'SUCCEEDED' then 5 else 4 end
$$;

-- As before; and an item may bring authorization {column: value}: it is inserted with the action, whose claim is then done, with
-- the claim's own sealed_result (base64) as the answer to repetitions.
create or replace function dispatch.open_actions(p_writer text, p_items jsonb, p_derived_window interval)
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
        select item ->> 'action_id' as action_id, (item ->> 'at')::timestamptz as at, claim.*,
               case when jsonb_typeof(item -> 'authorization') = 'object' then 'done' else 'in_flight' end as state
        from jsonb_array_elements(p_items) as item,
             jsonb_to_record(item -> 'claim') as claim(
                 tenant text, actor text, action text, key_hash text, fingerprint text, derived boolean, sealed_plan text,
                 sealed_result text)
        where item -> 'claim' is not null and jsonb_typeof(item -> 'claim') = 'object'
        -- One order for every writer: two that want the same keys cannot wait for each other.
        order by claim.tenant, claim.actor, claim.action, claim.key_hash
    ), taken as (
        insert into dispatch.claim as held
            (tenant, actor, action, key_hash, action_id, tool_key, fingerprint, derived, state, owner, sealed_plan, sealed_result,
             created_at)
        select tenant, actor, action, key_hash, action_id, action_id, fingerprint, derived, state, p_writer,
               decode(sealed_plan, 'base64'), decode(sealed_result, 'base64'), at
        from asked
        on conflict (tenant, actor, action, key_hash) do update set
            action_id = excluded.action_id,
            retry_of = case when held.state = 'retryable' then held.action_id end,
            -- A retry of the same request keeps the tool's key; a new use of a derived key after its window gets a new one.
            tool_key = case when held.derived and held.created_at < excluded.created_at - p_derived_window
                            then excluded.tool_key else held.tool_key end,
            fingerprint = excluded.fingerprint,
            state = excluded.state,
            owner = excluded.owner,
            sealed_plan = excluded.sealed_plan,
            sealed_result = excluded.sealed_result,
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
                     '{}'::jsonb, now(), now(), '', '', '{}'::jsonb)::dispatch.action,
                 item -> 'row') as filled
        where item ->> 'action_id' <> '';
        if exists (select 1 from jsonb_array_elements(v_items) as item where jsonb_typeof(item -> 'authorization') = 'object') then
            insert into dispatch.authorization
            select (jsonb_populate_record(null::dispatch.authorization, item -> 'authorization')).*
            from jsonb_array_elements(v_items) as item
            where jsonb_typeof(item -> 'authorization') = 'object';
        end if;
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

-- As before; and an item without claim_state leaves the claim as it is, and a change that would take an action back to an earlier
-- state stays an event and does not reach the action log.
create or replace function dispatch.close_actions(p_writer text, p_items jsonb, p_again boolean) returns void
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
        payload_redacted = coalesce(change.payload_redacted, target.payload_redacted),
        redactions = coalesce(change.redactions, target.redactions),
        input_hash = coalesce(change.input_hash, target.input_hash),
        policy_ids = coalesce(change.policy_ids, target.policy_ids),
        scope = coalesce(change.scope, target.scope),
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
             status text, payload_redacted jsonb, redactions jsonb, input_hash text, policy_ids jsonb, scope jsonb, output_hash text,
             external_id text, vendor_reference text, latency_ms integer, error_code text, error_details text, retry_of text,
             updated_at timestamptz)
    where target.id = item ->> 'action_id'
      and dispatch.progress(coalesce(change.status, target.status)) >= dispatch.progress(target.status);
    update dispatch.claim as held set
        state = item ->> 'claim_state',
        sealed_result = decode(item ->> 'sealed_result', 'base64'),
        sealed_plan = null
    from jsonb_array_elements(v_items) as item
    where held.action_id = item ->> 'action_id' and item ->> 'claim_state' is not null;
end
$$;

grant execute on all functions in schema dispatch to {role};
