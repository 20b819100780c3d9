"""A stack on a database of the user's own: no embedded server, one role per service taken on after login."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from service_kit.migrations import migrate
from stack.database import embedded_access, external_access, migrate_all
from stack.errors import StackError
from tests.fix_postgres import PostgresCluster
from tests.fix_stack import RunningStack
from tests.integration.stack.test_up import FAKE_UP
from tool_servers.housecall_pro_sandbox.store import OWNER


@pytest.fixture
def users_database(postgres: PostgresCluster) -> Iterator[str]:
    """The URL of an empty database for a user who is no superuser, but may make roles."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("create role user_of_ours login createrole")
        connection.execute("create database users_own owner user_of_ours")
    host = conninfo.conninfo_to_dict(postgres.url)["host"]
    yield f"postgresql://user_of_ours@/users_own?host={host}&application_name=switchboard"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("drop database users_own with (force)")
        # Tests elsewhere may have made the service's role before; what is in their databases stays.
        connection.execute("reassign owned by user_of_ours to current_user")
        connection.execute("drop owned by user_of_ours")
        for (member,) in connection.execute(
            "select m.roleid::regrole::text from pg_auth_members m where m.member = 'user_of_ours'::regrole"
        ).fetchall():
            connection.execute(sql.SQL("revoke {} from user_of_ours").format(sql.SQL(member)))
        connection.execute("drop role user_of_ours")


async def test_an_ordinary_owner_can_migrate_and_take_on_each_services_role(
    postgres: PostgresCluster, users_database: str
) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        exists = connection.execute("select 1 from pg_roles where rolname = %s", (OWNER.role,)).fetchone()
        if exists:
            connection.execute(f"grant {OWNER.role} to user_of_ours with admin option")
    access = external_access(users_database)
    assert await migrate_all(access, [OWNER]) > 0
    assert await migrate_all(access, [OWNER]) == 0
    with psycopg.connect(access.url(OWNER.role)) as connection:
        assert connection.execute("select session_user, current_user").fetchone() == ("user_of_ours", OWNER.role)
        assert connection.execute("show application_name").fetchone() == ("switchboard",)


def test_the_whole_stack_runs_without_an_embedded_server(postgres: PostgresCluster) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("create database whole_stack")
    host = conninfo.conninfo_to_dict(postgres.url)["host"]
    url = f"postgresql://postgres@/whole_stack?host={host}"
    running_stack = RunningStack({"SWITCHBOARD_DATABASE_URL": url}, command=FAKE_UP)
    try:
        running_stack.up()
        assert "postgres" not in [process.name for process in running_stack.processes()]
        assert not (running_stack.state_directory / "postgres").exists()
        assert migrate(url, OWNER) == []
    finally:
        running_stack.remove()
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("drop database whole_stack with (force)")


def test_a_database_that_cannot_be_reached_is_one_line_without_its_password() -> None:
    url = "postgresql://owner:secret-word@127.0.0.1:1/switchboard"
    running_stack = RunningStack({"SWITCHBOARD_DATABASE_URL": url}, command=FAKE_UP)
    try:
        assert running_stack.launch().wait(60) == 1
        assert "the database of SWITCHBOARD_DATABASE_URL cannot be reached" in running_stack.output()
        assert "Traceback" not in running_stack.output()
        assert "secret-word" not in running_stack.logs()
    finally:
        running_stack.remove()


async def test_a_failing_migration_is_one_line(postgres: PostgresCluster) -> None:
    with pytest.raises(StackError, match="cannot be reached"):
        await migrate_all(external_access(conninfo.make_conninfo(postgres.url, dbname="no_such_database")), [OWNER])


def test_roles_are_told_to_each_kind_of_server_in_its_own_way() -> None:
    embedded = embedded_access(Path("/run/x y")).url("switchboard_dispatch")
    assert conninfo.conninfo_to_dict(embedded) == {
        "dbname": "switchboard",
        "host": "/run/x y",
        "user": "switchboard_dispatch",
    }
    external = external_access("postgresql://o:p@db:6/app?options=-c%20work_mem%3D64MB&sslmode=require")
    assert conninfo.conninfo_to_dict(external.url("switchboard_dispatch")) == {
        "user": "o",
        "password": "p",
        "host": "db",
        "port": "6",
        "dbname": "app",
        "options": "-c work_mem=64MB -c role=switchboard_dispatch",
        "sslmode": "require",
    }
