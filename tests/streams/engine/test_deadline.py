"""What is under way gets a while, and then it is cut."""

import asyncio

from streams.engine.partition_tasks import end_within


async def test_what_ends_in_time_is_waited_for_and_what_does_not_is_cut() -> None:
    quick, cut = asyncio.Event(), asyncio.Event()

    async def ends() -> None:
        await asyncio.sleep(0)
        quick.set()

    async def never_ends() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cut.set()

    late = asyncio.create_task(never_ends())
    await end_within(0.05, {asyncio.create_task(ends()), late})

    assert quick.is_set()
    assert cut.is_set(), "also what a cancelled task still has to do is waited for"
    assert late.cancelled()


async def test_with_nothing_under_way_there_is_nothing_to_wait_for() -> None:
    async with asyncio.timeout(30):
        await end_within(60, ())
