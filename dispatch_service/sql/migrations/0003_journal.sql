-- The journal after a year of use: events in monthly partitions that can be dropped without breaking a chain, one function for a
-- commit, an action log whose changes touch no index and that never goes back, and actions that wait for a person.

-- A chain's clock and what of it is settled. `written_at` never goes back, so a month's events are one stretch of a chain.
-- Everything up to `settled` has its outcome: whoever takes over from a dead writer looks only at what comes after.
alter table dispatch.chain
    add column written_at timestamptz not null default '-infinity',
    add column settled    bigint not null default 0;

-- Events by the month in which they were written. A row that belongs to no month goes to the default partition: a partition that
-- is missing stops no write.
alter table dispatch.event rename to event_unpartitioned;
alter index dispatch.event_pkey rename to event_unpartitioned_pkey;
create table dispatch.event (
    writer_id  text collate "C" not null,
    sequence   bigint not null,
    action_id  text collate "C" not null,
    type       text not null,
    at         timestamptz not null,
    written_at timestamptz not null,
    body       text not null,
    hash       bytea not null,
    primary key (writer_id, sequence, written_at)
) partition by range (written_at);
create table dispatch.event_default partition of dispatch.event default;
insert into dispatch.event
select writer_id, sequence, action_id, type, at, max(at) over (partition by writer_id order by sequence), body, hash
from dispatch.event_unpartitioned;
drop table dispatch.event_unpartitioned;
update dispatch.chain set written_at = told.last
from (select writer_id, max(written_at) as last from dispatch.event group by writer_id) as told
where told.writer_id = chain.writer_id;

-- What a chain's dropped beginning ended with. Verification goes on from here.
create table dispatch.checkpoint (
    writer_id  text collate "C" primary key,
    sequence   bigint not null,
    hash       bytea not null,
    written_at timestamptz not null
);

-- `places` are an action's events, each writer:sequence: its history without an index on every event.
alter table dispatch.action
    add column server           text not null default '',
    add column authorization_id text not null default '',
    add column scope            jsonb not null default '{}',
    add column places           text[] not null default '{}';
update dispatch.action set places = told.places
from (
    select action_id, array_agg(writer_id || ':' || sequence order by at, sequence) as places
    from dispatch.event group by action_id
) as told
where told.action_id = action.id;

-- What changes is in no index, and every page keeps room for the second version of its rows: a change stays on its page.
alter table dispatch.action set (fillfactor = 50);
alter table dispatch.claim set (fillfactor = 50);
drop index dispatch.claim_in_flight;
-- Checked by the only function that writes it; a constraint is parsed anew for every statement.
alter table dispatch.claim drop constraint claim_state_check;
-- Keys and ids are compared as bytes, whatever the database's collation, and the part that differs comes first.
alter table dispatch.claim drop constraint claim_pkey;
alter table dispatch.claim
    alter column key_hash type text collate "C",
    alter column action_id type text collate "C",
    add primary key (key_hash, tenant, actor, action);
alter table dispatch.chain alter column writer_id type text collate "C";
-- A cursor's time is nearly unique: the id beside it is compared, not indexed.
drop index dispatch.action_newest, dispatch.action_thread;
alter table dispatch.action
    alter column id type text collate "C",
    alter column thread_id type text collate "C",
    alter column correlation_id type text collate "C";
create index action_newest on dispatch.action (tenant, created_at desc);
create index action_thread on dispatch.action (thread_id, created_at desc);

-- The few actions that wait for somebody, to be found among millions that do not.
create table dispatch.waiting (
    action_id  text collate "C" primary key,
    tenant     text not null,
    status     text not null,
    created_at timestamptz not null
);
insert into dispatch.waiting
select id, tenant, status, created_at from dispatch.action where status in ('PENDING_AUTHORIZATION', 'OUTCOME_UNKNOWN');

-- The journal's clock.
create function dispatch.clock() returns timestamptz language sql volatile as 'select clock_timestamp()';

