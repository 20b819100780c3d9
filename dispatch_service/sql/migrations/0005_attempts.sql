-- From an attempt whose outcome is not known to the later ones under its claim.
create index action_retry on dispatch.action (retry_of) where retry_of <> '';
