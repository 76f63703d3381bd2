"""The engines under test: ours, and stock Faust, which fails."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from streams.settings import KafkaSettings
from streams.topics import EVENTS, Topic
from tests.kafka.leaks.program import Group, Program, started
from tests.streams.cluster import assigned

OURS = "tests.kafka.leaks.ours"
STOCK = "tests.kafka.leaks.stock"
GROUP = "leaks"


def leaks(why: str) -> Sequence[pytest.MarkDecorator]:
    """Of stock Faust: proved by `make test-long`, since it changes only with its version."""
    return pytest.mark.long, pytest.mark.xfail(strict=True, raises=AssertionError, reason=why)


def both(why: str) -> pytest.MarkDecorator:
    """Ours, and stock Faust, of which the failure is expected."""
    runs = [pytest.param(OURS, id="ours"), pytest.param(STOCK, marks=leaks(why), id="stock")]
    return pytest.mark.parametrize("engine", runs)


@asynccontextmanager
async def running(
    engine: str,
    cluster: KafkaSettings,
    directory: Path,
    *,
    group: str = GROUP,
    topic: Topic = EVENTS,
    **given: str,
) -> AsyncIterator[tuple[Program, Group]]:
    at = TopicPartition(cluster.topic(topic.name), 0)
    async with assigned(cluster, cluster.group(group), [at]) as consumer:
        with started(engine, cluster, directory, **given) as program:
            yield program, Group(consumer, at)