-- How far an action has come. It only goes on: what was said to have succeeded is never under way again. Between FAILED and
-- OUTCOME_UNKNOWN there is no order: another attempt of the same action may end in either.
create function dispatch.progress(p_status text) returns integer
language sql immutable parallel safe as $$
    select case p_status
        when 'RECEIVED' then 0 when 'PENDING_AUTHORIZATION' then 1 when 'EXECUTING' then 2
        when 'OUTCOME_UNKNOWN' then 3 when 'FAILED' then 3 when 'SUCCEEDED' then 5 else 4 end
$$;

drop function dispatch.write_journal(text, jsonb, jsonb, boolean, interval);
drop function dispatch.close_actions(text, jsonb, boolean);
drop function dispatch.open_actions(text, jsonb, interval);
drop function dispatch.append_events(text, jsonb);

-- Openings whose keys were held already: those that may have them get them, `taken` says of each what became of it by action id
-- {won, tool_key, retry_of, holder, state, fingerprint, sealed_result (base64)}, and `lost` is those that did not.
create function dispatch.take_over(p_writer text, p_claims json, p_window interval, out taken jsonb, out lost integer[])
language plpgsql as $$
#variable_conflict use_column
begin
    with asked as materialized (
        select asked.* from json_to_recordset(p_claims) as asked(
            n integer, action_id text, tenant text, actor text, action text, key_hash text, fingerprint text, derived boolean,
            state text, sealed_plan bytea, sealed_result bytea, at timestamptz)
        where not exists (select 1 from dispatch.claim where claim.action_id = asked.action_id)
    ), won as (
        insert into dispatch.claim as held
            (tenant, actor, action, key_hash, action_id, tool_key, fingerprint, derived, state, owner, sealed_plan, sealed_result,
             created_at)
        select tenant, actor, action, key_hash, action_id, action_id, fingerprint, derived, state, p_writer, sealed_plan,
               sealed_result, at
        from asked
        order by key_hash, tenant, actor, action
        on conflict (key_hash, tenant, actor, action) do update set
            action_id = excluded.action_id,
            retry_of = case when held.state = 'retryable'
                             and not (held.derived and held.created_at < excluded.created_at - p_window) then held.action_id end,
            -- A retry of the same request keeps the tool's key; a new use of a derived key after its window gets a new one.
            tool_key = case when held.derived and held.created_at < excluded.created_at - p_window
                            then excluded.tool_key else held.tool_key end,
            fingerprint = excluded.fingerprint,
            state = excluded.state,
            owner = excluded.owner,
            sealed_plan = excluded.sealed_plan,
            sealed_result = excluded.sealed_result,
            created_at = excluded.created_at
        where (held.state = 'retryable' and held.fingerprint = excluded.fingerprint)
           or (held.state <> 'in_flight' and held.derived and held.created_at < excluded.created_at - p_window)
        returning held.action_id, held.tool_key, held.retry_of
    )
    select jsonb_object_agg(asked.action_id, jsonb_build_object('won', true, 'tool_key', won.tool_key, 'retry_of', won.retry_of))
               filter (where won.action_id is not null),
           array_agg(asked.n) filter (where won.action_id is null)
    into taken, lost
    from asked left join won on won.action_id = asked.action_id;
    if lost is not null then
        select coalesce(taken, '{}') || jsonb_object_agg(asked.action_id, jsonb_build_object(
            'won', false, 'tool_key', held.tool_key, 'holder', held.action_id, 'state', held.state,
            'fingerprint', held.fingerprint, 'sealed_result', encode(held.sealed_result, 'base64')))
        into taken
        from json_to_recordset(p_claims) as asked(n integer, action_id text, tenant text, actor text, action text, key_hash text)
        join dispatch.claim as held using (key_hash, tenant, actor, action)
        where asked.n = any (lost);
    end if;
end
$$;

