"""What the consumer hands on, what it commits, and when it fetches; Kafka answers from a script."""

import asyncio
from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaError,
    LeaderNotAvailableError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.engine.consumer import Consumer
from streams.engine.deleted_records import DeletedRecords
from streams.engine.partition import InFlightLimit, Partition
from streams.engine.policy import EnginePolicy
from streams.engine.refusals import GroupError
from streams.kafka.buffered_records import Fetched
from streams.kafka.commit_metadata import Progress, Sight
from streams.kafka.rights import Right
from streams.settings import KafkaSettings
from streams.topics import RAW
from streams.worker.readiness import readiness
from tests.streams.delivery.flow import some_turns
from tests.streams.engine.scripted import BESIDE, HERE, Kafka, Work, chunks, log, rebalance
from tests.streams.engine.unstarted import consumer_of


@pytest.fixture
async def kafka_script() -> Kafka:
    return Kafka()


@pytest.fixture
async def consumer(kafka_script: Kafka) -> Consumer:
    """One that was assigned `HERE`."""
    consumer = consumer_of(kafka_script, Work(), {HERE})
    await consumer.take_over(frozenset({HERE}), 1)
    assert isinstance(consumer, Consumer)
    return consumer


async def test_a_takeover_goes_where_the_committed_offset_says_and_commits_it_with_its_epoch(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.start = Progress(7, ((9, 11),), epoch=3)
    await rebalance(consumer)
    kafka_script.fetched = [log(7, 8, 9, 10, 11)]
    (chunk,) = await chunks(consumer)

    assert kafka_script.seeks[-1] == {HERE: 7}
    assert kafka_script.commits[-1] == {HERE: kafka_script.start}
    assert [record.offset for record in chunk.records] == [7, 8, 11]
    assert chunk.end == 12


async def test_a_worker_knows_what_it_has_of_the_partitions_of_its_group(
    kafka_script: Kafka,
) -> None:
    everywhere = [HERE._replace(partition=number) for number in range(4)]
    kafka_script.reads = everywhere
    consumer = consumer_of(kafka_script, Work(), {HERE})
    before = consumer.part_of_partitions
    await consumer.take_over(frozenset({HERE}), 1)

    assert [before, consumer.part_of_partitions] == [0, 0.25]


async def test_what_was_asked_for_before_a_rebalance_is_asked_for_again_after_it(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.start = Progress(3)
    kafka_script.fetched = [log(20, 21)]
    kafka_script.meanwhile = lambda: rebalance(consumer)

    assert await chunks(consumer) == []
    assert kafka_script.seeks[-1] == {HERE: 3}
    assert consumer.partitions[HERE].offsets.position == 3


async def test_a_rebalance_while_kafka_says_where_the_log_begins_skips_nothing(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    """A gap is looked into; meanwhile the partition goes, and comes back at an earlier offset."""
    kafka_script.fetched = [log(0, 1)]
    await chunks(consumer)
    kafka_script.fetched = [log(5, 6)]

    async def answered() -> None:
        kafka_script.meanwhile = lambda: rebalance(consumer)

    kafka_script.meanwhile = answered
    await chunks(consumer)

    assert consumer.partitions[HERE].offsets.position == 0
    assert consumer.partitions[HERE].offsets.watermark == 0


@pytest.mark.parametrize("closed", [True, False])
async def test_nothing_is_handed_on_of_a_partition_that_goes(
    kafka_script: Kafka, consumer: Consumer, closed: bool
) -> None:
    if closed:
        consumer.partitions[HERE].closed = True
    else:
        consumer.partitions.clear()
    kafka_script.fetched = [log(0, 1)]

    assert await chunks(consumer) == []


async def test_where_a_partition_begins_is_offered_until_kafka_has_it(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    """Nothing is written to it meanwhile, and the group's lease is held all along."""
    kafka_script.start, kafka_script.takes_commits = Progress(5), False
    await rebalance(consumer)
    kafka_script.takes_commits = True
    commits = len(kafka_script.commits)
    consumer.lease.renew(consumer.lease.clock())
    await consumer.commit()
    await consumer.commit()

    assert kafka_script.commits[commits:] == [{HERE: Progress(5)}]
    assert kafka_script.sights[HERE] == Sight(2, 2, kafka_script.end)


async def test_a_commit_that_was_refused_is_offered_again(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.fetched = [log(0, 1, 2)]
    await chunks(consumer)
    partition = consumer.partitions[HERE]
    partition.mark_ended(0)
    partition.mark_ended(2)
    kafka_script.takes_commits = False
    refused = await consumer.commit()
    kafka_script.takes_commits = True
    taken = await consumer.commit()
    count = len(kafka_script.commits)
    await consumer.commit()

    assert (refused, taken) == (False, True)
    assert kafka_script.commits[-1] == {HERE: Progress(1, ((2, 3),))}
    assert len(kafka_script.commits) == count


async def test_commits_follow_each_other_while_something_ends(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    """Without waiting for an interval, and none while nothing ends."""
    consumer.transport.policy = EnginePolicy(commit_pause_s=0.0)
    kafka_script.fetched = [log(0, 1, 2)]
    await chunks(consumer)
    partition = consumer.partitions[HERE]
    loop = consumer.add_future(consumer._commit_handler(consumer))
    await some_turns()
    before = len(kafka_script.commits)

    async def more() -> None:
        partition.mark_ended(2)

    partition.mark_ended(0)
    kafka_script.meanwhile = more
    await some_turns()
    loop.cancel()

    assert kafka_script.commits[before:] == [
        {HERE: Progress(1)},
        {HERE: Progress(1, ((2, 3),))},
    ]


async def test_what_ends_while_a_commit_is_under_way_is_in_the_one_that_waited_for_it(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    """As the last commit before a revocation must be."""
    kafka_script.fetched = [log(0, 1)]
    await chunks(consumer)
    partition = consumer.partitions[HERE]
    partition.mark_ended(0)
    last: list[bool] = []

    async def more() -> None:
        partition.mark_ended(1)

    kafka_script.meanwhile = more
    await consumer.commit()
    last.append(await consumer.commit())

    assert kafka_script.commits[-2:] == [{HERE: Progress(1)}, {HERE: Progress(2)}]


async def test_what_its_processor_raises_is_raised_after_what_has_ended_is_committed(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.fetched = [log(0, 1, 2)]
    await chunks(consumer)
    for offset in (0, 2):
        consumer.partitions[HERE].mark_ended(offset)
    with pytest.raises(ZeroDivisionError):
        await consumer.run_processor(consumer)

    assert kafka_script.commits[-1] == {HERE: Progress(1, ((2, 3),))}
    assert consumer.partitions == {}


async def test_a_drain_closes_commits_and_forgets(kafka_script: Kafka, consumer: Consumer) -> None:
    kafka_script.fetched = [log(0, 1)]
    await chunks(consumer)
    partition = consumer.partitions[HERE]
    partition.mark_ended(0)
    await consumer.drain()

    assert partition.closed
    assert kafka_script.commits[-1] == {HERE: Progress(1)}
    assert consumer.partitions == {}


async def test_kafkas_own_marks_after_the_last_record_are_passed_and_committed(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    """Whoever waits for the end of the log must get there, and so must the group's offset."""
    kafka_script.fetched = [log(0, 1)]
    kafka_script.marks = 2
    (chunk,) = await chunks(consumer)
    partition = consumer.partitions[HERE]
    partition.mark_ended(0, 1)
    await consumer.commit()

    assert chunk.end == 4
    assert kafka_script.commits[-1] == {HERE: Progress(4)}


async def test_a_fetch_of_nothing_but_kafkas_own_marks_is_a_chunk_without_records(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    async def marks(*_: object) -> Fetched:
        return Fetched(positions={HERE: 3})

    kafka_script.fetch = marks  # type: ignore[method-assign,assignment]
    (chunk,) = await chunks(consumer)
    nothing_new = await chunks(consumer)
    await consumer.commit()

    assert (list(chunk.records), chunk.end, nothing_new) == ([], 3, [])
    assert kafka_script.commits[-1] == {HERE: Progress(3)}


async def test_a_partition_without_a_leader_holds_up_no_other(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    consumer.transport.policy = EnginePolicy(ask_again_s=0.0)
    kafka_script.silent = {BESIDE: LeaderNotAvailableError()}
    await consumer.drain()
    takeover = asyncio.create_task(consumer.take_over(frozenset({HERE, BESIDE}), 2))
    await some_turns()
    goes_on = {tp for tp, each in consumer.partitions.items() if each.started}
    unavailable, waits = dict(consumer.unavailable), consumer.partitions[BESIDE]
    kafka_script.silent.clear()
    await takeover

    assert (goes_on, unavailable) == ({HERE}, {BESIDE: "LeaderNotAvailableError"})
    assert (waits.is_held, waits.closed) == (True, True)
    assert all(each.started for each in consumer.partitions.values())
    assert consumer.partitions.keys() == {HERE, BESIDE}
    assert consumer.unavailable == {}


async def test_a_partition_that_loses_its_leader_is_named_until_it_has_one_again(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.silent = {HERE: LeaderNotAvailableError()}
    await consumer.learn_log_bounds()
    named = dict(consumer.unavailable)
    kafka_script.silent.clear()
    await consumer.learn_log_bounds()

    assert (named, consumer.unavailable) == ({HERE: "LeaderNotAvailableError"}, {})


async def test_what_is_answered_of_a_partition_that_went_to_another_worker_names_nothing(
    kafka_script: Kafka, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def late(tps: Collection[TP]) -> dict[TP, KafkaError]:
        asked.set()
        await may_answer.wait()
        return {tp: NotLeaderForPartitionError() for tp in tps}

    with monkeypatch.context() as patched:
        patched.setattr(kafka_script, "log_bounds", late)
        question = asyncio.create_task(consumer.learn_log_bounds())
        await asked.wait()
    await consumer.drain()
    await consumer.take_over(frozenset({BESIDE}), 2)
    may_answer.set()
    await question

    assert consumer.unavailable == {}


@pytest.mark.parametrize("waits_for", ["what is committed", "where the log ends"])
async def test_a_takeover_that_is_overtaken_takes_nothing_over(
    kafka_script: Kafka, consumer: Consumer, waits_for: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Faust's own part in an assignment belongs to an app that runs.
    monkeypatch.setattr(driver.Consumer, "on_partitions_assigned", nothing)
    asked, never = asyncio.Event(), asyncio.Event()

    async def unanswered(*_: object) -> Any:
        asked.set()
        await never.wait()

    await consumer.drain()
    seeks = len(kafka_script.seeks)
    what = {"what is committed": "read_progress", "where the log ends": "log_bounds"}[waits_for]
    setattr(kafka_script, what, unanswered)
    await consumer.on_partitions_assigned({HERE}, 2)
    await asked.wait()
    await consumer.drain()
    never.set()
    await some_turns()

    assert (consumer.partitions, len(kafka_script.seeks)) == ({}, seeks)


async def test_a_batch_that_cannot_be_unpacked_holds_its_partition_and_no_other(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    partition = Partition(BESIDE, Progress(5), InFlightLimit(), consumer.partition_changed)
    consumer.partitions[BESIDE] = partition
    partition.start()
    consumer.resume_partitions({BESIDE})
    kafka_script.seeks.clear()
    kafka_script.errors, kafka_script.behind = {HERE: UnsupportedCodecError()}, {HERE: 3}
    handed_on = await chunks(consumer)

    assert handed_on == []
    assert consumer.holds.keys() == {HERE}
    assert consumer.holds[HERE].said == (
        f"{HERE.topic}-0: the batch at offset 0 cannot be unpacked (UnsupportedCodecError), "
        "the next begins at 3"
    )
    assert kafka_script.seeks == []
    assert (fetches(consumer), BESIDE in consumer._get_active_partitions()) == (False, True)


async def test_what_cannot_be_read_behind_deleted_records_does_not_hide_that_they_are(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.errors, kafka_script.begins = {HERE: UnsupportedCodecError()}, 4
    kafka_script.first = 4
    assert await chunks(consumer) == []

    assert consumer.holds[HERE].state == "records_deleted"


@pytest.mark.parametrize("error", [UnsupportedCodecError(), TopicAuthorizationFailedError("raw")])
async def test_an_error_that_comes_after_its_partition_was_taken_over_anew_holds_nothing(
    kafka_script: Kafka, consumer: Consumer, error: Exception
) -> None:
    """The new assignment stands where the group does, wherever the old one had come to."""
    kafka_script.errors = {HERE: error}

    async def anew() -> None:
        kafka_script.start = Progress(7)
        await rebalance(consumer)

    kafka_script.meanwhile = anew
    assert await chunks(consumer) == []

    assert consumer.holds == {}
    assert kafka_script.seeks[-1] == {HERE: 7}


async def test_an_error_that_is_no_partitions_own_is_raised(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    async def broken(*_: object) -> Fetched:
        raise UnsupportedCodecError

    kafka_script.fetch = broken  # type: ignore[method-assign,assignment]
    with pytest.raises(UnsupportedCodecError):
        await chunks(consumer)


async def test_what_may_not_be_read_is_held_with_the_right_that_lacks_until_it_is_back(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.errors = {HERE: TopicAuthorizationFailedError(HERE.topic)}
    assert await chunks(consumer) == []
    right = Right("Read", "topic", HERE.topic)
    held, fetched = consumer.holds[HERE], fetches(consumer)
    kafka_script.seeks.clear()
    await consumer.let_go_on([HERE])

    assert (held.state, fetched) == ("kafka_refused", False)
    assert held.said.endswith(f"have its user granted {right}")
    assert (consumer.holds, fetches(consumer)) == ({}, True)
    # What aiokafka has fetched of it since was refused too.
    assert kafka_script.seeks == [{HERE: 0}]


async def test_a_right_that_is_back_moves_nothing_that_was_assigned_meanwhile(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.errors = {HERE: TopicAuthorizationFailedError(HERE.topic)}
    await chunks(consumer)
    seek_to = kafka_script.seek_to

    async def slowly(positions: Mapping[TP, int], generation: int | None = None) -> bool:
        kafka_script.seek_to = seek_to  # type: ignore[method-assign]
        sought = await seek_to(positions, generation)
        await rebalance(consumer)
        await chunks(consumer)
        return sought

    kafka_script.seek_to = slowly  # type: ignore[method-assign]
    kafka_script.start = Progress(7)
    kafka_script.begins = 7
    await consumer.let_go_on([HERE])

    assert consumer.holds.keys() == {HERE}
    assert kafka_script.seeks[-1] == {HERE: 7}


async def nothing(*_: object) -> None:
    pass


async def test_a_stop_lets_nothing_be_taken_over_any_more(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next assignment may come before the group has been left."""
    await consumer.end()
    # Faust's own part in it belongs to an app that runs.
    monkeypatch.setattr(driver.Consumer, "on_partitions_assigned", nothing)
    await consumer.on_partitions_assigned({HERE}, 2)
    await some_turns()

    assert consumer.partitions == {}


async def test_a_gap_that_is_not_at_the_head_of_the_log_is_passed(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.fetched = [log(4, 5)]
    (chunk,) = await chunks(consumer)

    assert [record.offset for record in chunk.records] == [4, 5]
    assert consumer.holds == {}


async def test_records_that_kafka_deleted_before_they_were_read_hold_the_partition(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.fetched = [log(4, 5), log(6)]
    kafka_script.first = 4
    handed_on = await chunks(consumer) + await chunks(consumer)

    assert handed_on == []
    assert "offset 0 is next, Kafka has from 4 on" in consumer.holds[HERE].said
    assert not fetches(consumer)
    assert all(progress[HERE].offset == 0 for progress in kafka_script.commits)


async def test_partitions_that_are_added_to_some_topics_alone_are_named_until_all_have_them(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    def has(**counts: int) -> None:
        names = {name.replace("_", "-"): count for name, count in counts.items()}
        kafka_script.reads = [TP(name, i) for name, count in names.items() for i in range(count)]

    has(user_update=4, events=4, audience_membership=4)
    await consumer.learn_log_bounds()
    assert consumer.refusals.said == ""

    has(user_update=4, events=6, audience_membership=4)
    await consumer.learn_log_bounds()
    said = consumer.refusals.said
    assert "equal partition counts" in said
    assert "user-update 4, events 6, audience-membership 4" in said

    has(user_update=6, events=6, audience_membership=6)
    await consumer.learn_log_bounds()
    assert consumer.refusals.said == ""


async def test_a_log_that_went_back_holds_the_partition_and_ends_nobody(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    """Its topic was made again, and aiokafka reads it from its beginning."""
    kafka_script.fetched = [log(0, 1, 2, 3, 4), log(0, 1)]
    handed_on = await chunks(consumer)
    kafka_script.end = 2
    handed_on += await chunks(consumer)

    assert [[record.offset for record in chunk.records] for chunk in handed_on] == [[0, 1, 2, 3, 4]]
    assert "offset 5 is next, Kafka has 0 to 2" in consumer.holds[HERE].said
    assert not fetches(consumer)


async def test_a_log_that_went_back_and_is_empty_holds_the_partition_too(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.fetched = [log(0, 1, 2), []]
    await chunks(consumer)
    kafka_script.end = kafka_script.begins = 0

    assert await chunks(consumer) == []
    assert "offset 3 is next, Kafka has 0 to 0" in consumer.holds[HERE].said


async def test_a_log_that_went_back_is_taken_over_anew_where_deleted_records_are_skipped(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    consumer.deleted_records = DeletedRecords(KafkaSettings(deleted_records="skip"), consumer.holds)
    kafka_script.fetched = [log(0, 1, 2, 3, 4), log(0, 1), log(0, 1)]
    await chunks(consumer)
    consumer.partitions[HERE].mark_ended(0, 1, 2, 3, 4)
    await consumer.commit()
    kafka_script.end = 2
    assert await chunks(consumer) == []
    assert kafka_script.rejoins == 1

    kafka_script.start = kafka_script.commits[-1][HERE]
    await rebalance(consumer)
    assert kafka_script.seeks[-1] == {HERE: 0}
    [again] = await chunks(consumer)
    assert [record.offset for record in again.records] == [0, 1]


async def test_what_was_fetched_from_before_is_fetched_again_where_the_log_is_as_it_was(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.fetched = [log(0, 1, 2), log(0), log(3)]
    await chunks(consumer)
    assert await chunks(consumer) == []
    assert kafka_script.seeks[-1] == {HERE: 3}
    assert consumer.holds == {}
    [chunk] = await chunks(consumer)
    assert [record.offset for record in chunk.records] == [3]


async def test_a_partition_that_is_held_still_commits_what_ends_and_is_drained(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    """Its records were read before the rest was deleted, and are still on their way."""
    kafka_script.fetched = [log(0, 1), log(9)]
    await chunks(consumer)
    partition = consumer.partitions[HERE]
    kafka_script.first = 9
    await chunks(consumer)
    partition.mark_ended(0)
    await consumer.drain()

    assert partition.closed
    assert kafka_script.commits[-1] == {HERE: Progress(1)}


async def test_a_takeover_of_a_partition_whose_next_records_are_deleted_holds_it(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.start, kafka_script.first = Progress(3), 8
    consumer.processor = processor = Work()
    await rebalance(consumer)
    await consumer.commit()

    (held,) = processor.on_hold
    assert "offset 3 is next, Kafka has from 8 on" in consumer.holds[HERE].said
    assert not fetches(consumer)
    # It is this worker's all the same: Kafka confirms that it is, and its offset stays.
    assert (held.tp, held.is_held, held.started) == (HERE, True, False)
    assert consumer.lease.is_held()
    assert all(progress[HERE].offset == 3 for progress in kafka_script.commits[1:])

    await consumer.drain()
    assert held.closed


async def test_a_takeover_that_skips_what_is_deleted_still_knows_what_ended_behind_it(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    kafka_script.start, kafka_script.first = Progress(3, ((5, 9), (12, 14)), epoch=6), 8
    consumer.deleted_records = DeletedRecords(KafkaSettings(deleted_records="skip"), consumer.holds)
    await rebalance(consumer)
    kafka_script.fetched = [log(*range(8, 16))]
    (chunk,) = await chunks(consumer)

    assert kafka_script.seeks[-1] == {HERE: 8}
    assert consumer.partitions[HERE].epoch == 6
    # 5 to 8 had ended, and 12 and 13.
    assert [record.offset for record in chunk.records] == [9, 10, 11, 14, 15]


async def test_an_offset_beyond_the_end_of_the_log_holds_the_partition(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    """The topic was made anew, or lost its tail: Kafka then answers from the beginning."""
    kafka_script.start, kafka_script.end = Progress(50), 2
    await rebalance(consumer)
    kafka_script.fetched = [log(0, 1)]

    assert await chunks(consumer) == []
    assert HERE in consumer.holds
    assert not fetches(consumer)


async def test_runs_of_another_log_say_nothing_of_this_one(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    """A topic that was made anew, and is shorter than the old one was."""
    kafka_script.start, kafka_script.end = Progress(30, ((32, 40),), epoch=6), 20
    consumer.deleted_records = DeletedRecords(KafkaSettings(deleted_records="skip"), consumer.holds)
    await rebalance(consumer)
    kafka_script.fetched = [log(*range(42))]
    (chunk,) = await chunks(consumer)

    assert [record.offset for record in chunk.records] == list(range(42))
    assert consumer.partitions[HERE].epoch == 6


@pytest.mark.parametrize(("end", "todo"), [(40, [30, 31, 40, 41]), (39, list(range(30, 42)))])
async def test_runs_that_reach_beyond_the_end_of_the_log_are_of_another(
    kafka_script: Kafka, consumer: Consumer, end: int, todo: list[int]
) -> None:
    kafka_script.start, kafka_script.end = Progress(30, ((32, 40),)), end
    await rebalance(consumer)
    kafka_script.fetched = [log(*range(30, 42))]
    (chunk,) = await chunks(consumer)

    assert [record.offset for record in chunk.records] == todo


async def test_a_partition_that_was_added_begins_when_what_was_before_it_has_ended(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    consumer.transport.policy = EnginePolicy(ask_again_s=0.0)
    kafka_script.unknown = {BESIDE}
    kafka_script.start = Progress(5, sight=Sight(1))
    await consumer.drain()
    takeover = asyncio.create_task(consumer.take_over(frozenset({HERE, BESIDE}), 2))
    await some_turns()
    at_first = {tp for tp, each in consumer.partitions.items() if each.started}
    kafka_script.start = Progress(kafka_script.end, sight=kafka_script.sights[HERE])
    await takeover

    assert at_first == {HERE}
    assert kafka_script.seeks[-1] == {BESIDE: 0}
    assert kafka_script.commits[-1] == {BESIDE: Progress(0)}


async def test_an_added_partition_whose_beginning_was_deleted_is_held(kafka_script: Kafka) -> None:
    """Its log began at nought, and nothing of it has been read; its duties stay."""
    processor = Work()
    consumer = consumer_of(kafka_script, processor, {BESIDE})
    kafka_script.unknown, kafka_script.first = {BESIDE}, 4
    kafka_script.start = Progress(kafka_script.end, sight=Sight(1, 2, kafka_script.end))
    await consumer.take_over(frozenset({BESIDE}), 1)
    await consumer.commit()

    assert {tp: (hold.state, hold.said) for tp, hold in consumer.holds.items()} == {
        BESIDE: ("records_deleted", f"{RAW.name}-1: offset 0 is next, Kafka has from 4 on")
    }
    assert [each.tp for each in processor.on_hold] == [BESIDE]
    assert kafka_script.commits == [{BESIDE: Progress(0, is_begun=False)}]


async def test_a_worker_whose_partitions_all_wait_keeps_their_duties_and_says_what_for(
    kafka_script: Kafka,
) -> None:
    """And surely is a member: Kafka takes a commit of it which says that nothing has begun."""
    processor = Work()
    consumer = consumer_of(kafka_script, processor, {BESIDE})
    consumer.transport.policy = EnginePolicy(ask_again_s=0.0)
    consumer.lease.record_assignment()
    kafka_script.unknown, kafka_script.start = {BESIDE}, Progress(5, sight=Sight(1))
    takeover = asyncio.create_task(consumer.take_over(frozenset({BESIDE}), 1))
    await some_turns()
    (waits,) = processor.on_hold
    await consumer.commit()
    is_sure = consumer.lease.is_held()
    state, said = readiness(SimpleNamespace(consumer=consumer, rebalancing=False))
    kafka_script.start = Progress(5, sight=Sight(1, 2, 5))
    was_closed = waits.closed
    await takeover

    assert is_sure
    assert kafka_script.commits == [{BESIDE: Progress(0, is_begun=False)}, {BESIDE: Progress(0)}]
    assert state == "starting"
    assert f"{RAW.name}-1 were added, and wait until the group has passed" in str(said)
    assert (waits.tp, was_closed, waits.closed) == (BESIDE, False, True)
    assert consumer.partitions[BESIDE].started


async def test_while_users_move_between_old_partitions_each_stops_where_it_ended(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    """The third partition is another worker's, and there were two."""
    third = TP(RAW.name, 2)
    kafka_script.reads, kafka_script.unknown = {HERE, BESIDE, third}, {third}
    kafka_script.start, kafka_script.end = Progress(2, sight=Sight(2)), 5
    await consumer.drain()
    takeover = asyncio.create_task(consumer.take_over(frozenset({HERE, BESIDE}), 2))
    await some_turns()
    sight = kafka_script.sights[HERE]
    kafka_script.fetched = [log(2, 3, 4, 5, 6)]
    [chunk] = await chunks(consumer)
    fetched_on, sought = fetches(consumer), kafka_script.seeks[-1]
    said = consumer.added.said
    # Until the workers of all have come to where theirs ended.
    kafka_script.start = Progress(5, sight=sight)
    await takeover

    assert sight == Sight(2, 3, 5)
    assert ([each.offset for each in chunk.records], chunk.end) == ([2, 3, 4], 5)
    assert (fetched_on, sought) == (False, {HERE: 5})
    assert "mparticle-raw had 2 partitions and has 3" in str(said)
    assert fetches(consumer)
    assert consumer.added.said is None


async def test_a_fetch_from_where_a_partition_stops_hands_on_nothing(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    partition = assign(consumer, Progress(5), InFlightLimit())
    partition.read_limit = 5
    kafka_script.fetched = [log(5, 6), log(5, 6)]
    before = await chunks(consumer)
    fetched_on = fetches(consumer)
    partition.lift_read_limit()
    [chunk] = await chunks(consumer)

    assert (before, fetched_on) == ([], False)
    assert [each.offset for each in chunk.records] == [5, 6]
    assert fetches(consumer)


@pytest.mark.parametrize("forgotten", [{HERE}, {HERE, BESIDE}], ids=["a part", "the group"])
async def test_what_kafka_has_forgotten_is_not_read_again_unasked(
    kafka_script: Kafka, consumer: Consumer, forgotten: set[TP]
) -> None:
    await consumer.drain()
    kafka_script.unknown = forgotten
    kafka_script.seeks.clear()
    with pytest.raises(
        GroupError, match=f"forgotten how far .* in {RAW.name}-0.* KAFKA_INITIAL_OFFSET"
    ):
        await consumer.take_over(frozenset({HERE, BESIDE}), 2)

    assert kafka_script.seeks == []


def assign(consumer: Consumer, start: Progress, limit: InFlightLimit) -> Partition:
    partition = Partition(HERE, start, limit, consumer.partition_changed)
    consumer.partitions[HERE] = partition
    partition.start()
    return partition


def fetched(partition: Partition, *offsets: int) -> None:
    partition.track((offset, 1) for offset in offsets)


def fetches(consumer: Consumer) -> bool:
    return HERE in consumer._get_active_partitions()


@pytest.mark.parametrize("limit", [InFlightLimit(records=4), InFlightLimit(size=4)])
async def test_a_full_partition_is_not_fetched_until_it_is_half_empty(
    consumer: Consumer, limit: InFlightLimit
) -> None:
    partition = assign(consumer, Progress(0), limit)
    fetched(partition, 0, 1, 2, 3)
    seen = [fetches(consumer)]
    for offset in range(3):
        partition.mark_ended(offset)
        seen.append(fetches(consumer))

    assert seen == [False, False, False, True]


async def test_a_partition_with_too_many_holes_is_not_fetched_until_half_of_them_are_closed(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    partition = assign(consumer, Progress(0), InFlightLimit(runs=4))
    fetched(partition, *range(10))
    seen = []
    for offset in (1, 3, 5, 7, 0, 2, 4):
        partition.mark_ended(offset)
        await consumer.commit()
        seen.append((len(kafka_script.commits[-1][HERE].ended), fetches(consumer)))

    assert seen == [(1, True), (2, True), (3, True), (4, False), (3, False), (2, False), (1, True)]


@pytest.mark.parametrize("full", [HERE, BESIDE])
async def test_a_fetch_waits_less_while_there_is_a_partition_that_may_go_on_meanwhile(
    kafka_script: Kafka, consumer: Consumer, full: TP
) -> None:
    for tp in (HERE, BESIDE):
        limit = InFlightLimit()
        consumer.partitions[tp] = Partition(tp, Progress(0), limit, consumer.pause_or_resume)
        consumer.partitions[tp].start()
        consumer.resume_partitions({tp})
    await chunks(consumer)
    consumer.pause_partitions({full})
    await chunks(consumer)
    consumer.resume_partitions({full})
    await chunks(consumer)

    at_first, while_paused, in_the_end = kafka_script.waits
    assert while_paused < at_first == in_the_end


async def test_a_partition_is_fetched_once_its_processor_is_ready_for_it(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    consumer.processor = Work(starts=False)
    await rebalance(consumer)
    before = fetches(consumer)
    consumer.on_buffer_full(HERE)
    consumer.on_buffer_drop(HERE)
    still = fetches(consumer)
    consumer.partitions[HERE].start()

    assert (before, still, fetches(consumer)) == (False, False, True)


async def test_a_partition_whose_processor_is_not_ready_is_confirmed_and_given_back(
    kafka_script: Kafka, consumer: Consumer
) -> None:
    """Reading its past may take long: others must not take it for dead, nor wait for it."""
    kafka_script.start = Progress(7, ((9, 11),), epoch=3)
    consumer.processor = processor = Work(starts=False)
    await rebalance(consumer)
    partition = consumer.partitions[HERE]
    sure = consumer.lease.is_held()
    await consumer.drain()

    assert sure
    assert kafka_script.commits[-1] == {HERE: kafka_script.start}
    assert processor.gone[-1] is partition
    assert partition.closed


async def test_a_full_partition_stays_unfetched_when_faust_finds_room_in_its_own_queue(
    consumer: Consumer,
) -> None:
    """With many partitions the queue of chunks fills too; its draining says nothing of ours."""
    partition = assign(consumer, Progress(0), InFlightLimit(records=4))
    fetched(partition, 0, 1, 2, 3)
    consumer.on_buffer_full(HERE)
    consumer.on_buffer_drop(HERE)

    assert partition.is_full
    assert not fetches(consumer)


async def test_a_partition_that_began_with_many_holes_is_fetched_on(consumer: Consumer) -> None:
    """Else it waits for ever for records that it never asks for."""
    holes = tuple((n * 2 + 1, n * 2 + 2) for n in range(1_000))
    partition = assign(consumer, Progress(0, holes), InFlightLimit())
    fetched(partition, 0)
    partition.mark_ended(0)
    partition.committed = partition.progress
    consumer.partition_changed(partition)

    assert partition.offsets.waiting == 0
    assert fetches(consumer)


async def test_a_closed_partition_is_neither_paused_nor_resumed(consumer: Consumer) -> None:
    partition = assign(consumer, Progress(0), InFlightLimit(records=2))
    partition.closed = True
    fetched(partition, 0, 1)

    assert fetches(consumer)
