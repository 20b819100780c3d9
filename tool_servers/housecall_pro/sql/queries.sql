-- name: claim
-- Take the work on: new, or left by a holder whose lease ran out. No row where it is done, held, or of other arguments.
insert into housecall_pro.work as mine (tenant, tool, key_digest, fingerprint, holder, lease_until)
values (%(tenant)s, %(tool)s, %(key_digest)s, %(fingerprint)s, %(holder)s, now() + %(lease)s::float * interval '1 second')
on conflict (tenant, tool, key_digest) do update set holder = excluded.holder, lease_until = excluded.lease_until
where mine.fingerprint = excluded.fingerprint and mine.result is null and mine.lease_until <= now()
returning posting, extract(epoch from now() - posting_at)::float as posting_age, customer_id, address_id, record_id, option_id,
    slot_start, slot_end, preferred_unavailable;

-- name: look
-- What became of work that cannot be claimed.
select fingerprint, result from housecall_pro.work
where tenant = %(tenant)s and tool = %(tool)s and key_digest = %(key_digest)s;

-- name: renew
-- Keep the lease while working. No row where it was lost.
update housecall_pro.work set lease_until = now() + %(lease)s::float * interval '1 second'
where tenant = %(tenant)s and tool = %(tool)s and key_digest = %(key_digest)s and holder = %(holder)s
returning true as held;

-- name: record
-- Record how far the work has got. No row where somebody else took it over: then nothing more may be posted.
update housecall_pro.work set
    posting_at = case
        when %(posting)s::text is null then null
        when posting is distinct from %(posting)s::text then now()
        else posting_at end,
    posting = %(posting)s, customer_id = %(customer_id)s, address_id = %(address_id)s, record_id = %(record_id)s,
    option_id = %(option_id)s, slot_start = %(slot_start)s, slot_end = %(slot_end)s,
    preferred_unavailable = %(preferred_unavailable)s,
    lease_until = now() + %(lease)s::float * interval '1 second'
where tenant = %(tenant)s and tool = %(tool)s and key_digest = %(key_digest)s and holder = %(holder)s
returning true as held;

-- name: finish
-- Keep the answer. From here on the work is done, whoever held it last.
update housecall_pro.work set
    result = coalesce(result, %(result)s), posting = null, posting_at = null, record_id = %(record_id)s, lease_until = now()
where tenant = %(tenant)s and tool = %(tool)s and key_digest = %(key_digest)s
returning true as held;

-- name: release
-- Let others go on at once.
update housecall_pro.work set lease_until = now()
where tenant = %(tenant)s and tool = %(tool)s and key_digest = %(key_digest)s and holder = %(holder)s and result is null;

-- name: forget
-- Drop work that has left no trace at the vendor, so that its key can be used with corrected arguments.
delete from housecall_pro.work
where tenant = %(tenant)s and tool = %(tool)s and key_digest = %(key_digest)s and holder = %(holder)s
    and result is null and posting is null and customer_id is null and record_id is null;

-- name: ping
-- Whether the database answers and the schema is there.
select exists (select from housecall_pro.work) as used;

-- name: read_asset
-- One uploaded file. The function belongs to the dispatch service, which owns assets.
select content, content_type from dispatch.read_asset(%(asset_id)s);