-- One commit: closings (changes of actions that exist) and openings (new ones), in this order, onto the end of a chain.
--
-- p_ids, p_types, p_ats, p_bodies   each event's action, type, time and text; the text is a JSON object without its first brace,
--                                   one line each. The function puts in front when it is written, what the action repeats, and
--                                   whether the action log is past it, and then hashes it.
-- p_closes                          a JSON array, one object per closing: n (its place among the events), action_id, the columns
--                                   to change
-- p_states                          one per closing that changes its action's claim: n, action_id, keeps_plan where the action
--                                   may have to be called again as it was, and state and sealed_result unless they stay
-- p_rows                            one per opening that is an action: n and its columns
-- p_claims                          one per opening that takes a key: n, action_id, at and the claim
-- p_authorizations                  one per opening that waits for a person: n and the row of dispatch.authorization as value
-- p_closings, p_keys                how many p_closes and p_claims are
-- p_known                           null, or the chain's length when its writer last heard of it: closings that stand behind
--                                   that already, because only the answer was lost, are left out, as are those of unknown actions
-- p_rare                            whether an action begins or ends to wait for somebody
--
-- Openings whose key another action holds write nothing. Returns the chain's new length, and of the openings whose keys were
-- held what dispatch.take_over says; the others have a key of their own.
create function dispatch.write_journal(
    p_writer text, p_ids text[], p_types text[], p_ats timestamptz[], p_bodies text, p_closes json, p_states json, p_rows json,
    p_claims json, p_authorizations json, p_closings integer, p_keys integer, p_known bigint, p_rare boolean, p_window interval,
    out length bigint, out answers jsonb
)
language plpgsql as $$
#variable_conflict use_column
declare
    v_bodies  text[] := string_to_array(p_bodies, E'\n');
    v_hashes  bytea[] := '{}';
    -- Where openings or closings are left out: each event's place, null for those.
    v_places  bigint[];
    v_left    integer[];
    v_late    integer[];
    v_count   integer;
    v_chain   bigint;
    v_hash    bytea;
    v_written timestamptz;
    v_stamp   text;
