"""Dead letters sent again by the command reach the destination that failed, and no other."""

from pathlib import Path

import pytest
from aiokafka.structs import ConsumerRecord

from models.dead_letter import DeadLetter
from sandbox.faults import Answer
from sandbox.kafka import Kafka
from streams import headers
from streams.dead_letters.writer import DeadLetters, preserve
from streams.topics import AUDIENCE_MEMBERSHIP, DEAD_LETTERS, RAW
from tests.cli.messages import custom_event, event_batch
from tests.kafka.log import everything
from tests.kafka.outside import email, membership, mpid
from tests.kafka.world import POISON, World
from tests.streams.cluster import create, delete_before, producing, settings

USERS = range(6)


@pytest.mark.kafka
async def test_what_sailthru_refused_reaches_it_once_and_ab_tasty_not_again(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    topic = cluster.topic(AUDIENCE_MEMBERSHIP.name)
    async with producing(cluster) as producer:
        for user in USERS:
            _, key, value, marks = membership(user)
            await producer.send_and_wait(topic, value, key=key, headers=marks)
    world = World(cluster, tmp_path)
    refused = {"error": 11, "errormsg": "Invalid email"}
    world.service.set_faults(
        [Answer(endpoint="POST user", user=email(POISON), status=400, body=refused)]
    )
    async with world.working("sailthru", "ab-tasty"):
        [letter] = await everything(cluster, DEAD_LETTERS)
        tried = world.sailthru.sent[POISON]
        at_ab_tasty = world.ab_tasty.sent.copy()
        world.service.set_faults([])

        shown = await world.redrive("--destination", "sailthru")
        assert len(await everything(cluster, AUDIENCE_MEMBERSHIP)) == len(USERS)

        executed = await world.redrive("--destination", "sailthru", "--execute")
        assert shown.splitlines()[0] == executed.splitlines()[0]
        await world.worked_off()
        assert world.sailthru.sent[POISON] == tried + 1

        await world.redrive(f"0/{letter.offset}", "--execute")
        await world.worked_off()
        assert world.sailthru.sent[POISON] == tried + 1
        assert world.ab_tasty.sent == at_ab_tasty
    profiles = world.profiles()
    assert {email(user): [*profiles[email(user)]["lists"]] for user in USERS} == {
        email(user): ["Readers"] for user in USERS
    }
    assert len(await everything(cluster, DEAD_LETTERS)) == 1
    assert _sent_again(await everything(cluster, AUDIENCE_MEMBERSHIP)) == [POISON, POISON]


def _sent_again(records: list[ConsumerRecord]) -> list[int]:
    """Whose the records are that were sent again."""
    again = [each for each in records if headers.read(each.headers).redriven_for == "sailthru"]
    return [int(each.key) - int(mpid(0)) for each in again]


@pytest.mark.kafka
async def test_of_a_raw_message_only_the_part_that_failed_arrives(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    """As after an upgrade that can read the part: the letter holds one that this router can."""
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    world = World(cluster, tmp_path)
    named = ("Opened", "Read", "Closed")
    async with producing(cluster) as producer:
        raw = cluster.topic(RAW.name)
        await producer.send_and_wait(raw, event_batch(*map(custom_event, named[:2])))
        whole = event_batch(*map(custom_event, named))
        letter = DeadLetter(
            stage="router",
            reason="bad_event",
            topic=raw,
            partition=0,
            offset=0,
            index=2,
            first_at_ms=1,
            last_at_ms=1,
            **preserve(whole),
        )
        await DeadLetters(producer, cluster.topic(DEAD_LETTERS.name)).write([letter])
    async with world.working("router", "sailthru"):
        assert world.service.counts["POST event"].total() == 2
        # The letter is not of the record that stands there; nobody can see that once it is gone.
        await delete_before(cluster, raw, 1)
        await world.redrive("--destination", "router", "--uncompared", "--execute")
        await world.worked_off()
    [profile] = world.profiles().values()
    assert sorted(each["event"] for each in profile["events"]) == sorted(named)
