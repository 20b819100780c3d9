-- name: company
-- The one company of this sandbox, if it has been seeded.
select id, name, time_zone, zip_codes, capacity from housecall_pro_sandbox.company;

-- name: seed_company
-- Create the company unless it exists, and return nothing: the caller reads it.
insert into housecall_pro_sandbox.company (id, name, time_zone, zip_codes, capacity)
values (%(id)s, %(name)s, %(time_zone)s, %(zip_codes)s, %(capacity)s)
on conflict (singleton) do nothing;

-- name: change_company
-- Change what is given (not null) of the company.
update housecall_pro_sandbox.company set
    time_zone = coalesce(%(time_zone)s::text, time_zone),
    zip_codes = coalesce(%(zip_codes)s::text[], zip_codes),
    capacity  = coalesce(%(capacity)s::integer, capacity);

-- name: reset
-- Forget everything but the company. The other records hang on the customers.
delete from housecall_pro_sandbox.customer;

-- name: add_customer
-- Store a customer; the caller adds addresses.
insert into housecall_pro_sandbox.customer (id, content, search_text)
values (%(id)s, %(content)s::jsonb, %(search_text)s);

-- name: add_address
-- Store an address and make its customer findable by it. No row where the customer does not exist.
with owner as (
    update housecall_pro_sandbox.customer
    set search_text = search_text || ' ' || %(search_text)s, updated_at = now()
    where id = %(customer_id)s
    returning id
)
insert into housecall_pro_sandbox.address (id, customer_id, content)
select %(id)s, owner.id, %(content)s::jsonb from owner
returning id, content;

-- name: address
-- One address, only as an address of that customer.
select id, content from housecall_pro_sandbox.address where id = %(id)s and customer_id = %(customer_id)s;

-- name: customer
-- One customer with all addresses.
select * from housecall_pro_sandbox.customer_record where id = %(id)s;

-- name: count_customers
-- How many customers have every term in their name, e-mail, phone numbers or addresses.
select count(*) as total from housecall_pro_sandbox.customer
where not exists (select from unnest(%(terms)s::text[]) as term where position(term in customer.search_text) = 0);

-- name: customers
-- One page of those customers, newest first.
select * from housecall_pro_sandbox.customer_record
where not exists (select from unnest(%(terms)s::text[]) as term where position(term in search_text) = 0)
order by number desc limit %(limit)s offset %(offset)s;

-- name: add_job
-- Store a job. Nothing makes it unique: the vendor has no idempotency either.
insert into housecall_pro_sandbox.job
    (id, customer_id, address_id, scheduled_start, scheduled_end, employee_ids, content)
values (%(id)s, %(customer_id)s, %(address_id)s, %(scheduled_start)s, %(scheduled_end)s, %(employee_ids)s,
    %(content)s::jsonb);

-- name: schedule_job
-- Give a job its new time.
update housecall_pro_sandbox.job set
    scheduled_start = %(scheduled_start)s, scheduled_end = %(scheduled_end)s, employee_ids = %(employee_ids)s,
    content = content || %(content)s::jsonb, updated_at = now()
where id = %(id)s
returning id;

-- name: job
-- One job with its customer and address.
select * from housecall_pro_sandbox.job_record where id = %(id)s;

-- name: count_jobs
-- How many jobs there are, of one customer where one is given.
select count(*) as total from housecall_pro_sandbox.job
where %(customer_id)s::text is null or customer_id = %(customer_id)s;

-- name: jobs
-- One page of those jobs, newest first.
select * from housecall_pro_sandbox.job_record
where %(customer_id)s::text is null or customer_id = %(customer_id)s
order by number desc limit %(limit)s offset %(offset)s;

-- name: busy_times
-- When jobs between two instants take place, equal ones counted together.
select scheduled_start as start, scheduled_end as "end", employee_ids, count(*)::integer as jobs
from housecall_pro_sandbox.job
where scheduled_start < %(until)s and scheduled_end > %(since)s
group by scheduled_start, scheduled_end, employee_ids;

-- name: add_estimate
-- Store an estimate; the caller adds its options.
insert into housecall_pro_sandbox.estimate (id, customer_id, address_id, content)
values (%(id)s, %(customer_id)s, %(address_id)s, %(content)s::jsonb);

-- name: add_option
-- Store one option of an estimate.
insert into housecall_pro_sandbox.estimate_option (id, estimate_id, content)
values (%(id)s, %(estimate_id)s, %(content)s::jsonb);

-- name: estimate
-- One estimate with its customer, address, options and their attachments.
select * from housecall_pro_sandbox.estimate_record where id = %(id)s;

-- name: count_estimates
-- How many estimates there are, of one customer where one is given.
select count(*) as total from housecall_pro_sandbox.estimate
where %(customer_id)s::text is null or customer_id = %(customer_id)s;

-- name: estimates
-- One page of those estimates, newest first.
select * from housecall_pro_sandbox.estimate_record
where %(customer_id)s::text is null or customer_id = %(customer_id)s
order by number desc limit %(limit)s offset %(offset)s;

-- name: add_attachment
-- Store what arrived for an option of that estimate. No row where there is no such option.
insert into housecall_pro_sandbox.attachment (id, option_id, file_name, file_type, size, sha256)
select %(id)s, option.id, %(file_name)s, %(file_type)s, %(size)s, %(sha256)s
from housecall_pro_sandbox.estimate_option as option
where option.id = %(option_id)s and option.estimate_id = %(estimate_id)s
returning id, file_name, file_type, size, sha256, created_at;

-- name: add_lead
-- Store a lead.
insert into housecall_pro_sandbox.lead (id, customer_id, address_id, content)
values (%(id)s, %(customer_id)s, %(address_id)s, %(content)s::jsonb);

-- name: lead
-- One lead with its customer and, where it has one, its address.
select * from housecall_pro_sandbox.lead_record where id = %(id)s;

-- name: count_leads
-- How many leads there are, of one customer where one is given.
select count(*) as total from housecall_pro_sandbox.lead
where %(customer_id)s::text is null or customer_id = %(customer_id)s;

-- name: leads
-- One page of those leads, newest first.
select * from housecall_pro_sandbox.lead_record
where %(customer_id)s::text is null or customer_id = %(customer_id)s
order by number desc limit %(limit)s offset %(offset)s;