begin
    -- The chain's row is locked, so a chain has one order however many sessions use it.
    select chain.sequence, chain.hash, greatest(chain.written_at, dispatch.clock()) into strict v_chain, v_hash, v_written
    from dispatch.chain where writer_id = p_writer for update;
    v_stamp := '{"written":"' || to_char(v_written at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || 'Z",';

    if p_known is not null and p_closes is not null then
        select array_agg(item.n) into v_left
        from json_to_recordset(p_closes) as item(n integer, action_id text)
        where not exists (select 1 from dispatch.action where id = item.action_id)
           or exists (
               select 1 from dispatch.event
               where writer_id = p_writer and sequence > p_known and event.action_id = item.action_id
                 and type = p_types[item.n] and at = p_ats[item.n]);
    end if;

    if p_claims is not null then
        -- Keys that nobody holds: nearly always all of them. One order for every writer: two that want the same keys cannot
        -- wait for each other.
        insert into dispatch.claim
            (tenant, actor, action, key_hash, action_id, tool_key, fingerprint, derived, state, owner, sealed_plan, sealed_result,
             created_at)
        select tenant, actor, action, key_hash, action_id, action_id, fingerprint, derived, state, p_writer, sealed_plan,
               sealed_result, at
        from json_to_recordset(p_claims) as asked(
            action_id text, tenant text, actor text, action text, key_hash text, fingerprint text, derived boolean, state text,
            sealed_plan bytea, sealed_result bytea, at timestamptz)
        order by key_hash, tenant, actor, action
        on conflict (key_hash, tenant, actor, action) do nothing;
        get diagnostics v_count = row_count;
        if v_count < p_keys then
            select v_left || lost, taken into v_left, answers from dispatch.take_over(p_writer, p_claims, p_window);
        end if;
    end if;

    if v_left is not null then
        select array_agg(
            case when n <> all (v_left) then v_chain + n - (select count(*) from unnest(v_left) as gone where gone < n) end
            order by n)
        into v_places from generate_series(1, cardinality(v_bodies)) as n;
    end if;

    if p_closes is not null then
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
            updated_at = change.updated_at,
            places = target.places || (p_writer || ':' || coalesce(v_places[change.n], v_chain + change.n))
        from json_to_recordset(p_closes) as change(
            n integer, action_id text, status text, payload_redacted jsonb, redactions jsonb, input_hash text, policy_ids jsonb,
            scope jsonb, output_hash text, external_id text, vendor_reference text, latency_ms integer, error_code text,
            error_details text, retry_of text, updated_at timestamptz)
        where target.id = change.action_id
          and dispatch.progress(coalesce(change.status, target.status)) >= dispatch.progress(target.status)
          and (dispatch.progress(target.status) <= 3 or dispatch.progress(change.status) > dispatch.progress(target.status))
          and (v_left is null or change.n <> all (v_left));
        get diagnostics v_count = row_count;
        if v_count < p_closings then
            -- An action is past this: it stays an event, marked as late, and reaches neither the action log nor the claim.
            with late as (
                update dispatch.action as target set
                    places = target.places || (p_writer || ':' || coalesce(v_places[change.n], v_chain + change.n))
                from json_to_recordset(p_closes) as change(n integer, action_id text)
                where target.id = change.action_id and (v_left is null or change.n <> all (v_left))
                  and target.places[cardinality(target.places)]
                      <> p_writer || ':' || coalesce(v_places[change.n], v_chain + change.n)
                returning change.n
            )
            select array_agg(n) into v_late from late;
            if v_count + cardinality(coalesce(v_late, '{}')) < (
                select count(*) from json_to_recordset(p_closes) as change(n integer)
                where v_left is null or n <> all (v_left)) then
                raise exception 'no action to change' using errcode = 'no_data_found';
            end if;
        end if;
        if p_states is not null then
            update dispatch.claim as target set
                state = coalesce(change.state, target.state),
                sealed_result = case when change.state is null then target.sealed_result else change.sealed_result end,
                -- What may have to be called again keeps its plan until somebody says what became of it.
                sealed_plan = case when change.keeps_plan then target.sealed_plan end
            from json_to_recordset(p_states) as change(
                n integer, action_id text, state text, sealed_result bytea, keeps_plan boolean)
            where target.action_id = change.action_id and (v_left is null or change.n <> all (v_left))
              and (v_late is null or change.n <> all (v_late));
        end if;
    end if;

    length := v_chain;
    for n in 1 .. cardinality(v_bodies) loop
        if v_left is not null and n = any (v_left) then
            v_hashes[n] := null;
            continue;
        end if;
        if v_late is not null and n = any (v_late) then
            v_bodies[n] := v_stamp || '"late":true,' || v_bodies[n];
        elsif answers is not null and answers -> p_ids[n] ->> 'retry_of' is not null then
            v_bodies[n] := v_stamp || format('"retry_of":"%s",', answers -> p_ids[n] ->> 'retry_of') || v_bodies[n];
        else
            v_bodies[n] := v_stamp || v_bodies[n];
        end if;
        v_hash := sha256(v_hash || convert_to(v_bodies[n], 'UTF8'));
        v_hashes[n] := v_hash;
        length := length + 1;
    end loop;
    if length = v_chain then
        return;
    end if;

    with told as (
        insert into dispatch.event (writer_id, sequence, action_id, type, at, written_at, body, hash)
        select p_writer, coalesce(v_places[n], v_chain + n), action_id, type, at, v_written, body, hash
        from unnest(p_ids, p_types, p_ats, v_bodies, v_hashes) with ordinality as told(action_id, type, at, body, hash, n)
        where hash is not null
    )
    update dispatch.chain set sequence = length, hash = v_hash, written_at = v_written where writer_id = p_writer;

    if p_rows is not null then
        insert into dispatch.action
            (id, tenant, thread_id, action, status, mcp_tool, actor, tier, origin, payload_redacted, redactions, input_hash,
             correlation_id, error_code, error_details, policy_ids, retry_of, client, created_at, updated_at, server,
             authorization_id, scope, places)
        select id, tenant, coalesce(thread_id, ''), action, status, coalesce(mcp_tool, ''), actor, coalesce(tier, ''), origin,
               coalesce(payload_redacted, '{}'), coalesce(redactions, '[]'), coalesce(input_hash, ''), correlation_id,
               coalesce(error_code, ''), coalesce(error_details, ''), coalesce(policy_ids, '[]'),
               coalesce(retry_of, answers -> id ->> 'retry_of', ''),
               coalesce(client, '{}'), created_at, updated_at, coalesce(server, ''), coalesce(authorization_id, ''),
               coalesce(scope, '{}'), array[p_writer || ':' || coalesce(v_places[n], v_chain + n)]
        from json_to_recordset(p_rows) as opened(
            n integer, id text, tenant text, thread_id text, action text, status text, mcp_tool text, actor text, tier text,
            origin text, payload_redacted jsonb, redactions jsonb, input_hash text, correlation_id text, error_code text,
            error_details text, policy_ids jsonb, retry_of text, client jsonb, created_at timestamptz, updated_at timestamptz,
            server text, authorization_id text, scope jsonb)
        where v_left is null or n <> all (v_left);
    end if;
    if p_authorizations is not null then
        insert into dispatch.authorization
        select filled.*
        from json_to_recordset(p_authorizations) as waiting(n integer, value json),
             json_populate_record(null::dispatch.authorization, waiting.value) as filled
        where v_left is null or n <> all (v_left);
    end if;
    if p_rare then
        insert into dispatch.waiting
        select id, tenant, status, created_at from dispatch.action
        where id = any (p_ids) and status in ('PENDING_AUTHORIZATION', 'OUTCOME_UNKNOWN')
        on conflict (action_id) do update set status = excluded.status;
        delete from dispatch.waiting using dispatch.action
        where action_id = any (p_ids) and action.id = action_id
          and action.status not in ('PENDING_AUTHORIZATION', 'OUTCOME_UNKNOWN');
    end if;
end
$$;

-- Takes over what processes whose lease ran out left under way: at most p_limit claims, which become p_writer's, each with an
-- event that says so. `claimed` is false for what needed no claim, a look-up that somebody may now call failed. Returns the
-- chain's length too.
create function dispatch.adopt(p_writer text, p_limit integer)
returns table (action_id text, claimed boolean, tool_key text, sealed_plan bytea, retry_of text, length bigint)
language plpgsql as $$
#variable_conflict use_column
declare
    v_writers text[];
    v_settled bigint[];
    v_lengths bigint[];
    v_ids     text[];
    v_now     text := to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    v_length  bigint;
begin
    select array_agg(writer_id), array_agg(settled), array_agg(sequence) into v_writers, v_settled, v_lengths
    from dispatch.chain where alive_until < now() and settled < sequence and writer_id <> p_writer;
    if v_writers is null then
        return;
    end if;
    -- Our own chain first, as in every commit: nobody then waits for us while we wait for it.
    select sequence into strict v_length from dispatch.chain where writer_id = p_writer for update;
    with orphan as (
        select held.action_id
        from unnest(v_writers, v_settled) as dead(writer_id, settled)
        join dispatch.event on event.writer_id = dead.writer_id and event.sequence > dead.settled
        join dispatch.claim as held on held.action_id = event.action_id
        where event.type in ('intent', 'adopted', 'retried') and held.state = 'in_flight' and held.owner = dead.writer_id
        limit p_limit
        for update of held skip locked
    ), taken as (
        update dispatch.claim set owner = p_writer from orphan where claim.action_id = orphan.action_id returning claim.action_id
    )
    select array_agg(taken.action_id) into v_ids from taken;
    if v_ids is not null then
        select written.length into v_length
        from (
            select array_agg('adopted'::text) as types, array_agg(v_now::timestamptz) as ats,
                   string_agg(format('"action":"%s","type":"adopted","at":"%s","row":{"status":"EXECUTING","updated_at":"%s"}}',
                                     id, v_now, v_now), E'\n' order by n) as bodies,
                   json_agg(json_build_object('n', n, 'action_id', id, 'status', 'EXECUTING', 'updated_at', v_now)) as closes
            from unnest(v_ids) with ordinality as adopted(id, n)
        ) as told,
        dispatch.write_journal(
            p_writer, v_ids, told.types, told.ats, told.bodies, told.closes, null, null, null, null,
            cardinality(v_ids), 0, null, false, null) as written;
    end if;
    return query
    select held.action_id, true, held.tool_key, held.sealed_plan, held.retry_of, v_length
    from dispatch.claim as held where held.action_id = any (v_ids)
    union all
    select event.action_id, false, null::text, null::bytea, null::text, v_length
    from unnest(v_writers, v_settled) as dead(writer_id, settled)
    join dispatch.event on event.writer_id = dead.writer_id and event.sequence > dead.settled
    join dispatch.action on action.id = event.action_id
    where event.type = 'intent' and action.status = 'EXECUTING'
      and not exists (select 1 from dispatch.claim where claim.action_id = event.action_id);
    -- Where nothing is left nobody needs to look again.
    update dispatch.chain set settled = dead.sequence
    from unnest(v_writers, v_settled, v_lengths) as dead(writer_id, settled, sequence)
    where chain.writer_id = dead.writer_id and chain.alive_until < now()
      and not exists (
          select 1 from dispatch.event
          join dispatch.action on action.id = event.action_id
          left join dispatch.claim on claim.action_id = event.action_id
          where event.writer_id = dead.writer_id and event.sequence > dead.settled
            and event.type in ('intent', 'adopted', 'retried')
            and case when claim.action_id is null then action.status = 'EXECUTING'
                     else claim.state = 'in_flight' and claim.owner = dead.writer_id end);
end
$$;

-- Makes the partitions of this month and of p_ahead months after it, and of whatever months lie in the default partition; their
-- rows move to where they belong. Runs as the tables' owner; a lock that is not to be had soon ends it, and the next run goes on.
create function dispatch.make_partitions(p_ahead integer) returns setof text
language plpgsql security definer set search_path = dispatch, pg_temp set lock_timeout = '2s' as $$
declare
    v_month timestamp;
    v_name  text;
begin
    for v_month in
        select date_trunc('month', dispatch.clock() at time zone 'UTC') + n * interval '1 month'
        from generate_series(0, p_ahead) as n
        union
        select distinct date_trunc('month', written_at at time zone 'UTC') from dispatch.event_default
        order by 1
    loop
        v_name := 'event_' || to_char(v_month, 'YYYY_MM');
        continue when to_regclass('dispatch.' || v_name) is not null;
        -- Nobody may write into the default partition between the move and the new partition's beginning.
        lock table dispatch.event_default in access exclusive mode;
        execute format('create table dispatch.%I (like dispatch.event including all)', v_name);
        execute format(
            'with moved as (delete from dispatch.event_default where written_at >= %1$L and written_at < %2$L returning *)'
            ' insert into dispatch.%3$I select * from moved',
            v_month at time zone 'UTC', (v_month + interval '1 month') at time zone 'UTC', v_name);
        execute format(
            'alter table dispatch.event attach partition dispatch.%3$I for values from (%1$L) to (%2$L)',
            v_month at time zone 'UTC', (v_month + interval '1 month') at time zone 'UTC', v_name);
        return next v_name;
    end loop;
end
$$;

-- Drops the oldest month of events that ended before p_before, with the actions of which no event is left, and says which; null
-- where there is none. First it keeps of every chain where its dropped beginning ends, and tells so in a chain of its own,
-- `retention`: {"checkpoints": [[writer, sequence, hash]], "ended": …}, where `ended` are chains that are gone altogether.
create function dispatch.prune_month(p_before timestamptz, out month text, out events bigint, out actions bigint)
language plpgsql security definer set search_path = dispatch, pg_temp set lock_timeout = '2s' as $$
declare
    v_now  text := to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    v_told text;
begin
    if p_before > dispatch.clock() - interval '28 days' then
        raise exception 'less than a month of the journal would be kept';
    end if;
    select relname into month
    from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'dispatch.event'::regclass and relname ~ '^event_\d{4}_\d\d$'
      and (to_timestamp(relname, '"event_"YYYY_MM')::timestamp + interval '1 month') at time zone 'UTC' <= p_before
    order by relname limit 1;
    if month is null then
        return;
    end if;
    execute format(
        'insert into dispatch.checkpoint select distinct on (writer_id) writer_id, sequence, hash, written_at from dispatch.%I'
        ' order by writer_id, sequence desc'
        ' on conflict (writer_id) do update set'
        ' sequence = excluded.sequence, hash = excluded.hash, written_at = excluded.written_at',
        month);
    execute format(
        'delete from dispatch.action using (select distinct action_id from dispatch.%I) as gone'
        ' where action.id = gone.action_id and not exists ('
        '     select 1 from unnest(places) as place left join dispatch.checkpoint on writer_id = split_part(place, '':'', 1)'
        '     where sequence is null or split_part(place, '':'', 2)::bigint > sequence)',
        month);
    get diagnostics actions = row_count;
    delete from dispatch.waiting where not exists (select 1 from dispatch.action where id = action_id);

    with ended as (
        delete from dispatch.chain using dispatch.checkpoint
        where chain.writer_id = checkpoint.writer_id and chain.sequence = checkpoint.sequence
          and alive_until < now() - interval '1 day' and chain.writer_id <> 'retention'
        returning chain.writer_id, chain.sequence, chain.hash
    ), forgotten as (
        delete from dispatch.checkpoint using ended where checkpoint.writer_id = ended.writer_id
    )
    select json_build_object(
        'checkpoints', coalesce((
            select json_agg(json_build_array(writer_id, sequence, encode(hash, 'hex')) order by writer_id)
            from dispatch.checkpoint where writer_id not in (select writer_id from ended)), '[]'),
        'ended', coalesce((
            select json_agg(json_build_array(writer_id, sequence, encode(hash, 'hex')) order by writer_id)
            from ended), '[]'))::text
    into v_told;
    delete from dispatch.chain where sequence = 0 and alive_until < now() - interval '1 day';
    insert into dispatch.chain (writer_id, hash, alive_until)
    values ('retention', sha256(convert_to('retention', 'UTF8')), '-infinity') on conflict do nothing;
    perform dispatch.write_journal(
        'retention', array[''], array['checkpoint'], array[v_now::timestamptz],
        format('"action":"","type":"checkpoint","at":"%s","row":%s}', v_now, replace(v_told, E'\n', '')),
        null, null, null, null, null, 0, 0, null, false, null);

    execute format('select count(*) from dispatch.%I', month) into events;
    execute format('drop table dispatch.%I', month);
end
$$;
revoke execute on function dispatch.make_partitions(integer), dispatch.prune_month(timestamptz) from public;

select dispatch.make_partitions(3);

grant select, insert on dispatch.event to {role};
grant select on dispatch.checkpoint to {role};
grant select, insert, update, delete on dispatch.waiting to {role};
grant delete on dispatch.claim, dispatch.asset to {role};
grant execute on function dispatch.make_partitions(integer), dispatch.prune_month(timestamptz) to {role};
