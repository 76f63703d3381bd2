"""Each command in docs/operations.md does what it is shown for, on a Kafka with something in it."""

import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.dead_letter import DeadLetter
from sandbox.kafka import Kafka
from streams.dead_letters.writer import DeadLetters, preserve
from streams.settings import KafkaSettings
from streams.topics import BY_USER, DEAD_LETTERS, EVENTS, RAW
from tests.cli.command import run_on
from tests.cli.messages import custom_event, event_batch
from tests.streams.cluster import commit, create, producing, settings, write

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
MPID = "17"
# What the documents invent, and what stands for it here.
STANDS_FOR = {"3/1041": "0/0", "2/17345": "0/0", "4711": MPID}
EVENT = b'{"any": "event"}'
# What a group without members can only answer.
ENDS_WITH = {
    "leave sailthru mparticle-streams-sailthru-3": (
        1,
        "mparticle-streams-sailthru-3 is not in the group",
    )
}


def commands() -> Iterator[str]:
    for block in BLOCK.findall(OPERATIONS.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip().startswith("mparticle-streams "):
                yield line.strip().removeprefix("mparticle-streams ")


async def fill(to: KafkaSettings) -> None:
    """A message, an event, and a dead letter of that event, of one user, and where a group is."""
    await create(to)
    await write(to, RAW, event_batch(custom_event("Wish"), mpid=MPID))
    await write(to, EVENTS, EVENT)
    now_ms = int(time.time() * 1000)
    letter = DeadLetter(
        stage="sink",
        destination="sailthru",
        reason="refused",
        detail="error 11",
        topic=to.topic(EVENTS.name),
        partition=0,
        offset=0,
        record_id=None,
        first_at_ms=now_ms,
        last_at_ms=now_ms,
        key=MPID.encode(),
        **preserve(EVENT),
    )
    async with producing(to) as producer:
        await DeadLetters(producer, to.topic(DEAD_LETTERS.name)).write([letter])
    offsets = {(to.topic(topic.name), 0): (1 if topic is EVENTS else 0, "") for topic in BY_USER}
    await commit(to, to.group("sailthru"), offsets)


@pytest.mark.kafka
async def test_each_command_of_the_operators_page_runs(kafka: Kafka, prefix: str) -> None:
    to = settings(kafka, prefix, partitions=1)
    await fill(to)
    shown = list(commands())
    assert len(shown) >= 15
    for command in shown:
        words = [STANDS_FOR.get(word, word) for word in shlex.split(command)]
        said = await run_on(to, *words)
        code, ends_with = ENDS_WITH.get(command, (0, ""))
        assert said.returncode == code, f"{command}: {said.stdout}{said.stderr}"
        assert said.stdout.strip(), command
        assert ends_with in said.stdout
