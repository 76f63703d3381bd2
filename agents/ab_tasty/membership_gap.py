"""Notes from when on it is not known any more who is a member: leaves are not kept for now."""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.ab_tasty.refresh import RefreshPolicy, until_others
from agents.ab_tasty.refresh_progress import Done, Telling, keep_done
from agents.ab_tasty.topics import AB_TASTY_MEMBERS, REFRESH_GROUP
from streams.delivery.sink import Feed
from streams.kafka import clients, log_bounds
from streams.settings import KafkaSettings

_AGAIN_SECONDS = 5.0


class MembershipGap:
    """For a worker that sends no leaves, or no rows at all.

    Who leaves meanwhile would be joined again once it sends them: so whoever is a member by now is
    known no more, and their rows lapse.
    """

    def __init__(self, kafka: KafkaSettings, policy: RefreshPolicy) -> None:
        self._kafka = kafka
        self._look_s = policy.look_s
        self._topic = kafka.topic(AB_TASTY_MEMBERS.name)

    async def run(self, feed: Feed) -> None:
        """Works until cancelled."""
        telling = Telling(feed, self._kafka)
        group = self._kafka.group(REFRESH_GROUP)
        async with clients.range_consumer(self._kafka, group_id=group) as consumer:
            while True:
                assigned = feed.partitions
                left = {TopicPartition(self._topic, each.tp.partition) for each in assigned}
                while left and feed.partitions == assigned:
                    for at in tuple(left):
                        with telling.trying():
                            await _note(consumer, at)
                            left.remove(at)
                    if left:
                        await asyncio.sleep(_AGAIN_SECONDS)
                await until_others(feed, assigned, self._look_s)


async def _note(consumer: AIOKafkaConsumer, at: TopicPartition) -> None:
    consumer.assign([at])
    ends = await log_bounds.learn_readable(consumer, [at], patience_s=_AGAIN_SECONDS)
    end = ends[at]
    await keep_done(consumer, at, end, Done(since=end))
    consumer.unsubscribe()
