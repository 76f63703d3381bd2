"""The receiver over HTTP, on a real Kafka: what it answers, and what the topic holds then."""

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.structs import ConsumerRecord
from structlog.testing import capture_logs

from agents.receiver import envelope as messages
from agents.receiver.memory_budget import Claim, MemoryBudget
from agents.receiver.producer_supervisor import FRAME_BYTES
from models.mparticle.values import LONGEST_ID
from sandbox.kafka import Kafka
from streams import metrics
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests import samples
from tests.agents.receiver.served import AUTHORIZED, TOKEN, Served, held, served, until
from tests.agents.receiver.slow import SlowPost
from tests.counted import value
from tests.kafka.log import everything
from tests.streams.cluster import configure, create, settings

pytestmark = pytest.mark.kafka

ID = "0b6c1a52-9f1e-4a57-8a67-0d8f4f6f2a11"
MPID = "-7701122334455667788"
MODULE = {"name": "Streams", "version": "1.0", "permissions": {"allow_access_mpid": True}}
BATCH = orjson.dumps({"mpid": MPID, "events": []})

RESPONSES: dict[str, dict[str, Any]] = {
    "event_processing_request": {"type": "event_processing_response"},
    "audience_subscription_request": {"type": "audience_subscription_response"},
    "audience_membership_change_request": {
        "type": "audience_membership_change_response",
        "suspend_subscription": False,
    },
    "dsr_processing_request": {"type": "dsr_processing_response"},
    "module_registration_request": {"type": "module_registration_response", **MODULE},
}
WITHOUT_A_BODY = {
    "an event batch": BATCH,
    "a list of batches": b"[" + BATCH + b"]",
    "a response": b'{"type": "event_processing_response"}',
    "an unknown type": b'{"type": "telepathy_request"}',
    "a type that is no text": b'{"type": {}}',
    "no JSON": b'{"type": "event_proc',
    "bytes": b"\xff\x00\xfe",
    "nothing": b"",
    "nested too deep": b"[" * 1_000 + b"]" * 1_000,
    "nested beyond any parser": b"[" * 9_000 + b"]" * 9_000,
}


@pytest.fixture
async def cluster(kafka: Kafka, prefix: str) -> KafkaSettings:
    cluster = settings(kafka, prefix)
    await create(cluster, [RAW])
    return cluster


@pytest.fixture
async def receiver(cluster: KafkaSettings) -> AsyncIterator[Served]:
    async with served(cluster, registration=orjson.dumps(MODULE).decode()) as receiver:
        yield receiver


async def raw(cluster: KafkaSettings) -> list[ConsumerRecord]:
    return await everything(cluster, RAW)


def counted(outcome: str) -> float:
    return value(metrics.RECEIVED.labels(outcome=outcome))


# What mParticle is answered.


@pytest.mark.parametrize("type_", RESPONSES)
async def test_a_request_is_answered_with_its_response_and_the_envelope(
    receiver: Served, cluster: KafkaSettings, type_: str
) -> None:
    body = orjson.dumps({"type": type_, "id": ID, "mpid": MPID, "firehose_version": "3.2.0"})
    before = time.time_ns() // 1_000_000
    answer = await receiver.post(body)

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    envelope = {"id": ID, "timestamp_ms": answer.json["timestamp_ms"], "firehose_version": "3.2.0"}
    assert answer.json == {**RESPONSES[type_], **envelope}
    assert before <= answer.json["timestamp_ms"] <= time.time_ns() // 1_000_000
    assert [record.value for record in await raw(cluster)] == [body]


@samples.needed
async def test_published_samples_are_answered_and_written_as_they_came(
    receiver: Served, cluster: KafkaSettings
) -> None:
    bodies = [path.read_bytes() for path in sorted(samples.FOLDER.glob("*.json"))]
    for body in bodies:
        answer = await receiver.post(body)
        if response := RESPONSES.get(orjson.loads(body).get("type")):
            assert answer.status == 200
            assert answer.json["type"] == response["type"]
        else:
            assert (answer.status, answer.body) == (202, b"")
    assert sorted(record.value for record in await raw(cluster)) == sorted(bodies)


@pytest.mark.parametrize("id_", [None, 7, ""])
async def test_a_request_without_an_id_of_its_own_gets_a_new_one(
    receiver: Served, id_: object
) -> None:
    body = orjson.dumps({"type": "event_processing_request", "id": id_})
    one, other = [(await receiver.post(body)).json["id"] for _ in range(2)]
    assert len(one) == len(ID)
    assert one != other


@pytest.mark.parametrize("name", WITHOUT_A_BODY)
async def test_what_mparticle_expects_no_body_for_is_written_whatever_it_says(
    receiver: Served, cluster: KafkaSettings, name: str
) -> None:
    answer = await receiver.post(WITHOUT_A_BODY[name])
    assert (answer.status, answer.body) == (202, b"")
    assert [record.value for record in await raw(cluster)] == [WITHOUT_A_BODY[name]]


