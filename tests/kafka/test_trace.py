"""What the command says of records is what the workers did with them."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.faults import Answer
from sandbox.kafka import Kafka
from streams.kafka.ranges import Reader
from streams.operations.trace_fates import Place
from streams.operations.trace_search import stands
from streams.settings import KafkaSettings
from streams.topics import EVENTS, RAW
from tests.cli.command import run_on
from tests.cli.messages import attribute, custom_event, event_batch
from tests.kafka.outside import email, event, mpid
from tests.kafka.world import POISON, World
from tests.streams.cluster import create, producing, settings

SLOW = 1
USERS = range(4)


async def trace(cluster: KafkaSettings, *arguments: str) -> Sequence[Mapping[str, Any]]:
    said = await run_on(cluster, "trace", *arguments, "--json")
    assert said.returncode == 0, said.stderr
    return [orjson.loads(line) for line in said.stdout.splitlines()]


def fates(lines: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Of each record its kind, and what became of it at AB Tasty and at Sailthru."""
    return [
        (line["kind"], line["destinations"]["ab-tasty"], line["destinations"]["sailthru"])
        for line in lines
        if "destinations" in line
    ]


def letters(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    return [line["dead_letter"] for line in lines if "dead_letter" in line]


def changed(user: int) -> bytes:
    """An update and an event."""
    identity = {"identity_type": "email", "identity": email(user)}
    events = attribute("$City", "Lyon"), custom_event("Read")
    return event_batch(*events, mpid=mpid(user), user_identities=[identity])


def joined(user: int) -> bytes:
    profile = {
        "mpid": mpid(user),
        "user_identities": [{"type": "email", "encoding": "raw", "value": email(user)}],
        "audiences": [{"audience_id": 2101, "audience_name": "Readers", "action": "add"}],
    }
    return orjson.dumps({"type": "audience_membership_change_request", "user_profiles": [profile]})


@pytest.mark.kafka
async def test_a_raw_message_is_followed_to_every_destination_and_through_a_redrive(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster)
    world = World(cluster, tmp_path)
    refused = {"error": 11, "errormsg": "Invalid email"}
    world.service.set_faults(
        [Answer(endpoint="POST user", user=email(POISON), status=400, body=refused)]
    )
    async with producing(cluster) as producer:
        for value in (changed(POISON), joined(POISON), b"{", changed(0)):
            await producer.send_and_wait(cluster.topic(RAW.name), value, partition=1)
    raw, *made = await trace(cluster, "--raw", "1/0")
    assert raw["router"] == "waiting"
    assert [line["position"] for line in made] == ["not found", "not found"]

    async with world.working("router", "sailthru", "ab-tasty"):
        raw, *rest = update = await trace(cluster, "--raw", "1/0")
        assert raw["router"] == "ended"
        [first] = letters(update)
        assert fates(rest) == [
            ("attributes_changed", "not read", f"dead letter {rest[-1]['reason']} at {first}"),
            ("custom_event", "not read", "ended"),
        ]
        [second] = letters(membership := await trace(cluster, "--raw", "1/1"))
        reason = membership[-1]["reason"]
        before = ("membership_changed", "ended", f"dead letter {reason} at {second}")
        assert fates(membership) == [before]
        unread = await trace(cluster, "--raw", "1/2")
        assert fates(unread) == []
        assert unread[-1]["reason"] == "not_json"
        assert fates(await trace(cluster, "--raw", "1/3")) == [
            ("attributes_changed", "not read", "ended"),
            ("custom_event", "not read", "ended"),
        ]

        world.service.set_faults([])
        await world.redrive(second, "--execute")
        await world.redrive(letters(unread)[0], "--execute")
        await world.worked_off()
    again = ("membership_changed", "not for it", f"ended, redriven of {second}")
    assert fates(await trace(cluster, "--raw", "1/1")) == [before, again]
    raw, *_ = await trace(cluster, "--raw", "1/2")
    assert raw["sent_again"] == ["1/4"]
    raw, *_ = await trace(cluster, "--raw", "1/4")
    assert raw["redriven_of"] == letters(unread)[0]
    of_user = await trace(cluster, "--user", mpid(POISON))
    assert len(fates(of_user)) == 4
    assert letters(of_user) == [first, second]


@pytest.mark.kafka
async def test_who_waits_is_told_from_those_who_passed_him(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    world = World(cluster, tmp_path)
    topic = cluster.topic(EVENTS.name)
    last = Place(topic, 0, USERS[-1])
    async with world.working("sailthru"):
        world.service.set_faults(
            [Answer(endpoint="POST event", user=email(SLOW), status=503, body={})]
        )
        async with producing(cluster) as producer:
            for user in USERS:
                _, key, value, headers = event(user)
                await producer.send_and_wait(topic, value, key=key, headers=headers)
        async with Reader.open(cluster) as reader, asyncio.timeout(60):
            while not (await stands(reader, "sailthru", [EVENTS], [last.tp])).has_ended(last):  # noqa: ASYNC110 - only Kafka knows
                await asyncio.sleep(0.1)
        said = {user: fates(await trace(cluster, "--user", mpid(user))) for user in USERS}
        assert said == {
            user: [("custom_event", "not read", "waiting" if user == SLOW else "ended")]
            for user in USERS
        }
        world.service.set_faults([])
        await world.worked_off()
    assert fates(await trace(cluster, "--user", mpid(SLOW))) == [
        ("custom_event", "not read", "ended")
    ]
