"""Each component runs with exactly the rights of the table, and names the one that it lacks."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from agents import rights as components
from cli.demo.compare import differences
from cli.demo.lag import Lag
from cli.demo.publish import publish
from cli.demo.run import READS
from cli.demo.world import WORKERS, WorkerProcess, worker_environment
from sandbox.ab_tasty import AbTasty
from sandbox.mparticle import Message, duration_ms, generate, post
from sandbox.ports import free_ports
from sandbox.sailthru import Options, Sailthru
from sandbox.server import running
from streams.engine.startup import StartError, prepare
from streams.kafka.rights import Right
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.agents.receiver.served import TOKEN
from tests.cli.command import run
from tests.kafka.acls import grant, withdraw
from tests.kafka.log import everything
from tests.kafka.receivers import running as receiving
from tests.kafka.secured import USER, Secured, settings_of
from tests.streams.cluster import create, settings

pytestmark = pytest.mark.kafka


async def said_at_start(worker: str, kafka: KafkaSettings) -> str:
    """What keeps the worker from starting; nothing where it would start."""
    try:
        needed = components.of(worker)
        await prepare(kafka, kafka.group(worker), needed.reads[:1], needed=needed, component=worker)
    except StartError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("worker", WORKERS)
async def test_a_worker_starts_with_exactly_its_rights_and_names_each_that_it_lacks(
    broker: Secured, prefix: str, worker: str
) -> None:
    await create(settings(broker.broker, prefix))
    kafka = broker.settings("SECURED", prefix=prefix)
    rights = list(components.of(worker).on(kafka))
    await grant(broker, USER, rights)
    assert await said_at_start(worker, kafka) == ""

    for right in rights:
        await withdraw(broker, USER, [right])
        said = await said_at_start(worker, kafka)
        assert said == (
            f"Kafka grants this user too little: have it granted {right} "
            f"(mparticle-streams rights {worker} prints how)."
        )
        await grant(broker, USER, [right])


COMMANDS: Mapping[str, Sequence[str]] = {
    "receiver": ("receiver",),
    "trace": ("trace", "--raw", "0/0"),
    "dead-letters": ("dead-letters", "list"),
    "redrive": ("dead-letters", "redrive", "--since", "1h", "--execute"),
    "replay-router": ("replay", "router", "--to", "earliest", "--execute"),
    "replay-sailthru": ("replay", "sailthru", "--to", "earliest", "--execute"),
    "replay-ab-tasty": ("replay", "ab-tasty", "--to", "earliest", "--execute"),
    "leave-router": ("leave", "router"),
    "leave-sailthru": ("leave", "sailthru"),
    "leave-ab-tasty": ("leave", "ab-tasty"),
    "fill": ("fill", "sailthru", "--execute"),
}


async def test_each_component_does_its_work_as_a_user_with_exactly_its_rights(
    broker: Secured, prefix: str, tmp_path: Path
) -> None:
    plain = settings(broker.broker, prefix)
    await create(plain)
    for component, rights in components.components().items():
        await grant(broker, component, rights.on(plain))
    start_ms = int(time.time() * 1000) - duration_ms(300)
    traffic = generate(seed=16, users=30, messages=300, start_ms=start_ms)
    sailthru, ab_tasty = Sailthru(Options(factor=50.0)), AbTasty()
    async with (
        running(sailthru.app()) as sailthru_url,
        running(ab_tasty.app()) as ab_tasty_url,
        Lag.open(plain) as lag,
    ):
        where = {
            component: {
                **worker_environment("", port, sailthru=sailthru_url, ab_tasty=ab_tasty_url),
                **settings_of(broker, prefix, component, tmp_path),
            }
            for component, port in zip(components.components(), free_ports(), strict=False)
        }
        workers = {
            name: WorkerProcess(name, tmp_path / f"{name}.log", where[name]) for name in WORKERS
        }
        try:
            await publish(plain, traffic)
            async with asyncio.timeout(120):
                for name, worker in workers.items():
                    while not (progress := await lag.of(name, READS[name])).done or (
                        not progress.there
                    ):
                        assert worker.code is None, (tmp_path / f"{name}.log").read_text()[-3000:]
                        await asyncio.sleep(0.04)
            assert differences(traffic.ledger, sailthru.state(), ab_tasty.state()) == []
        finally:
            stopped = await asyncio.gather(*(worker.stop() for worker in workers.values()))
        assert stopped == [0, 0, 0]

        for component, words in COMMANDS.items():
            if component == "receiver":
                continue  # it stays, and has a test of its own
            said = await asyncio.to_thread(run, *words, settings=where[component])
            assert said.returncode == 0, (component, said)


# What to give each to be refused: alone, it only looks.
REFUSED = {
    component: (*words, "router-7") if words[0] == "leave" else words
    for component, words in COMMANDS.items()
}


def lacked(component: str, kafka: KafkaSettings) -> list[Right]:
    """Of each kind and operation that a component needs, the first."""
    kinds: dict[tuple[str, str], Right] = {}
    for right in components.of(component).on(kafka):
        kinds.setdefault((right.kind, right.operation), right)
    return list(kinds.values())


async def refuses(
    broker: Secured, user: str, words: Sequence[str], where: Mapping[str, str], right: Right
) -> str:
    """What a command that does not succeed says without a right."""
    await withdraw(broker, user, [right])
    done = await asyncio.to_thread(run, *words, settings=where)
    await grant(broker, user, [right])
    assert done.returncode == 1
    return (done.stdout + done.stderr).strip()


async def each_refuses(
    broker: Secured, prefix: str, component: str, directory: Path, which: Iterable[Right]
) -> None:
    """Each is named when it lacks, and nothing else is said."""
    plain = settings(broker.broker, prefix)
    await create(plain)
    user = f"{prefix}{component}"
    await grant(broker, user, components.of(component).on(plain))
    where = {
        **worker_environment("", 0, sailthru="http://127.0.0.1:1", ab_tasty="http://127.0.0.1:1"),
        **settings_of(broker, prefix, user, directory),
        "RECEIVER_TOKEN": TOKEN,
    }
    del where["WORKER_PORT"]
    for right in which:
        said = await refuses(broker, user, REFUSED[component], where, right)
        assert said.removeprefix("Error: ").removeprefix("receiver does not start. ") == (
            f"Kafka grants this user too little: have it granted {right} "
            f"(mparticle-streams rights {component} prints how)."
        )


@pytest.mark.parametrize("component", REFUSED)
@pytest.mark.parametrize(
    "every", [False, pytest.param(True, marks=pytest.mark.long)], ids=["of each kind", "each"]
)
async def test_a_command_names_a_right_that_it_lacks_before_it_does_anything(
    broker: Secured, prefix: str, tmp_path: Path, component: str, every: bool
) -> None:
    kafka = settings(broker.broker, prefix)
    which = components.of(component).on(kafka) if every else lacked(component, kafka)
    await each_refuses(broker, prefix, component, tmp_path, which)


async def test_check_names_what_its_user_is_not_granted(
    broker: Secured, prefix: str, tmp_path: Path
) -> None:
    plain = settings(broker.broker, prefix)
    await create(plain)
    lacks = Right("Write", "topic", plain.topic("ab-tasty-members"))
    for worker in ("router", "ab-tasty"):
        await grant(
            broker, prefix, [each for each in components.of(worker).on(plain) if each != lacks]
        )
    where = {
        **worker_environment("", 0, sailthru="http://127.0.0.1:1", ab_tasty="http://127.0.0.1:1"),
        **settings_of(broker, prefix, prefix, tmp_path),
    }
    del where["WORKER_PORT"]
    said = await asyncio.to_thread(run, "check", "--destination", "ab-tasty", settings=where)
    assert said.returncode == 1
    [wrong] = [line for line in said.stdout.splitlines() if line.startswith("WRONG")]
    assert wrong == (
        f"WRONG  worker ab-tasty: Kafka grants this user too little: have it granted {lacks} "
        "(mparticle-streams rights ab-tasty prints how)."
    )


async def test_the_receiver_takes_posts_as_a_user_who_may_write_raw_messages_alone(
    broker: Secured, prefix: str, tmp_path: Path
) -> None:
    plain = settings(broker.broker, prefix)
    await create(plain, [RAW])
    await grant(broker, f"{prefix}receiver", components.of("receiver").on(plain))
    where = settings_of(broker, prefix, f"{prefix}receiver", tmp_path)
    with receiving(plain, tmp_path / "log", **where) as receiver:
        taken = await post(receiver.url, [Message(None, b'{"mpid": "17"}')], token=TOKEN)
        assert taken.accepted == 1
        assert await receiver.stop() == 0
    assert [record.value for record in await everything(plain, RAW)] == [b'{"mpid": "17"}']


async def test_a_receiver_from_which_its_right_is_taken_names_it_and_goes_on_with_it(
    broker: Secured, prefix: str, tmp_path: Path
) -> None:
    plain = settings(broker.broker, prefix)
    await create(plain, [RAW])
    [right] = components.of("receiver").on(plain)
    user = f"{prefix}receiver"
    await grant(broker, user, [right])
    where = settings_of(broker, prefix, user, tmp_path)
    with receiving(plain, tmp_path / "log", **where) as receiver:

        async def posted(number: int, patience_s: float = 60) -> int:
            message = Message(None, b'{"mpid": "%d"}' % number)
            answered = await post(receiver.url, [message], token=TOKEN, patience_s=patience_s)
            return answered.accepted

        assert await posted(0) == 1
        await withdraw(broker, user, [right])
        names_it = f"have its user granted {right}".encode()
        async with asyncio.timeout(60):
            # Until the broker knows its own lists, and has answered: a post may give up before.
            while (
                await posted(1, patience_s=0)
                or names_it not in (ready := await receiver.page("ready"))[1]
            ):
                pass
        await grant(broker, user, [right])
        assert await posted(2) == 1
        assert await receiver.stop() == 0
    assert ready[0] == 503
    found = {record.value for record in await everything(plain, RAW)}
    assert {b'{"mpid": "0"}', b'{"mpid": "2"}'} <= found
