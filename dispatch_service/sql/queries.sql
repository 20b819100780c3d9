-- Named statements of the dispatch service. Above: journal, flow and asset modules, which name them.

-- name: start_chain
-- Registers a writing process, or goes on after a lost connection; a chain begins with a hash that no other chain has.
insert into dispatch.chain (writer_id, hash, alive_until)
values (%(writer)s, sha256(convert_to(%(writer)s, 'UTF8')), now() + %(lease)s)
on conflict (writer_id) do update set alive_until = excluded.alive_until
returning sequence

-- name: renew_lease
-- Says that a writing process is alive, so that its claims stay its own, and how much of its chain is settled.
update dispatch.chain set alive_until = now() + %(lease)s, settled = %(settled)s where writer_id = %(writer)s

-- name: chain_heads
-- Every chain's head, for anchoring, watching and verification.
select writer_id, sequence, hash, started_at from dispatch.chain order by writer_id

-- name: write_journal
-- One group commit.
select length, answers from dispatch.write_journal(
    %(writer)s, %(ids)s::text[], %(types)s::text[], %(ats)s::timestamptz[], %(bodies)s, %(closes)s::json, %(states)s::json,
    %(rows)s::json, %(claims)s::json, %(authorizations)s::json, %(closings)s, %(keys)s, %(known)s, %(rare)s, %(window)s)

-- name: read_claim
-- A claim as it stands, for a caller that waits for another's outcome.
select state, sealed_result, action_id, fingerprint from dispatch.claim where action_id = %(action_id)s

-- name: find_claim
-- A claim as it stands, for a repetition that finds the world changed by what it repeats.
select state, sealed_result, action_id, fingerprint from dispatch.claim
where key_hash = %(key_hash)s and tenant = %(tenant)s and actor = %(actor)s and action = %(action)s

-- name: hold_chain
-- Keeps a chain for the transaction: what it will write comes next in it.
select from dispatch.chain where writer_id = %(writer)s for update

-- name: hold_action
-- How an action stands, and so it stays for the transaction.
select status from dispatch.action where tenant = %(tenant)s and id = %(id)s for update

-- name: hold_claim
-- The claim that an action holds, for the transaction.
select state, tool_key, retry_of, sealed_plan from dispatch.claim where action_id = %(id)s for update

-- name: begin_again
-- Puts a claim in flight again, for a call that an operator wants.
update dispatch.claim set state = 'in_flight', owner = %(writer)s where action_id = %(id)s

-- name: unsettled_attempts
-- The attempts under one claim, back from a given one, whose outcome is not known.
with recursive attempts as (
    select id, retry_of, status from dispatch.action where id = %(action_id)s
    union all
    select action.id, action.retry_of, action.status from dispatch.action join attempts on action.id = attempts.retry_of
)
select id from attempts where status = 'OUTCOME_UNKNOWN'

-- name: adopt
-- Takes over what processes whose lease ran out left under way. Each orphan goes to one adopter.
select * from dispatch.adopt(%(writer)s, 50)

-- name: known_by_now
-- Attempts whose outcome is not known although a later one under the same claim was carried out: it is theirs, too.
with recursive later as (
    select action_id as attempt, action_id as id from dispatch.waiting where status = 'OUTCOME_UNKNOWN'
    union all
    select later.attempt, action.id
    from later join dispatch.action on action.retry_of = later.id and action.retry_of <> ''
)
select later.attempt, action.status, action.external_id, action.vendor_reference
from later join dispatch.action on action.id = later.id
where action.status = 'SUCCEEDED'
limit 50

-- name: list_actions
-- A page of the action log, newest first; a null filter keeps everything.
select * from dispatch.action
where tenant = %(tenant)s
  and (%(thread_id)s::text is null or thread_id = %(thread_id)s)
  and (%(action)s::text is null or action = %(action)s)
  and (%(status)s::text is null or status = %(status)s)
  and (%(correlation_id)s::text is null or correlation_id = %(correlation_id)s)
  and (%(created_after)s::timestamptz is null or created_at >= %(created_after)s)
  and (%(created_before)s::timestamptz is null or created_at < %(created_before)s)
  and (%(cursor_at)s::timestamptz is null or (created_at, id) < (%(cursor_at)s, %(cursor_id)s))
order by created_at desc, id desc
limit %(limit)s

-- name: list_waiting
-- The same of the few actions that wait for somebody: for a status that is rare among those of the log.
select action.* from dispatch.waiting join dispatch.action on action.id = waiting.action_id
where waiting.tenant = %(tenant)s and action.status = %(status)s
  and (%(thread_id)s::text is null or thread_id = %(thread_id)s)
  and (%(action)s::text is null or action = %(action)s)
  and (%(correlation_id)s::text is null or correlation_id = %(correlation_id)s)
  and (%(created_after)s::timestamptz is null or action.created_at >= %(created_after)s)
  and (%(created_before)s::timestamptz is null or action.created_at < %(created_before)s)
  and (%(cursor_at)s::timestamptz is null or (action.created_at, id) < (%(cursor_at)s, %(cursor_id)s))
