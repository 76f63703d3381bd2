"""Single stories, told on purpose: what seeds found once."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from streams.topics import AUDIENCE_MEMBERSHIP, BY_USER, RAW, USER_UPDATE, Topic
from tests.simulation.evidence import GROUP, Plan
from tests.simulation.groups import METADATA_BYTES
from tests.simulation.log import NO_ERROR
from tests.simulation.oracle import judge
from tests.simulation.story import Story

pytestmark = pytest.mark.usefixtures("told_quietly")

_QUIET = Plan(workers=1, partitions=1, users=2, records=10, seconds=4.0, faults=0)


def _allow_text(story: Story, *, since_s: float, most: int) -> None:
    group = story.evidence.kafka.group(GROUP)

    def allow() -> None:
        group.metadata_bytes = most

    story.loop.call_later(since_s, allow)


def test_a_worker_whose_commits_are_refused_says_so_and_does_not_end() -> None:
    story = Story(1, _QUIET)
    _allow_text(story, since_s=2.0, most=0)
    _allow_text(story, since_s=400.0, most=METADATA_BYTES)
    evidence = story.run()
    assert judge(evidence) == []
    assert len(evidence.workers) == 1
    assert evidence.seconds > 400


@pytest.mark.parametrize(
    ("code", "what_to_do"),
    [
        (12, "raise the brokers' offset.metadata.max.bytes to its default, 4096."),
        (30, f"have its user granted Read on the group {GROUP}."),
    ],
)
def test_a_worker_whose_first_commit_is_refused_ends_with_a_sentence(
    code: int, what_to_do: str
) -> None:
    story = Story(1, _QUIET)
    kafka = story.evidence.kafka
    kafka.commits_get = code

    def take_commits_again() -> None:
        kafka.commits_get = 0

    story.loop.call_later(1.5, take_commits_again)
    evidence = story.run()
    assert evidence.all_ended
    said = evidence.workers[0].ended_with or ""
    assert said.startswith(
        "does not start: Kafka does not let this worker read and commit where it begins"
    )
    assert said.endswith(what_to_do)


@pytest.mark.parametrize("seed", range(4))
def test_of_two_replicas_with_one_instance_id_one_ends_and_names_the_setting(seed: int) -> None:
    plan = replace(_QUIET, static=True, records=40, seconds=20.0)
    story = Story(seed, plan)
    story.loop.call_later(4.0, story.start_twin)
    evidence = story.run()
    ended = [each.ended_with for each in evidence.workers if each.ended_with]
    assert ended
    assert all("KAFKA_GROUP_INSTANCE_ID" in each for each in ended)
    assert evidence.all_ended
    assert evidence.not_ready == {}
    assert {each.id for each in evidence.written if not each.is_refused} <= {
        effect.id for effect in evidence.service.effects
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("at_s", [0.35, 0.45])
def test_a_worker_that_stands_still_in_its_first_start_takes_nobody_back(
    seed: int, at_s: float
) -> None:
    """The others have begun meanwhile, done all there is, and gone."""
    plan = replace(_QUIET, workers=3, records=4, seconds=0.5, commits_take_s=0.6)
    story = Story(seed, plan)
    story.loop.call_later(at_s, story.loop.freeze, "w2", 8.0)
    evidence = story.run()
    others = [each.stopped_at for each in evidence.workers if each.name != "w2"]
    assert all(at is not None and at < at_s + 8.0 for at in others)
    assert evidence.kafka.group(GROUP).odd_commits == []


@pytest.mark.parametrize("frozen", ["w1", "w2"])
def test_a_worker_whose_partition_went_to_another_says_no_more_that_its_commits_are_refused(
    frozen: str,
) -> None:
    story = Story(1, replace(_QUIET, workers=2, records=40))
    _allow_text(story, since_s=2.0, most=0)
    story.loop.call_later(3.0, story.loop.freeze, frozen, 10.0)
    _allow_text(story, since_s=6.0, most=METADATA_BYTES)
    evidence = story.run()
    assert evidence.all_ended
    assert evidence.not_ready == {}


@pytest.mark.parametrize("order", list(itertools.permutations(BY_USER)))
def test_topics_by_user_may_be_given_more_partitions_one_after_another(
    order: Sequence[Topic],
) -> None:
    """Workers see each for itself: a command for each, and seconds in between."""
    story = Story(1, replace(_QUIET, workers=2, partitions=2, records=60, seconds=60.0))
    for seconds, topic in zip((5.0, 20.0, 35.0), order, strict=True):
        story.loop.call_later(seconds, story.evidence.kafka.create, topic.name, 2)
    evidence = story.run()
    assert judge(evidence) == []
    assert len(evidence.workers) == 2


@pytest.mark.parametrize("order", list(itertools.permutations(BY_USER)))
def test_topics_raised_one_after_another_under_a_router_keep_events_behind_updates(
    order: Sequence[Topic],
) -> None:
    """The router asks how many partitions there are in between, which is every ten seconds."""
    plan = replace(_QUIET, workers=2, partitions=2, users=8, records=240, seconds=40.0, routers=1)
    story = Story(3, replace(plan, refused_share=0.0))
    for seconds, topic in zip((8.0, 14.0, 20.0), order, strict=True):
        story.loop.call_later(seconds, story.evidence.kafka.create, topic.name, 2)
    assert judge(story.run()) == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("topics", "grow_at_s"), [((RAW,), 19.5), (BY_USER, 8.0)], ids=["raw", "by user"]
)
def test_what_mparticle_sends_again_is_known_at_the_place_to_which_a_user_has_moved(
    topics: Sequence[Topic], grow_at_s: float, seed: int
) -> None:
    """Nothing of it was ever there: it would be delivered twice, and take the user back."""
    plan = replace(_QUIET, workers=2, partitions=2, users=8, records=80, seconds=20.0, routers=1)
    story = Story(seed, replace(plan, refused_share=0.0, sends_again=True))

    async def grow() -> None:
        await asyncio.sleep(grow_at_s)
        for topic in topics:
            story.evidence.kafka.create(topic.name, 2)

    story.also(grow)
    assert judge(story.run()) == []


# A killed process leaves a connection that it was making to the system.
@pytest.mark.filterwarnings("ignore:Unclosed AIOKafkaConnection")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("killed", ["w1", "w2"])
@pytest.mark.parametrize("more", [1, 2])
def test_partitions_that_are_added_while_a_static_member_is_replaced_are_read(
    seed: int, killed: str, more: int
) -> None:
    """One of the two leads their group, and Kafka asks its successor for no division."""
    story = Story(seed, replace(_QUIET, workers=2, partitions=2, static=True, records=40))
    for topic in BY_USER:
        story.loop.call_later(4.0, story.evidence.kafka.create, topic.name, more)
    story.loop.call_later(4.1, story.loop.kill, killed)
    evidence = story.run()
    assert evidence.all_ended
    assert evidence.not_ready == {}


@pytest.mark.parametrize("seed", [1, 10, 12, 17])
def test_a_user_who_moves_from_one_old_partition_to_another_is_not_overtaken_by_themselves(
    seed: int,
) -> None:
    """Three workers have one of two partitions and of the third each; the user's backlog waits."""
    plan = Plan(
        workers=3, partitions=2, users=8, records=80, seconds=20.0, faults=0, refused_share=0.0
    )
    story = Story(seed, plan)
    evidence = story.evidence

    def grow() -> None:
        evidence.is_writing = False
        for topic in BY_USER:
            evidence.kafka.create(topic.name, 1)

    def go_on_writing() -> None:
        evidence.is_writing = True

    def fail_for(user: str | None) -> None:
        evidence.service.fails_for = user

    # Of two partitions they are in the last, of three in the first.
    story.loop.call_later(2.5, fail_for, "100")
    story.loop.call_later(6.0, grow)
    story.loop.call_later(20.0, go_on_writing)
    story.loop.call_later(40.0, fail_for, None)
    story.run()
    assert judge(evidence) == []