async def test_a_module_that_nobody_described_is_not_invented(cluster: KafkaSettings) -> None:
    async with served(cluster) as receiver:
        answer = await receiver.post(b'{"type": "module_registration_request"}')
    assert answer.status == 501
    assert b"set RECEIVER_REGISTRATION" in answer.body


async def test_one_users_messages_stand_in_one_partition_in_their_order(
    receiver: Served, cluster: KafkaSettings
) -> None:
    bodies = [
        orjson.dumps({"mpid": mpid, "events": [], "batch_id": number})
        for number in range(10)
        for mpid in (MPID, "17", 18)
    ]
    for body in bodies:
        await receiver.post(body)

    for mpid in (b"-7701122334455667788", b"17", b"18"):
        own = [record for record in await raw(cluster) if record.key == mpid]
        assert len({record.partition for record in own}) == 1
        assert [orjson.loads(record.value)["batch_id"] for record in own] == list(range(10))


async def test_what_has_no_key_is_spread(receiver: Served, cluster: KafkaSettings) -> None:
    for _ in range(4):
        await receiver.post(b"{}")
    found = await raw(cluster)
    assert sorted(record.partition for record in found) == [0, 0, 1, 1]
    assert {record.key for record in found} == {None}


# What is not taken.


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Token",
        "Token ",
        f"Token {TOKEN[:-1]}",
        f"Token {TOKEN}x",
        f"Bearer {TOKEN}",
        TOKEN,
    ],
)
async def test_another_token_is_asked_to_come_again_and_nothing_is_written(
    receiver: Served, cluster: KafkaSettings, authorization: str | None
) -> None:
    before = counted("unauthorized")
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await receiver.post(BATCH, headers)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert TOKEN.encode() not in answer.body
    assert counted("unauthorized") == before + 1
    assert await raw(cluster) == []


async def test_however_many_are_refused_the_log_says_so_once_a_minute(receiver: Served) -> None:
    with capture_logs() as lines:
        for _ in range(3):
            await receiver.post(BATCH, {"Authorization": "Token another-token-of-somebody"})
            await receiver.post(BATCH, path="/elsewhere")
    assert [line["reason"] for line in lines] == ["unauthorized", "elsewhere"]
    assert "another-token" not in str(lines)


async def test_two_tokens_are_taken_while_one_is_exchanged(cluster: KafkaSettings) -> None:
    async with served(cluster, token=f"{TOKEN}-1, {TOKEN}-2") as receiver:
        for given, status in ((f"{TOKEN}-1", 202), (f"{TOKEN}-2", 202), (TOKEN, 503)):
            assert (
                await receiver.post(BATCH, {"Authorization": f"Token {given}"})
            ).status == status


async def test_where_something_in_front_decides_no_token_is_asked_for(
    cluster: KafkaSettings,
) -> None:
    async with served(cluster, authentication="none", token=None) as receiver:
        assert (await receiver.post(BATCH, {})).status == 202


async def test_other_paths_and_methods_are_not_found(cluster: KafkaSettings) -> None:
    async with served(cluster, path="/mparticle/v1") as receiver:
        assert (await receiver.post(BATCH, path="/mparticle/v1")).status == 202
        assert (await receiver.post(BATCH, path="/")).status == 404
        assert (await receiver.post(BATCH, path="/mparticle/v1/")).status == 404


async def test_another_method_is_told_which_there_is(receiver: Served) -> None:
    async with aiohttp.ClientSession() as session, session.get(receiver.url) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_messages_that_come_together_go_to_kafka_in_one_request(
    receiver: Served, cluster: KafkaSettings
) -> None:
    producer: Any = receiver.writer.producer
    send, requests = producer.client.send, []

    async def counted(node: object, request: object) -> object:
        if isinstance(request, ProduceRequest):
            requests.append(request)
        return await send(node, request)

    producer.client.send = counted
    values = [b'{"mpid": "%d"}' % number for number in range(40)]
    room = MemoryBudget(2**30)

    async def write_all() -> None:
        await asyncio.gather(
            *(
                receiver.writer.write(b"%d" % n, each, Claim(room, 0))
                for n, each in enumerate(values)
            )
        )

    # A topic is so new that its leaders may not know of it yet, and are asked again.
    await write_all()
    requests.clear()
    await write_all()
    assert len(requests) == 1
    written = await raw(cluster)
    assert sorted(record.value for record in written) == sorted(2 * values)
    assert {record.partition for record in written} == {0, 1}


