"""The queue: jobs in Postgres, and the worker in this process that does them.

Above: `app` runs `Work.run` beside the server, in every replica. Below: procrastinate, in the schema `dispatch_queue`.

A job only says that something is to be looked at. What it may do is decided by the row that it names, so a job that runs twice,
late, or on two replicas does no more than one that runs once; and one that is lost is made again by the next round of upkeep.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

from dispatch_service.authorizations.execution import Executor
from dispatch_service.authorizations.upkeep import Upkeep
from service_kit.logging import log
from service_kit.postgres import Connection, DatabaseError, DatabaseUnavailable

_logger = logging.getLogger(__name__)
_SCHEMA = "set search_path = dispatch_queue"
_SCHEMA_HERE = b"set local search_path = dispatch_queue"
_RECONNECT_SECONDS = 1.0
_STALLED_SECONDS = 60.0
_HOURLY = "7 * * * *"


class JobQueue:
    """The queue's tables and tasks, without what the tasks do: whoever only makes jobs needs no more."""

    def __init__(self, url: str) -> None:
        connector = procrastinate.PsycopgConnector(
            conninfo=url,
            kwargs={"connect_timeout": 3},
            configure=_configure,
            min_size=1,
            max_size=4,
            timeout=5.0,
        )
        self.app = procrastinate.App(connector=connector)

    async def defer(self, connection: Connection, authorization_id: str) -> None:
        """Have an authorization carried out once the transaction on `connection` is committed."""
        await connection.execute(_SCHEMA_HERE)
        try:
            await self._job(authorization_id, connection=connection).defer_async(authorization_id=authorization_id)
        except ConnectorException as problem:
            raise DatabaseUnavailable("the queue cannot be written") from problem

    async def defer_again(self, authorization_id: str) -> None:
        """Have it looked at once more, unless a job for it waits already."""
        try:
            await self._job(authorization_id).defer_async(authorization_id=authorization_id)
        except AlreadyEnqueued:
            return

    def _job(self, authorization_id: str, **options: Any) -> Any:
        return self.app.configure_task("execute", queue="authorizations", queueing_lock=authorization_id, **options)


class Work:
    """Does what the queue holds. `every` is the time between rounds of upkeep, in seconds below a minute; `hourly` are other
    things that one replica has to do from time to time."""

    def __init__(
        self,
        queue: JobQueue,
        *,
        executor: Executor,
        upkeep: Upkeep,
        every: int = 10,
        hourly: Sequence[Callable[[], Awaitable[object]]] = (),
        concurrency: int = 8,
    ) -> None:
        self._queue = queue
        self._executor = executor
        self._upkeep = upkeep
        self._hourly = tuple(hourly)
        self._concurrency = concurrency
        app = queue.app
        app.task(name="execute", queue="authorizations")(self._execute)
        sweep = app.task(name="sweep", queue="upkeep", queueing_lock="sweep")(self._sweep)
        app.periodic(cron=f"* * * * * */{every}")(sweep)
        maintain = app.task(name="maintain", queue="upkeep", queueing_lock="maintain")(self._maintain)
        app.periodic(cron=_HOURLY)(maintain)

    async def run(self) -> None:
        """Work until cancelled, and then finish what is under way. A database that is away is tried again."""
        # The library writes its arguments and the texts of exceptions into its log lines; what is worth a line has one here.
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
        this = asyncio.current_task()
        # The library may take a cancellation for its own and return as if all were well: it was meant for us, too.
        while this is None or not this.cancelling():
            try:
                await self._work()
            except Exception:
                log(_logger, logging.WARNING, "the queue's worker ended and begins again", exc_info=True)
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _work(self) -> None:
        app = self._queue.app
        try:
            await app.open_async()
            await app.run_worker_async(
                name="dispatch",
                concurrency=self._concurrency,
                install_signal_handlers=False,
                # A job is a hint that was followed: nobody asks for it afterwards.
                delete_jobs="always",
                stalled_worker_timeout=_STALLED_SECONDS,
            )
        finally:
            await app.close_async()

    async def _execute(self, authorization_id: str) -> None:
        try:
            await self._executor.execute(authorization_id)
        except DatabaseError:
            log(_logger, logging.WARNING, "an authorization waits for the database", id=authorization_id)
        except Exception:
            log(_logger, logging.ERROR, "carrying out an authorization broke on our side", exc_info=True, id=authorization_id)

    async def _sweep(self, timestamp: int) -> None:
        del timestamp
        try:
            for authorization_id in await self._upkeep.turn():
                await self._queue.defer_again(authorization_id)
            await self._drop_stalled()
        except (DatabaseError, ConnectorException):
            log(_logger, logging.WARNING, "upkeep of authorizations waits for the database")
        except Exception:
            log(_logger, logging.ERROR, "upkeep of authorizations broke", exc_info=True)

    async def _maintain(self, timestamp: int) -> None:
        del timestamp
        for task in self._hourly:
            try:
                await task()
            except Exception:
                log(_logger, logging.ERROR, "hourly upkeep broke", exc_info=True)

    async def _drop_stalled(self) -> None:
        """Jobs that a dead worker left: what they were about has been found by its row."""
        manager = self._queue.app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED_SECONDS):
            await manager.finish_job(job, status=procrastinate.jobs.Status.FAILED, delete_job=True)


async def _configure(connection: Any) -> None:
    await connection.execute(_SCHEMA)
    await connection.commit()
