-- Photos are read by id through one function of the service that keeps them. Its role is made here where that service's
-- schema does not exist yet: the order in which schemas are migrated must not matter.
do $$
begin
    if not exists (select 1 from pg_roles where rolname = 'switchboard_asset_reader') then
        create role switchboard_asset_reader nologin;
    end if;
end
$$;
grant switchboard_asset_reader to {role};