async def test_a_message_as_large_as_the_topic_takes_is_taken_and_one_byte_more_is_not(
    receiver: Served, cluster: KafkaSettings
) -> None:
    # With the longest key that an id of text makes.
    key = "\N{MATHEMATICAL DOUBLE-STRUCK DIGIT SEVEN}".encode() * LONGEST_ID
    head = b'{"mpid": "' + key + b'", "events": "'
    body = head + b"x" * (receiver.most - len(head) - 2) + b'"}'
    assert len(body) == receiver.most
    assert (await receiver.post(body)).status == 202
    assert (await receiver.post(body + b" ")).status == 413
    [record] = await raw(cluster)
    assert (record.value, record.key) == (body, key)


async def test_a_topic_that_takes_less_sets_the_limit(kafka: Kafka, prefix: str) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster, [RAW])
    await configure(cluster, RAW, {"max.message.bytes": "20000"})
    async with served(cluster) as receiver:
        assert receiver.most == 20_000 - FRAME_BYTES
        assert (await receiver.post(b" " * receiver.most)).status == 202
        assert (await receiver.post(b" " * (receiver.most + 1))).status == 413
        assert (await receiver.post(BATCH)).status == 202


async def test_a_limit_that_nobody_told_is_learned_from_the_refusal(
    kafka: Kafka, prefix: str
) -> None:
    """The topic has come to take less since; a receiver without rights knows as little."""
    cluster = settings(kafka, prefix)
    await create(cluster, [RAW])
    async with served(cluster) as receiver:
        await configure(cluster, RAW, {"max.message.bytes": "700000"})
        assert (await receiver.post(b" " * 800_000)).status == 413
        assert receiver.writer.most == 799_999
        # At once now, and never sent to Kafka.
        acknowledged = receiver.writer.acknowledged
        assert (await receiver.post(b" " * 900_000)).status == 413
        assert (await receiver.post(b" " * 600_000)).status == 202
        assert (await receiver.post(BATCH)).status == 202
        assert receiver.writer.acknowledged == acknowledged + 2
    assert len(await raw(cluster)) == 2


async def test_of_small_messages_each_is_tried_alone_before_it_is_called_too_large(
    kafka: Kafka, prefix: str
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster, [RAW])
    async with served(cluster) as receiver:
        await configure(cluster, RAW, {"max.message.bytes": "20000"})
        sizes = [9_000, 9_000, 9_000, 9_000, 30_000]
        bodies = [b'{"mpid": 1, "n": %d}' % n + b" " * size for n, size in enumerate(sizes)]
        told = dict[bytes, int]()
        while len(told) < len(bodies):
            left = [body for body in bodies if body not in told]
            answers = await asyncio.gather(*map(receiver.post, left))
            told |= {
                body: answer.status
                for body, answer in zip(left, answers, strict=True)
                if answer.status != 503
            }
        assert [told[body] for body in bodies] == [202, 202, 202, 202, 413]
        assert (await receiver.post(BATCH)).status == 202
    assert {record.value for record in await raw(cluster)} == {*bodies[:4], BATCH}


# Packed bodies.


def members(body: bytes) -> bytes:
    return b"".join(gzip.compress(body[at : at + 10]) for at in range(0, len(body), 10))