# As above: the killed one is let go of with what it was at.
@pytest.mark.filterwarnings("ignore:Unclosed AIOKafkaConnection")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("code", "grows"), [(-1, False), (-1, True), (15, True)])
def test_a_refused_commit_of_where_partitions_begin_is_made_up_for_in_silence(
    code: int, grows: bool
) -> None:
    """Refused right after a worker is replaced, or partitions are added; nothing is written since.

    By no coordinator, or for a reason that Kafka does not tell.
    """
    story = Story(1, replace(_QUIET, workers=2, partitions=2, users=8, records=30))
    kafka = story.evidence.kafka
    group = kafka.group(GROUP)

    async def refuse_after_a_takeover() -> None:
        await asyncio.sleep(20.0)
        generation = group.generation
        if grows:
            for topic in BY_USER:
                kafka.create(topic.name, 2)
        else:
            story.loop.kill("w2")
        while group.generation == generation:  # noqa: ASYNC110 - simulated time
            await asyncio.sleep(0.01)
        kafka.commits_get = code
        await asyncio.sleep(7.0)
        kafka.commits_get = NO_ERROR

    story.also(refuse_after_a_takeover)
    evidence = story.run()
    assert evidence.all_ended
    assert evidence.not_ready == {}
    assert evidence.seconds < 60.0


