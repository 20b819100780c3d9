-- How far each piece of work has got at the vendor, so that a repeated call goes on where the first one stopped.
-- Nothing personal is in here: vendor ids, times and digests. The key itself is not kept either, only its digest, and the
-- fingerprint of the arguments is keyed with it, so that nobody can guess arguments from this table.

create table housecall_pro.work (
    tenant      text not null,
    tool        text not null,
    key_digest  text not null,
    fingerprint text not null,
    -- Who is at it. A lease that ran out belongs to a process that died.
    holder      uuid not null,
    lease_until timestamptz not null,
    -- What is being posted to the vendor, from before the request leaves until its reply has been recorded: customer,
    -- address, job, estimate or lead.
    posting     text,
    posting_at  timestamptz,
    customer_id text,
    address_id  text,
    record_id   text,
    option_id   text,
    slot_start  timestamptz,
    slot_end    timestamptz,
    preferred_unavailable boolean not null default false,
    -- The tool's answer, as the contract's message.
    result      bytea,
    created_at  timestamptz not null default now(),
    primary key (tenant, tool, key_digest),
    check ((posting is null) = (posting_at is null)),
    check ((slot_start is null) = (slot_end is null))
);

grant select, insert, update, delete on housecall_pro.work to {role};