def bare(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKED = [
    ("gzip", gzip.compress),
    ("GZIP", gzip.compress),
    ("x-gzip", gzip.compress),
    ("gzip", members),
    ("gzip", lambda body: gzip.compress(body) + bytes(500)),
    ("deflate", zlib.compress),
    ("deflate", bare),
]


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
async def test_a_packed_body_is_written_unpacked(
    receiver: Served, cluster: KafkaSettings, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    answer = await receiver.post(pack(BATCH), {**AUTHORIZED, "Content-Encoding": encoding})
    assert answer.status == 202
    [record] = await raw(cluster)
    assert (record.value, record.key) == (BATCH, MPID.encode())


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"no gzip"),
        ("gzip", gzip.compress(BATCH, mtime=0) + b"and something else"),
        ("deflate", zlib.compress(BATCH) + b"and something else"),
        ("br", b"of another kind"),
        ("gzip, gzip", b"twice"),
    ],
)
async def test_what_cannot_be_unpacked_is_written_as_it_came(
    receiver: Served, cluster: KafkaSettings, encoding: str, body: bytes
) -> None:
    answer = await receiver.post(body, {**AUTHORIZED, "Content-Encoding": encoding})
    assert answer.status == 202
    assert [record.value for record in await raw(cluster)] == [body]


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
async def test_a_packed_body_that_ends_early_is_asked_for_again(
    receiver: Served, cluster: KafkaSettings, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    whole = pack(BATCH).rstrip(b"\0")
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        answer = await receiver.post(whole[:length], {**AUTHORIZED, "Content-Encoding": encoding})
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert await raw(cluster) == []


async def test_a_small_body_that_unpacks_to_more_than_the_topic_takes_is_refused(
    receiver: Served, cluster: KafkaSettings
) -> None:
    bomb = gzip.compress(bytes(200 * 1024 * 1024), 1)
    assert len(bomb) < receiver.most
    answer = await receiver.post(bomb, {**AUTHORIZED, "Content-Encoding": "gzip"})
    assert answer.status == 413
    assert await raw(cluster) == []


# Memory and slowness.


async def test_packed_posts_that_wait_for_kafka_hold_what_they_were_unpacked_to(
    cluster: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(cluster, max_in_flight_bytes=20 * 1024 * 1024) as receiver:
        acknowledged, write = asyncio.Event(), receiver.writer.write

        async def late(key: bytes | None, value: bytes, claim: Claim) -> None:
            await acknowledged.wait()
            await write(key, value, claim)

        monkeypatch.setattr(receiver.writer, "write", late)
        headers = {**AUTHORIZED, "Content-Encoding": "gzip"}
        posts = [
            asyncio.create_task(receiver.post(gzip.compress(BATCH), headers)) for _ in range(30)
        ]
        await until(lambda: held() == 30 * 64 * 1024)
        acknowledged.set()
        assert [(await post).status for post in posts] == [202] * 30
        assert held() == 0


async def test_slow_posts_never_hold_more_than_the_limit_and_the_others_are_told_to_wait(
    cluster: KafkaSettings,
) -> None:
    size, room = 5 * 1024 * 1024, 20 * 1024 * 1024
    async with served(cluster, max_in_flight_bytes=room) as receiver:
        posts = [await SlowPost.begin(receiver.port, size) for _ in range(12)]
        refused = [await post.answer() for post in posts[4:]]
        assert refused == [503] * 8
        assert held() == 4 * size
        # Small ones need room too.
        assert (await receiver.post(BATCH)).status == 503
        for post in posts[:4]:
            await post.end()
        assert [await post.answer() for post in posts[:4]] == [202] * 4
        assert (await receiver.post(BATCH)).status == 202
        assert held() == 0
    assert len(await raw(cluster)) == 5


async def test_a_body_of_unknown_length_is_counted_as_it_comes(cluster: KafkaSettings) -> None:
    part, before = bytes(4 * 1024 * 1024), counted("no_room")
    async with served(cluster, max_in_flight_bytes=20 * 1024 * 1024) as receiver:
        posts = [await SlowPost.begin(receiver.port, None) for _ in range(8)]
        await asyncio.gather(*(post.send_chunk(part) for post in posts))
        # Until only as many are left as there is room for.
        await until(lambda: counted("no_room") == before + 3)
        answers = await asyncio.gather(*(post.answered_or_end() for post in posts))
        assert sorted(answers) == [202] * 5 + [503] * 3
        assert held() == 0
    assert len(await raw(cluster)) == 5


async def test_a_body_that_does_not_arrive_in_time_is_asked_for_again(
    cluster: KafkaSettings,
) -> None:
    async with served(cluster, timeout_s=0.2) as receiver:
        post = await SlowPost.begin(receiver.port, 100)
        assert await post.answer() == 408
    assert await raw(cluster) == []


async def test_a_body_that_breaks_off_is_not_written(cluster: KafkaSettings) -> None:
    before = counted("cut_off")
    async with served(cluster) as receiver:
        post = await SlowPost.begin(receiver.port, 100)
        await post.break_off()
        await until(lambda: counted("cut_off") > before)
        assert held() == 0
    assert await raw(cluster) == []


async def test_whoever_goes_away_after_the_body_has_had_it_written(cluster: KafkaSettings) -> None:
    before = counted("accepted")
    async with served(cluster) as receiver:
        post = await SlowPost.begin(receiver.port, 10)
        await post.end()
        await post.break_off()
        await until(lambda: counted("accepted") > before)
    assert len(await raw(cluster)) == 1


async def test_a_mistake_of_ours_is_asked_for_again_and_counted(
    receiver: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = counted("fault")
    with monkeypatch.context() as patched:
        patched.setattr(messages, "look", lambda _message: 1 / 0)
        assert (await receiver.post(BATCH)).status == 500
    assert counted("fault") == before + 1
    assert held() == 0
    assert MPID not in caplog.text
    assert (await receiver.post(BATCH)).status == 202


async def test_a_batch_without_a_leader_is_never_given_up(receiver: Served) -> None:
    """Else what follows it in that partition would be refused: this is where aiokafka looks."""
    producer: Any = receiver.writer.producer
    accumulator = producer._message_accumulator
    builder = accumulator.create_builder()
    batch = accumulator._append_batch(builder, TopicPartition("mparticle-raw", 0))
    batch._ctime -= 365 * 24 * 3600
    assert not batch.expired()
    accumulator._batches.clear()