@pytest.mark.parametrize("is_away", [True, False], ids=["nobody is there", "they wait"])
def test_what_is_deleted_of_added_partitions_before_they_are_read_is_held_said_and_counted(
    is_away: bool,
) -> None:
    plan = Plan(workers=2, partitions=2, records=80, seconds=10.0, faults=0, refused_share=0.0)
    story = Story(1, plan)
    evidence, kafka = story.evidence, story.evidence.kafka

    async def grow_and_delete() -> None:
        for topic in BY_USER:
            kafka.create(topic.name, 2)
        await asyncio.sleep(4.0)
        for topic, number in itertools.product(BY_USER, (2, 3)):
            there = kafka.topics[topic.name][number]
            evidence.deleted |= {
                each.id
                for each in evidence.written
                if (each.topic, each.partition) == (topic.name, number) and each.offset < there.end
            }
            there.delete_before(there.end)
        kafka.tell_arrived()

    async def act() -> None:
        await asyncio.sleep(3.0)
        if is_away:
            async with story.all_stopped():
                await grow_and_delete()
            return
        # What is not delivered of an old partition is what the added ones wait for.
        evidence.service.fails_for = "100"
        await grow_and_delete()
        evidence.service.fails_for = None

    story.also(act)
    story.run()
    delivered = {effect.id for effect in evidence.service.effects}
    lost = {each.id for each in evidence.written} - delivered
    assert lost
    assert lost <= evidence.deleted
    evidence.excused |= evidence.deleted
    assert judge(evidence) == []


_READING = Plan(
    workers=1, partitions=3, users=8, records=240, seconds=24.0, faults=0, refused_share=0.0
)


def _have_much_in_flight(story: Story) -> None:
    """The destination is away for a while, so that what is read is not committed."""
    service = story.evidence.service

    def is_down(*, now: bool) -> None:
        service.is_down = now

    story.loop.call_later(2.0, lambda: is_down(now=True))
    story.loop.call_later(40.0, lambda: is_down(now=False))


@pytest.mark.parametrize("seed", range(2))
def test_a_rebalance_while_a_right_to_read_lapses_loses_nothing(seed: int) -> None:
    story = Story(seed, _READING)
    _have_much_in_flight(story)
    refused = story.evidence.kafka.may_not_read
    story.loop.call_later(7.0, refused.add, AUDIENCE_MEMBERSHIP.name)
    story.loop.call_later(9.0, story.start_another)
    story.loop.call_later(27.0, refused.clear)
    assert judge(story.run()) == []


@pytest.mark.parametrize("seed", range(2))
def test_a_rebalance_while_a_batch_is_unreadable_loses_only_what_stands_in_it(seed: int) -> None:
    """What stands before it is delivered; then a person passes over it, and it is not read back."""
    story = Story(seed, _READING)
    _have_much_in_flight(story)
    partition = story.evidence.kafka.topics[USER_UPDATE.name][2]
    at: list[int] = []

    def corrupt() -> None:
        at.append(partition.write([(b"", b"", [])], story.evidence.kafka.now_ms))
        partition.corrupt(at[0])

    story.loop.call_later(7.0, corrupt)
    story.loop.call_later(9.0, story.start_another)
    evidence = story.run()
    assert judge(evidence) == []
    assert evidence.excused == set()
    # By the person who followed the offset that was named.
    assert [fault.kind for fault in evidence.faults].count("corrupt") == 1
