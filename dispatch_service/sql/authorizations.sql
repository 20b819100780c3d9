-- Named statements of the authorizations package. Every change says in which transaction it was made, for those who watch.

-- name: get
-- One authorization of a tenant.
select * from dispatch.authorization where tenant = %(tenant)s and id = %(id)s

-- name: page
-- A page of authorizations, newest first; a null filter keeps everything.
select * from dispatch.authorization
where tenant = %(tenant)s
  and (%(status)s::text is null or status = %(status)s)
  and (%(tool)s::text is null or tool = %(tool)s)
  and (%(requester)s::text is null or requester = %(requester)s)
  and (%(own_subject)s::text is null or (requester = %(own_subject)s and requester_kind = %(own_kind)s))
  and (%(cursor_at)s::timestamptz is null or (created_at, id) < (%(cursor_at)s, %(cursor_id)s))
order by created_at desc, id desc
limit %(limit)s

-- name: count_pending
-- How many wait, of a tenant or of one requester.
select count(*)::integer as pending from dispatch.authorization
where tenant = %(tenant)s and status = 'PENDING'
  and (%(own_subject)s::text is null or (requester = %(own_subject)s and requester_kind = %(own_kind)s))

-- name: watermark
-- The oldest transaction that may still be under way: what it changes is not visible yet.
select pg_snapshot_xmin(pg_current_snapshot())::text as mark

-- name: changed
-- What was changed in transactions from a watermark on, and the next watermark, in one snapshot.
select pg_snapshot_xmin(pg_current_snapshot())::text as mark, changed.*
from (select 1) as once
left join (select * from dispatch.authorization where tenant = %(tenant)s and changed_in >= %(mark)s::xid8) as changed on true
order by changed.updated_at

-- name: decide
-- Writes a decision, if it is still the one that was looked at and not overdue. What nobody will carry out is erased.
update dispatch.authorization set
    status = %(status)s, revision = revision + 1, decided_at = %(now)s, decided_by = %(by)s, sealed_notes = %(sealed_notes)s,
    grant_id = %(grant_id)s, updated_at = %(now)s, changed_in = pg_current_xact_id(),
    sealed_request = case when %(status)s = 'AUTHORIZED' then sealed_request end,
    sealed_preview = case when %(status)s = 'AUTHORIZED' then sealed_preview end
where id = %(id)s and status = 'PENDING' and revision = %(revision)s and expires_at > %(now)s
returning id

-- name: edit
-- Puts other arguments in the place of those that were looked at; it waits again.
update dispatch.authorization set
    revision = revision + 1, edited = true, sealed_request = %(sealed_request)s, sealed_preview = %(sealed_preview)s,
    arguments_redacted = %(arguments_redacted)s::text::jsonb, arguments_hash = %(arguments_hash)s, reason = %(reason)s,
    policy_ids = %(policy_ids)s::text::jsonb, offers_always = %(offers_always)s, sealed_notes = %(sealed_notes)s,
    updated_at = %(now)s, changed_in = pg_current_xact_id()
where id = %(id)s and status = 'PENDING' and revision = %(revision)s and expires_at > %(now)s
returning id

-- name: expire
-- Gives up what nobody decided in time.
update dispatch.authorization set
    status = 'EXPIRED', revision = revision + 1, sealed_request = null, sealed_preview = null, updated_at = %(now)s,
    changed_in = pg_current_xact_id()
where id in (
    select id from dispatch.authorization
    where status = 'PENDING' and expires_at <= %(now)s and (%(id)s::text is null or id = %(id)s)
    order by expires_at
    for update skip locked
    limit 100
)
returning id, action_id

-- name: take
-- Takes what was allowed, to carry it out: nobody else does while the lease lasts.
update dispatch.authorization set
    lease_owner = %(owner)s, lease_until = now() + %(lease)s, attempts = attempts + 1
where id = %(id)s and status = 'AUTHORIZED' and (lease_until is null or lease_until < now())
returning *

-- name: renew
-- Says that whoever took it is still at it.
update dispatch.authorization set lease_until = now() + %(lease)s
where id = %(id)s and status = 'AUTHORIZED' and lease_owner = %(owner)s
returning id

-- name: begin_call
-- Says that the tool may have been called from now on.
update dispatch.authorization set called_at = now()
where id = %(id)s and status = 'AUTHORIZED' and lease_owner = %(owner)s and lease_until > now()
returning id

-- name: put_back
-- Leaves it for a later attempt. Where it is certain that nothing happened, the next attempt begins from the beginning.
update dispatch.authorization set
    lease_owner = null, lease_until = now() + %(pause)s, called_at = case when %(untouched)s then null else called_at end
where id = %(id)s and status = 'AUTHORIZED' and lease_owner = %(owner)s
returning id

-- name: finish
-- Writes what came of it, and erases what was needed for it.
update dispatch.authorization set
    status = %(status)s, revision = revision + 1, sealed_result = %(sealed_result)s, sealed_request = null, sealed_preview = null,
    lease_owner = null, lease_until = null, updated_at = %(now)s, changed_in = pg_current_xact_id()
where id = %(id)s and status = 'AUTHORIZED' and lease_owner = %(owner)s
returning id

-- name: left_behind
-- What was allowed and nobody is carrying out: its job was lost, or its worker.
select id from dispatch.authorization
where status = 'AUTHORIZED' and (lease_until < now() or (lease_until is null and decided_at < now() - %(older_than)s))
order by decided_at
limit 100

-- name: forget_results
-- Erases answers and notes that were kept long enough for everybody to fetch them.
update dispatch.authorization set sealed_result = null, sealed_notes = null
where id in (
    select id from dispatch.authorization
    where (sealed_result is not null or sealed_notes is not null) and status not in ('PENDING', 'AUTHORIZED')
      and updated_at < now() - %(older_than)s
    limit 500
)

-- name: action_status
-- How the action stands that an authorization is about.
select status, error_code, error_details from dispatch.action where id = %(action_id)s

-- name: live_grants
-- Standing permissions of one caller for one tool.
select id, subject, subject_kind, server, tool from dispatch.grant
where tenant = %(tenant)s and subject = %(subject)s and subject_kind = %(kind)s and server = %(server)s and tool = %(tool)s
  and revoked_at is null and expires_at > now()

-- name: make_grant
-- Makes a standing permission.
insert into dispatch.grant (id, tenant, subject, subject_kind, server, tool, created_by, created_at, expires_at, authorization_id)
select %(id)s, tenant, requester, requester_kind, server, tool, %(by)s, %(now)s, %(expires_at)s, id
from dispatch.authorization where id = %(authorization_id)s

-- name: list_grants
-- Standing permissions of a tenant, newest first.
select * from dispatch.grant
where tenant = %(tenant)s and (%(include_ended)s or (revoked_at is null and expires_at > now()))
order by created_at desc, id desc
limit 1000

-- name: get_grant
-- One standing permission of a tenant, and the action whose authorization made it.
select made.*, asked.action_id from dispatch.grant as made
join dispatch.authorization as asked on asked.id = made.authorization_id
where made.tenant = %(tenant)s and made.id = %(id)s

-- name: revoke_grant
-- Takes a standing permission back, once.
update dispatch.grant set revoked_at = %(now)s, revoked_by = %(by)s
where tenant = %(tenant)s and id = %(id)s and revoked_at is null
returning id
