"""What ours and stock Faust do with a record: what its name says, and then a line in a journal.

Both run this very code, each in a process of its own, so that what differs is the engine.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import faust

from streams.settings import KafkaSettings
from streams.topics import EVENTS
from tests.kafka.leaks import faults

KAFKA = KafkaSettings.load()
NAME = "leaks"
GROUP = KAFKA.group(NAME)
TOPIC = KAFKA.topic(EVENTS.name)

_LOOK_SECONDS = 0.25

Task: TypeAlias = tuple[str, int]
"""A record's name, which says what becomes of it, and its offset."""


class NotNowError(Exception):
    """Not done, and to be tried again later."""


def tell(*words: object) -> None:
    with Path(os.environ["JOURNAL"]).open("a", encoding="utf-8") as journal:
        journal.write(" ".join(map(str, words)) + "\n")


async def do(app: faust.App, *tasks: Task) -> None:
    """All or none."""
    for fate, _ in tasks:
        await _meet(app, fate)
    for _, offset in tasks:
        tell("did", offset)


async def _meet(app: faust.App, fate: str) -> None:
    if fate != "passes":
        tell(fate)
    match fate:
        case "breaks":
            raise ZeroDivisionError
        case "fails":
            raise NotNowError
        case "hangs":
            await asyncio.Event().wait()
        case "takes half an hour":
            await faults.let_half_an_hour_pass(app)
            tell("half an hour later")
        case "is expelled":
            await faults.expel(app)
            tell("expelled")


def attend(app: faust.App, committed: Callable[[], Iterable[int]]) -> None:
    """Has the worker tell what it takes for committed, and whether it is a member.

    `committed` is asked for its sources before each commit, and they are read after it.
    """

    async def watch() -> None:
        _tell_of_commits(app.consumer, committed)
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            tell("member" if faults.is_member(app) else "outsider")

    async def idle() -> None:
        await faults.until(lambda: faults.is_member(app))
        await faults.let_half_an_hour_pass(app)
        tell("half an hour later")

    app.task(watch)
    if "IDLES" in os.environ:
        app.task(idle)


def _tell_of_commits(consumer: Any, committed: Callable[[], Iterable[int]]) -> None:
    commit = consumer.commit

    async def told(*args: Any, **kwargs: Any) -> bool:
        believed = committed()
        done: bool = await commit(*args, **kwargs)
        tell("believes", max(believed, default=0))
        return done

    consumer.commit = told
