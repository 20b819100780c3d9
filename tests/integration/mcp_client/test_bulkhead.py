"""The bulkhead never gives out more places than it has, and loses none however its callers end."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_adapter_service.resilience import Bulkhead, Place
from tests.integration.mcp_client.conftest import until, within


async def test_places_go_out_in_the_order_of_asking() -> None:
    bulkhead = Bulkhead(max_concurrent=1, max_queued=5)
    order: list[int] = []

    async def use(number: int) -> None:
        assert await bulkhead.acquire(within(5)) is Place.GRANTED
        order.append(number)
        bulkhead.release()

    assert await bulkhead.acquire(within(1)) is Place.GRANTED
    tasks = [asyncio.create_task(use(number)) for number in range(5)]
    await until(lambda: bulkhead.queued == 5)
    assert await bulkhead.acquire(within(5)) is Place.QUEUE_FULL
    bulkhead.release()
    await asyncio.gather(*tasks)

    assert order == [0, 1, 2, 3, 4]
    assert bulkhead.free == 1


async def test_a_waiter_leaves_the_queue_at_its_deadline() -> None:
    bulkhead = Bulkhead(max_concurrent=1, max_queued=1)
    await bulkhead.acquire(within(1))

    assert await bulkhead.acquire(within(0.05)) is Place.TIMED_OUT
    assert bulkhead.queued == 0
    bulkhead.release()
    assert bulkhead.free == 1


async def test_a_place_that_comes_in_the_moment_of_cancellation_goes_to_the_next() -> None:
    bulkhead = Bulkhead(max_concurrent=1, max_queued=2)
    await bulkhead.acquire(within(1))
    first = asyncio.create_task(bulkhead.acquire(within(5)))
    second = asyncio.create_task(bulkhead.acquire(within(5)))
    await until(lambda: bulkhead.queued == 2)

    bulkhead.release()
    first.cancel()

    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second is Place.GRANTED
    bulkhead.release()
    assert bulkhead.free == 1


@settings(max_examples=60, deadline=None)
@given(
    places=st.integers(1, 3),
    queue=st.integers(0, 4),
    steps=st.lists(st.sampled_from(["ask", "ask", "ask hastily", "finish", "cancel", "turn"]), max_size=40),
    picks=st.randoms(use_true_random=False),
)
def test_no_order_of_events_loses_a_place_or_gives_one_twice(places: int, queue: int, steps: list[str], picks: st.DrawFn) -> None:
    asyncio.run(_random_life(places, queue, steps, picks))


async def _random_life(places: int, queue: int, steps: list[str], picks: st.DrawFn) -> None:
    bulkhead = Bulkhead(max_concurrent=places, max_queued=queue)
    inside = 0
    tasks: list[tuple[asyncio.Task[None], asyncio.Event]] = []

    async def use(deadline: float, done: asyncio.Event) -> None:
        nonlocal inside
        if await bulkhead.acquire(deadline) is not Place.GRANTED:
            return
        inside += 1
        try:
            assert inside <= places
            await done.wait()
        finally:
            inside -= 1
            bulkhead.release()

    for step in steps:
        if step.startswith("ask"):
            done = asyncio.Event()
            deadline = within(0 if step == "ask hastily" else 30)
            tasks.append((asyncio.create_task(use(deadline, done)), done))
        elif tasks and step in {"finish", "cancel"}:
            task, done = picks.choice(tasks)  # type: ignore[attr-defined]
            _ = task.cancel() if step == "cancel" else done.set()
        else:
            turn = asyncio.Event()
            asyncio.get_running_loop().call_soon(turn.set)
            await turn.wait()
    for _, done in tasks:
        done.set()
    await asyncio.gather(*(task for task, _ in tasks), return_exceptions=True)
    assert not [task for task, _ in tasks if not task.cancelled() and task.exception()]
    assert (bulkhead.free, bulkhead.queued, inside) == (places, 0, 0)
