"""First fills over real Kafka and HTTP: the worker's end, and nothing lost on the way."""

import asyncio
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest

from models.record import Identity
from sandbox.faults import Answer, Delay, EffectWithoutAnswer, Hang
from sandbox.kafka import Kafka
from streams.kafka import clients
from streams.kafka.batch_writer import partition_of
from streams.kafka.commit_metadata import Progress
from streams.topics import DEAD_LETTERS, USER_UPDATE
from tests.agents.sailthru.factories import USER, attributes, moved
from tests.agents.sailthru.fill_world import CALLS, JOBS, PARTITIONS, World, updates, world
from tests.cli.command import SECONDS, run
from tests.kafka.log import everything
from tests.routed import out_of
from tests.streams.cluster import commit

NEIGHBOUR = next(
    user
    for user in map(str, count())
    if partition_of(user.encode(), PARTITIONS) == partition_of(USER.user.encode(), PARTITIONS)
)

pytestmark = pytest.mark.kafka


@pytest.fixture
async def filled(kafka: Kafka, prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(kafka, prefix, tmp_path) as made:
        await made.write(updates())
        yield made


async def all_committed(made: World) -> bool:
    ends = await made.ends()
    return await made.progress() == {number: Progress(end) for number, end in ends.items()}


@asynccontextmanager
async def member(made: World) -> AsyncIterator[None]:
    """Somebody in the worker's group."""
    topic = made.cluster.topic(USER_UPDATE.name)
    async with clients.consumer(made.cluster, topic, group_id=made.group) as consumer:
        await consumer.getmany(timeout_ms=100)
        yield


@pytest.mark.parametrize("job_users", [10_000, 25], ids=["one window", "many windows"])
async def test_a_fill_ends_as_the_worker_alone_does(
    kafka: Kafka, prefix: str, tmp_path: Path, job_users: int
) -> None:
    """And the worker goes on after it, in the same epoch, without sending any of it again."""
    cut = len(updates()) * 3 // 4
    first, later = updates()[:cut], updates()[cut:]
    async with (
        world(kafka, f"{prefix}alone-", tmp_path) as alone,
        world(kafka, f"{prefix}filled-", tmp_path) as made,
    ):
        await alone.write(updates())
        await alone.work_off()

        await made.write(first)
        said = await made.fill("--execute", "--job-users", str(job_users))
        assert said.returncode == 0, said.stderr
        assert await all_committed(made)
        assert (made.seen[JOBS] == made.cluster.topic_partitions) == (job_users > len(first))
        by_calls = made.seen[CALLS]
        assert 0 < by_calls < len(first) / 4

        await made.work_off()
        assert made.seen[CALLS] == by_calls
        await made.write(later)
        await made.work_off()
        assert made.seen[CALLS] <= by_calls + len(later)
        assert made.profiles() == alone.profiles()
        assert len(await everything(made.cluster, DEAD_LETTERS)) == len(
            await everything(alone.cluster, DEAD_LETTERS)
        )


@pytest.mark.parametrize("job_users", [10_000, 1], ids=["one window", "many windows"])
async def test_a_fill_moves_a_profile_whose_old_address_is_told_as_a_digest(
    kafka: Kafka, prefix: str, tmp_path: Path, job_users: int
) -> None:
    """As a worker does, which knows the address under which it delivered."""
    old, new = "lin.old@shop.example", "lin.new@shop.example"
    digest = Identity(type="email", value=sha256(old.encode()).hexdigest(), encoding="sha256")
    change = moved(None, new).model_copy(update={"removed": (digest,)})
    # Somebody else of the same partition is between, with whom a window may end.
    other = attributes("other@shop.example", city="Ulm").model_copy(update={"mpid": NEIGHBOUR})
    async with world(kafka, prefix, tmp_path) as made:
        records = attributes(old, city="Lyon"), other, change, attributes(new, age=41)
        await made.write(map(out_of, records))
        said = await made.fill("--execute", "--job-users", str(job_users))
        assert said.returncode == 0, said.stderr
        profiles = {address: vars_ for address, (_, vars_) in made.profiles().items()}
    assert profiles == {new: {"city": "Lyon", "age": 41}, "other@shop.example": {"city": "Ulm"}}


async def test_a_dry_run_counts_and_changes_nothing(filled: World) -> None:
    async with member(filled):  # it may look while the worker runs
        said = await filled.fill()
    assert said.returncode == 0, said.stderr
    assert filled.seen == {}
    assert await filled.progress() == {}
    assert "Nothing was sent or committed" in said.stdout
    for number, end in (await filled.ends()).items():
        assert f"user-update-{number}: from offset 0 to before {end}" in said.stdout
    told = next(line for line in said.stdout.splitlines() if line.startswith("Would send"))

    done = await filled.fill("--execute")
    assert told.removeprefix("Would send") in [
        line.removeprefix("Sent") for line in done.stdout.splitlines()
    ]


@pytest.mark.parametrize("moment", ["before the job has ended", "before the commit"])
async def test_a_fill_that_was_killed_begins_again_and_loses_nothing(
    kafka: Kafka, prefix: str, tmp_path: Path, moment: str
) -> None:
    seconds = 1.0 if moment == "before the job has ended" else 0.0
    async with world(kafka, prefix, tmp_path, job_seconds=seconds) as made:
        await made.write(updates())
        if moment == "before the commit":
            made.service.set_faults([Hang(endpoint="GET job")])
        process = made.started()
        try:
            await made.taken(1)
        finally:
            process.kill()
            process.communicate()  # it has a pipe to close
        made.service.set_faults([])
        ends = await made.ends()
        assert await made.progress() == {number: Progress(0) for number in ends}

        await made.forgotten()
        said = await made.fill("--execute")
        assert said.returncode == 0, said.stderr
        assert await all_committed(made)
        killed = made.profiles()
    async with world(kafka, f"{prefix}whole-", tmp_path) as whole:
        await whole.write(updates())
        await whole.fill("--execute")
        assert killed == whole.profiles()


async def test_a_live_member_is_a_reason_not_to_begin(filled: World) -> None:
    async with member(filled):
        said = await filled.fill("--execute")
    assert said.returncode == 1
    assert f"The group {filled.group} has live members: stop its workers" in said.stderr
    assert filled.seen == {}


async def test_a_worker_that_joins_meanwhile_keeps_its_offsets(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    async with world(kafka, prefix, tmp_path) as made:
        await made.write(updates()[:50])
        made.service.set_faults([Delay(endpoint="GET job", seconds=4.0, count=1)])
        filling = asyncio.create_task(made.fill("--execute"))
        await made.taken(1)
        async with member(made):
            said = await filling
        assert (said.returncode, "has live members" in said.stderr) == (1, True)
        assert await made.progress() == {number: Progress(0) for number in await made.ends()}


UNTOLD = Answer(endpoint="GET job", status=503)


async def test_of_two_fills_one_works_and_the_other_says_so(filled: World) -> None:
    filled.service.set_faults([UNTOLD])
    working = asyncio.create_task(filled.fill("--execute"))
    await filled.taken(1)
    refused = await filled.fill("--execute")
    filled.service.set_faults([])
    assert refused.returncode == 1
    assert "Another fill is at work: " in refused.stderr.splitlines()[-1]
    assert (await working).returncode == 0
    assert filled.seen[JOBS] == filled.cluster.topic_partitions
    assert await all_committed(filled)


async def test_a_fill_that_kafka_has_forgotten_commits_no_more(filled: World) -> None:
    filled.service.set_faults([UNTOLD])
    working = asyncio.create_task(filled.fill("--execute"))
    await filled.taken(1)
    await filled.expel()
    filled.service.set_faults([])
    said = await working
    assert (said.returncode, "did not hear of this fill" in said.stderr) == (1, True)
    assert await filled.progress() == {number: Progress(0) for number in await filled.ends()}


FAILURES = [
    pytest.param(
        Answer(endpoint="GET job", status=200, body={"job_id": "17", "status": "error"}),
        "with an error",
        id="the job fails",
    ),
    pytest.param(
        EffectWithoutAnswer(endpoint=JOBS),
        "(connection_lost). Whether Sailthru took the job is not known",
        id="no answer",
    ),
    pytest.param(
        Answer(endpoint=JOBS, status=413, body={"error": 99, "errormsg": "Too large"}),
        "--job-users",
        id="too large",
    ),
    pytest.param(
        Answer(endpoint=JOBS, status=403, body={"error": 4, "errormsg": "IP"}),
        "allow-list",
        id="blocked",
    ),
    pytest.param(
        Answer(endpoint=CALLS, status=403, body={"error": 4, "errormsg": "IP"}),
        "allow-list",
        id="blocked after the job",
    ),
]


@pytest.mark.parametrize(("fault", "said"), FAILURES)
async def test_what_fails_commits_nothing_and_says_what_to_do(
    filled: World, fault: Answer | EffectWithoutAnswer, said: str
) -> None:
    filled.service.set_faults([fault])
    ended = await filled.fill("--execute")
    assert ended.returncode == 1
    assert said in ended.stderr.splitlines()[-1], ended.stderr
    assert await filled.progress() == {number: Progress(0) for number in await filled.ends()}


async def test_a_job_that_does_not_end_is_named_and_can_be_waited_for(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    async with world(kafka, prefix, tmp_path, job_seconds=1.0) as made:
        await made.write(updates()[:20])
        ended = await made.fill("--execute", "--job-minutes", "0.005")
        assert ended.returncode == 1
        [job] = [word for word in ended.stderr.split() if word.isdecimal() and len(word) > 20][:1]
        assert f"--after-job {job}" in ended.stderr
        again = await made.fill("--execute", "--after-job", job)
        assert again.returncode == 0, again.stderr
        assert await all_committed(made)


STOPS = [signal.SIGINT, signal.SIGTERM]


async def stopped(made: World, number: signal.Signals, reached: str) -> str:
    """What a fill says that is told to stop once Sailthru has had this request, and waits."""
    process = made.started()
    try:
        await made.asked(reached)
        process.send_signal(number)
        _, told = await asyncio.to_thread(process.communicate, timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == 1
    [line] = told.decode().splitlines()
    return line


@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
async def test_a_fill_that_is_interrupted_names_the_job_to_wait_for(
    filled: World, number: signal.Signals
) -> None:
    """It goes on at Sailthru, and would put old values over those of whoever starts meanwhile."""
    filled.service.set_faults([UNTOLD])
    said = await stopped(filled, number, "GET job")
    job = re.search(r"--after-job (\S+) waits for it", said)
    assert job is not None, said
    assert "start neither the worker nor another fill" in said
    assert await filled.progress() == {number: Progress(0) for number in await filled.ends()}
    filled.service.set_faults([])
    again = await filled.fill("--execute", "--after-job", job[1])
    assert again.returncode == 0, again.stderr
    assert await all_committed(filled)


async def test_a_fill_that_is_interrupted_before_sailthru_has_answered_does_not_know_of_the_job(
    filled: World,
) -> None:
    filled.service.set_faults([Hang(endpoint=JOBS)])
    said = await stopped(filled, signal.SIGTERM, JOBS)
    assert "Whether Sailthru took the job is not known" in said


async def test_a_fill_that_is_interrupted_when_no_job_is_under_way_says_so(filled: World) -> None:
    filled.service.set_faults([Hang(endpoint=CALLS)])
    said = await stopped(filled, signal.SIGINT, CALLS)
    assert "no job of this fill is under way" in said


async def test_a_group_without_offsets_begins_where_it_is_told(filled: World) -> None:
    refused = await filled.fill("--execute", KAFKA_INITIAL_OFFSET="")
    assert refused.returncode == 1
    assert "KAFKA_INITIAL_OFFSET" in refused.stderr
    said = await filled.fill("--execute", KAFKA_INITIAL_OFFSET="latest")
    assert said.returncode == 0, said.stderr
    assert filled.seen == {}
    assert await all_committed(filled)


async def test_an_offset_moved_by_a_person_is_where_it_goes_on(filled: World) -> None:
    ends = await filled.ends()
    topic = filled.cluster.topic(USER_UPDATE.name)
    await commit(
        filled.cluster, filled.group, {(topic, n): (end - 3, "") for n, end in ends.items()}
    )
    said = await filled.fill("--execute")
    assert said.returncode == 0, said.stderr
    assert f" of {3 * len(ends)} records" in said.stdout
    progress = await filled.progress()
    assert {number: each and each.offset for number, each in progress.items()} == ends
    assert all(each and each.epoch > 0 for each in progress.values())


def test_missing_settings_and_a_key_without_jobs_are_said_in_a_sentence() -> None:
    said = run("fill", "sailthru", settings={"SAILTHRU_API_KEY": "k"})
    assert (said.returncode, "SAILTHRU_API_SECRET" in said.stderr) == (1, True)
    given = {
        "SAILTHRU_API_KEY": "k",
        "SAILTHRU_API_SECRET": "s",
        "SAILTHRU_IDENTITY_KEY": "extid",
        "SAILTHRU_EXTID_FROM": "mpid",
    }
    said = run("fill", "sailthru", settings=given)
    assert (said.returncode, "SAILTHRU_IDENTITY_KEY=extid" in said.stderr) == (1, True)


def test_a_kafka_that_is_away_is_named_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        given = {
            "SAILTHRU_API_KEY": "k",
            "SAILTHRU_API_SECRET": "s",
            "KAFKA_BOOTSTRAP_SERVERS": address,
        }
        said = run("fill", "sailthru", settings=given, seconds=20)
    assert (said.returncode, address in said.stderr) == (1, True)
    assert "Traceback" not in said.stderr
