"""The tables of authorizations and of the queue: what the service's role may do to them; migrating again does nothing."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from service_kit.migrations import migrate
from tests.fix_dispatch import OWNER
from tests.fix_postgres import MigratedDatabase

QUEUE = "dispatch_queue"
DEFER = b"select procrastinate_defer_jobs_v1(array[row('q', 't', 0, null, null, '{}', null)]::procrastinate_job_to_defer_v1[])"


def test_migrating_again_applies_nothing_and_forgets_no_job(fresh_database: Callable[..., MigratedDatabase]) -> None:
    database = fresh_database(OWNER)
    with psycopg.connect(database.url(OWNER.role), autocommit=True, options=f"-c search_path={QUEUE}") as connection:
        connection.execute(DEFER)
        assert migrate(database.owner_url, OWNER) == []
        assert connection.execute("select count(*) from procrastinate_jobs").fetchone() == (1,)


@pytest.mark.parametrize(
    "statement",
    [
        "delete from dispatch.authorization",
        "delete from dispatch.grant",
        "truncate dispatch.authorization cascade",
        "drop table dispatch_queue.procrastinate_jobs",
        "insert into dispatch_queue.migration (name) values ('x')",
        "create table dispatch_queue.other ()",
    ],
)
def test_the_services_role_removes_no_authorization_and_changes_no_table(
    fresh_database: Callable[..., MigratedDatabase], statement: str
) -> None:
    url = fresh_database(OWNER).url(OWNER.role)
    with psycopg.connect(url, autocommit=True) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())