order by action.created_at desc, id desc
limit %(limit)s

-- name: get_action
-- One row of the action log.
select * from dispatch.action where tenant = %(tenant)s and id = %(id)s

-- name: action_events
-- The history of one action, in the order in which it reached the action log.
select event.type, event.at, event.body, event.writer_id, event.sequence, event.hash
from dispatch.action
cross join unnest(action.places) with ordinality as told(place, n)
join dispatch.event
  on event.writer_id = split_part(told.place, ':', 1) and event.sequence = split_part(told.place, ':', 2)::bigint
where action.id = %(id)s
order by told.n

-- name: changed_actions
-- Rows that a chain's events touched after a place in it.
select action.*, changed.last_sequence
from (
    select action_id, max(sequence) as last_sequence
    from dispatch.event
    where writer_id = %(writer)s and sequence > %(after)s and sequence <= %(until)s and action_id <> ''
    group by action_id
) as changed
join dispatch.action on action.id = changed.action_id
order by changed.last_sequence

-- name: checkpoints
-- Where the dropped beginning of each chain ends.
select writer_id, sequence, hash from dispatch.checkpoint order by writer_id

-- name: verify_events
-- A chain from its beginning, for verification.
select writer_id, sequence, action_id, type, at, written_at, body, hash from dispatch.event
where writer_id = %(writer)s order by sequence

-- name: verify_strays
-- Events of chains that have no head.
select writer_id, count(*) as events from dispatch.event
where not exists (select 1 from dispatch.chain where chain.writer_id = event.writer_id)
group by writer_id order by writer_id

-- name: verify_places
-- Events by their places, for verification.
select event.writer_id, event.sequence, event.action_id, event.body, event.hash
from unnest(%(writers)s::text[], %(sequences)s::bigint[]) as place(writer_id, sequence)
join dispatch.event on event.writer_id = place.writer_id and event.sequence = place.sequence

-- name: verify_actions
-- The whole action log, for verification.
select * from dispatch.action

-- name: verify_untold
-- Events of which the action log does not know; `known` where it knows the action.
select event.writer_id, event.sequence, event.action_id, action.id is not null as known
from dispatch.event left join dispatch.action on action.id = event.action_id
where event.action_id <> ''
  and (action.id is null or (event.writer_id || ':' || event.sequence) <> all (action.places))
order by event.writer_id, event.sequence

-- name: make_partitions
-- Partitions of the journal for this month and those ahead.
select * from dispatch.make_partitions(%(ahead)s)

-- name: prune_month
-- Drops the oldest month of the journal that ended before a time; one call drops one month.
select month, events, actions from dispatch.prune_month(%(before)s)

-- name: drop_keys
-- Forgets old idempotency keys, with the answers kept by them. One that is in use is kept.
with removed as (
    delete from dispatch.claim where created_at < now() - %(age)s and state <> 'in_flight' returning 1
)
select count(*) as removed from removed

-- name: drop_drafts
-- Forgets guided bookings that nobody went on with.
with removed as (
    delete from dispatch.booking_flow where updated_at < now() - %(age)s returning 1
)
select count(*) as removed from removed

-- name: drop_assets
-- Forgets uploaded pictures that no action of their conversation names.
with removed as (
    delete from dispatch.asset
    where created_at < now() - %(age)s
      and not exists (
          select 1 from dispatch.action
          where action.thread_id = asset.thread_id and action.tenant = asset.tenant
            and position(asset.id in action.payload_redacted::text) > 0)
    returning 1
)
select count(*) as removed from removed

-- name: load_flow
-- The draft of a conversation's guided booking.
select sealed_draft from dispatch.booking_flow where tenant = %(tenant)s and thread_id = %(thread_id)s

-- name: save_flow
-- Keeps the draft of a conversation's guided booking.
insert into dispatch.booking_flow (tenant, thread_id, sealed_draft) values (%(tenant)s, %(thread_id)s, %(draft)s)
on conflict (tenant, thread_id) do update set sealed_draft = excluded.sealed_draft, updated_at = now()

-- name: drop_flow
-- Forgets the draft of a conversation's guided booking.
delete from dispatch.booking_flow where tenant = %(tenant)s and thread_id = %(thread_id)s

-- name: save_asset
-- Keeps an uploaded picture.
insert into dispatch.asset (id, tenant, thread_id, content_type, content, sha256)
values (%(id)s, %(tenant)s, %(thread_id)s, %(content_type)s, %(content)s, %(sha256)s)

-- name: owned_assets
-- Which of the given pictures belong to a conversation.
select id from dispatch.asset where tenant = %(tenant)s and thread_id = %(thread_id)s and id = any(%(ids)s)
