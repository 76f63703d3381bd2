"""Where it stands who is in an audience: in the partition that the change came from."""

import pytest

from agents.ab_tasty.topics import AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS
from sandbox.kafka import Kafka
from tests.agents.ab_tasty.factories import AT, membership
from tests.agents.ab_tasty.simulated import ab_tasty, send, udc_sink
from tests.streams.cluster import create, read, settings

PEOPLE = [str(number) for number in range(1, 21)]


@pytest.mark.kafka
async def test_members_are_kept_in_the_partition_of_their_changes_whatever_their_keys(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix, partitions=AT.partition + 1)
    await create(to, (AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS))
    async with ab_tasty() as (_, url), udc_sink(url, to) as sink:
        await send(sink, *(membership(mpid=mpid) for mpid in PEOPLE))
    kept = await read(to, AB_TASTY_MEMBERS, len(PEOPLE))
    assert {record.partition for record in kept} == {AT.partition}
    assert [record.key for record in kept] == [f"{mpid}/31001".encode() for mpid in PEOPLE]
