"""Each component runs with exactly the rights of the table, and names the one that it lacks."""

import asyncio

import pytest

from streams.engine.start import StartError, prepare
from streams.rights import RIGHTS, Right
from streams.settings import KafkaSettings
from tests.kafka.acls import grant, withdraw
from tests.kafka.secured import USER, Secured
from tests.streams.cluster import create, settings

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("heavy")]

WORKERS = ("router", "sailthru", "ab-tasty")


async def seen(broker: Secured, worker: str, kafka: KafkaSettings, without: Right | None) -> str:
    """What the worker says at its start, asked until the broker knows its own lists."""
    said = ""
    for _ in range(200):
        try:
            await prepare(kafka, kafka.group(worker), RIGHTS[worker].reads[:1], component=worker)
        except StartError as error:
            said = str(error)
        else:
            said = ""
        if (str(without) in said) if without else not said:
            return said
        await asyncio.sleep(0.02)
    return said


@pytest.mark.parametrize("worker", WORKERS)
async def test_a_worker_starts_with_exactly_its_rights_and_names_each_that_it_lacks(
    broker: Secured, prefix: str, worker: str
) -> None:
    await create(settings(broker.broker, prefix))
    kafka = broker.settings("SECURED", prefix=prefix)
    rights = list(RIGHTS[worker].on(kafka))
    await grant(broker, USER, rights)
    assert await seen(broker, worker, kafka, None) == ""

    for right in rights:
        await withdraw(broker, USER, [right])
        said = await seen(broker, worker, kafka, right)
        assert said == (
            f"Kafka grants this user too little: have it granted {right} "
            f"(mparticle-streams rights {worker} prints how)."
        )
        await grant(broker, USER, [right])
