-- Named statements of policy. Each is taken by its name; parameters are psycopg's.

-- name: decided_actions
-- A page of the tenant's actions since a time, oldest first, each with what policy was asked and said when it was taken in.
select action.id, action.created_at, action.action, action.actor, action.tier, action.origin, action.status, action.error_code,
       action.mcp_tool, event.body::jsonb #> '{details,decision}' as decision
from dispatch.action
join dispatch.event on event.action_id = action.id and event.type in ('intent', 'pending', 'answered', 'rejected')
where action.tenant = %(tenant)s
  and action.created_at >= %(since)s
  and (action.created_at, action.id) > (%(after_at)s, %(after_id)s)
order by action.created_at, action.id
limit %(limit)s
