-- What the vendor keeps. `number` orders records as they were made and is the human-readable number on documents;
-- `content` holds what is only stored and shown again, columns hold what is searched or joined.

create table housecall_pro_sandbox.company (
    singleton boolean primary key default true check (singleton),
    id        text not null,
    name      text not null,
    time_zone text not null,
    zip_codes text[] not null,
    capacity  integer not null check (capacity >= 0)
);

create table housecall_pro_sandbox.customer (
    number      bigint generated always as identity primary key,
    id          text not null unique,
    content     jsonb not null,
    search_text text not null,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now()
);

create table housecall_pro_sandbox.address (
    number      bigint generated always as identity primary key,
    id          text not null unique,
    customer_id text not null references housecall_pro_sandbox.customer (id) on delete cascade,
    content     jsonb not null
);
create index on housecall_pro_sandbox.address (customer_id);

create table housecall_pro_sandbox.job (
    number          bigint generated always as identity primary key,
    id              text not null unique,
    customer_id     text not null references housecall_pro_sandbox.customer (id) on delete cascade,
    address_id      text not null references housecall_pro_sandbox.address (id) on delete cascade,
    scheduled_start timestamptz,
    scheduled_end   timestamptz,
    employee_ids    text[] not null default '{}',
    content         jsonb not null,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    check ((scheduled_start is null) = (scheduled_end is null)),
    check (scheduled_start < scheduled_end)
);
create index on housecall_pro_sandbox.job (customer_id, number);
create index on housecall_pro_sandbox.job (scheduled_start);

create table housecall_pro_sandbox.estimate (
    number      bigint generated always as identity primary key,
    id          text not null unique,
    customer_id text not null references housecall_pro_sandbox.customer (id) on delete cascade,
    address_id  text not null references housecall_pro_sandbox.address (id) on delete cascade,
    content     jsonb not null,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now()
);
create index on housecall_pro_sandbox.estimate (customer_id, number);

create table housecall_pro_sandbox.estimate_option (
    number      bigint generated always as identity primary key,
    id          text not null unique,
    estimate_id text not null references housecall_pro_sandbox.estimate (id) on delete cascade,
    content     jsonb not null
);
create index on housecall_pro_sandbox.estimate_option (estimate_id);

-- The bytes of a photo are not kept: its size and digest prove what arrived.
create table housecall_pro_sandbox.attachment (
    number     bigint generated always as identity primary key,
    id         text not null unique,
    option_id  text not null references housecall_pro_sandbox.estimate_option (id) on delete cascade,
    file_name  text not null,
    file_type  text not null,
    size       bigint not null,
    sha256     text not null,
    created_at timestamptz not null default now()
);
create index on housecall_pro_sandbox.attachment (option_id);

create table housecall_pro_sandbox.lead (
    number      bigint generated always as identity primary key,
    id          text not null unique,
    customer_id text not null references housecall_pro_sandbox.customer (id) on delete cascade,
    address_id  text references housecall_pro_sandbox.address (id) on delete cascade,
    content     jsonb not null,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now()
);
create index on housecall_pro_sandbox.lead (customer_id, number);

-- Records as they are shown: joined with what hangs on them.

create view housecall_pro_sandbox.customer_record as
select customer.*,
    coalesce(
        (select jsonb_agg(jsonb_build_object('id', address.id, 'content', address.content) order by address.number)
         from housecall_pro_sandbox.address where address.customer_id = customer.id),
        '[]'::jsonb) as addresses
from housecall_pro_sandbox.customer;

create view housecall_pro_sandbox.job_record as
select job.*, to_jsonb(customer) as customer, address.content as address
from housecall_pro_sandbox.job
join housecall_pro_sandbox.customer on customer.id = job.customer_id
join housecall_pro_sandbox.address on address.id = job.address_id;

create view housecall_pro_sandbox.estimate_record as
select estimate.*, to_jsonb(customer) as customer, address.content as address,
    (select coalesce(jsonb_agg(to_jsonb(option) || jsonb_build_object('attachments',
        (select coalesce(jsonb_agg(to_jsonb(attachment) order by attachment.number), '[]'::jsonb)
         from housecall_pro_sandbox.attachment where attachment.option_id = option.id)) order by option.number),
        '[]'::jsonb)
     from housecall_pro_sandbox.estimate_option as option where option.estimate_id = estimate.id) as options
from housecall_pro_sandbox.estimate
join housecall_pro_sandbox.customer on customer.id = estimate.customer_id
join housecall_pro_sandbox.address on address.id = estimate.address_id;

create view housecall_pro_sandbox.lead_record as
select lead.*, to_jsonb(customer) as customer, address.content as address
from housecall_pro_sandbox.lead
join housecall_pro_sandbox.customer on customer.id = lead.customer_id
left join housecall_pro_sandbox.address on address.id = lead.address_id;

grant select on
    housecall_pro_sandbox.customer_record,
    housecall_pro_sandbox.job_record,
    housecall_pro_sandbox.estimate_record,
    housecall_pro_sandbox.lead_record
to {role};

grant select, insert, update, delete on
    housecall_pro_sandbox.company,
    housecall_pro_sandbox.customer,
    housecall_pro_sandbox.address,
    housecall_pro_sandbox.job,
    housecall_pro_sandbox.estimate,
    housecall_pro_sandbox.estimate_option,
    housecall_pro_sandbox.attachment,
    housecall_pro_sandbox.lead
to {role};
