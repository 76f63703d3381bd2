"""Records that Kafka deleted unread: their partition is held until a person decides."""

import signal
from http import HTTPStatus

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from sandbox.kafka import Kafka
from streams.kafka.clients import admin
from streams.topics import RAW
from tests.cli.command import SECONDS
from tests.started_workers import at_kafka, by_command, counted, eventually, get, serving
from tests.streams.cluster import assigned, commit, create, settings, write

NOT_JSON = b"{"


@pytest.mark.kafka
async def test_they_are_not_passed_over_before_a_person_says_so(kafka: Kafka, prefix: str) -> None:
    cluster = settings(kafka, prefix)
    raw, group = cluster.topic(RAW.name), cluster.group("router")
    await create(cluster)
    await write(cluster, RAW, *[NOT_JSON] * 4)
    await write(cluster, RAW, NOT_JSON, partition=1)
    await commit(cluster, group, {(raw, 0): (1, ""), (raw, 1): (0, "")})
    async with admin(cluster) as client:
        await client.delete_records({TopicPartition(raw, 0): RecordsToDelete(before_offset=3)})

    with serving(by_command("router"), at_kafka(kafka, prefix)) as (process, url):
        eventually(lambda: counted(url, "records_completed") == 1, process)
        status, why = get(f"{url}/ready")
        live, _ = get(f"{url}/live")
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    async with assigned(cluster, group, [(raw, 0), (raw, 1)]) as consumer:
        held = [await consumer.committed(TopicPartition(raw, number)) for number in range(2)]

    told_to = {**at_kafka(kafka, prefix), "KAFKA_DELETED_RECORDS": "skip"}
    with serving(by_command("router"), told_to) as (process, url):
        eventually(lambda: counted(url, "records_completed") == 1, process)
        ready, _ = get(f"{url}/ready")
        skipped = counted(url, "records_deleted")
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0

    assert (status, live) == (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.OK)
    assert f"{raw}-0: offset 1 is next, Kafka has from 3 on".encode() in why
    assert held == [1, 1]
    assert (ready, skipped) == (HTTPStatus.OK, 2)


@pytest.mark.kafka
@pytest.mark.parametrize("behind", [True, False])
async def test_a_worker_that_can_go_on_nowhere_holds_and_says_so_of_each(
    kafka: Kafka, prefix: str, behind: bool
) -> None:
    """It was away for longer than the retention; or its topics are not those that it knew."""
    cluster = settings(kafka, prefix)
    raw, group = cluster.topic(RAW.name), cluster.group("router")
    await create(cluster)
    for number in range(2):
        await write(cluster, RAW, *[NOT_JSON] * 4, partition=number)
    at = 1 if behind else 50
    await commit(cluster, group, {(raw, number): (at, "") for number in range(2)})
    if behind:
        async with admin(cluster) as client:
            gone = RecordsToDelete(before_offset=3)
            await client.delete_records({TopicPartition(raw, number): gone for number in range(2)})

    with serving(by_command("router"), at_kafka(kafka, prefix)) as (process, url):
        eventually(lambda: b"records_deleted" in get(f"{url}/ready")[1], process)
        _, why = get(f"{url}/ready")
        live, _ = get(f"{url}/live")
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0

    there = "from 3 on" if behind else "0 to 4"
    assert live == HTTPStatus.OK
    for number in range(2):
        assert f"{raw}-{number}: offset {at} is next, Kafka has {there}".encode() in why


@pytest.mark.kafka
@pytest.mark.long
async def test_a_topic_that_is_deleted_while_it_is_read_is_named_and_once_it_is_back_begun_anew(
    kafka: Kafka, prefix: str
) -> None:
    """Kafka forgets a group's offsets with the topic: where to begin is asked as at a start."""
    cluster = settings(kafka, prefix)
    raw = cluster.topic(RAW.name)
    await create(cluster)
    for number in range(2):
        await write(cluster, RAW, *[NOT_JSON] * 4, partition=number)
    to_begin = {**at_kafka(kafka, prefix), "KAFKA_INITIAL_OFFSET": "earliest"}
    with serving(by_command("router"), to_begin) as (process, url):
        eventually(lambda: counted(url, "records_completed") == 8, process)
        async with admin(cluster) as client:
            await client.delete_topics([raw])
        eventually(lambda: b"refused" in get(f"{url}/ready")[1], process)
        _, gone = get(f"{url}/ready")
        await create(cluster, [RAW])
        await write(cluster, RAW, NOT_JSON)
        assert process.wait(3 * SECONDS) == 1
    with serving(by_command("router"), to_begin) as (process, url):
        eventually(lambda: counted(url, "records_completed") == 1, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0

    assert f"MissingTopicsError: {raw}".encode() in gone
    assert b"create what is missing" in gone
