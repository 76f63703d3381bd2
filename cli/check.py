"""`check`: whether a worker would start, and with --live whether the service would let it in."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import click
from aiokafka.errors import KafkaError

from agents import registry, rights
from agents.registry import Finding
from agents.router.settings import RouterSettings
from cli import outputs
from cli.progress import standing
from cli.settings import groups as all_groups
from streams.base_settings import Settings, SettingsError
from streams.engine.startup import StartError, prepare
from streams.kafka import clients, record_limits, topic_settings
from streams.kafka.granted_rights import Granted, look
from streams.kafka.topic_settings import TopicSettings
from streams.settings import KafkaSettings, WorkerSettings
from streams.terminal import escaped
from streams.topics import RAW, Topic
from streams.unknown_settings import unknown

_KAFKA_SECONDS = 8.0
_MARKS = {"ok": "ok   ", "open": "?    ", "wrong": "WRONG"}


@click.command("check", short_help="Check settings, Kafka and credentials.")
@click.option(
    "--destination",
    "names",
    multiple=True,
    type=click.Choice(list(registry.destinations())),
    help="Only this destination, and not all of them; may be given more than once.",
)
@click.option(
    "--live", is_flag=True, help="Also try the credentials at the service; changes nothing there."
)
def command(names: Sequence[str], live: bool) -> None:
    """Checks what the workers need, a line each, and changes nothing.

    Exits with 1 when something is wrong, having said what to set; a question mark is what cannot
    be proved from here.
    """
    _show_client()
    wrong = asyncio.run(_show(check(names or list(registry.destinations()), live=live)))
    sys.exit(1 if wrong else 0)


class _Once(logging.Filter):
    """A client that tries again says so each time."""

    def __init__(self) -> None:
        super().__init__()
        self._said = set[str]()

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        is_new = said not in self._said
        self._said.add(said)
        return is_new


class _OnOneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"aiokafka: {escaped(record.getMessage())}"


def _show_client() -> None:
    """Has the client's own words beside our sentences: a reason that we do not know is in them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Once())
    handler.setFormatter(_OnOneLine())
    client = logging.getLogger("aiokafka")
    client.handlers, client.propagate = [handler], False
    client.setLevel(logging.WARNING)


async def _show(findings: AsyncIterator[Finding]) -> bool:
    wrong = False
    async for how, said in findings:
        outputs.say(f"{_MARKS[how]}  {said}")
        wrong |= how == "wrong"
    return wrong


async def check(names: Sequence[str], *, live: bool) -> AsyncIterator[Finding]:
    """Settings first; Kafka and the services only where their settings are right."""
    loaded: dict[type[Settings], Settings] = {}
    groups = [registry.destinations()[name].settings for name in names]
    for finding in _settings((KafkaSettings, WorkerSettings, RouterSettings, *groups), loaded):
        yield finding
    kafka = loaded.get(KafkaSettings)
    if isinstance(kafka, KafkaSettings):
        async for finding in _kafka(names, kafka, _reads(names, loaded), _remembers(loaded)):
            yield finding
    for name, group in zip(names, groups, strict=True) if live else ():
        if group in loaded:
            async for finding in _live(name, loaded[group]):
                yield finding


def _remembers(loaded: Mapping[type[Settings], Settings]) -> int:
    """Returns how many records a worker may know; the default where its settings are not right."""
    worker = loaded.get(WorkerSettings)
    if isinstance(worker, WorkerSettings):
        return worker.dedup_max_ids
    return int(WorkerSettings.model_fields["dedup_max_ids"].default)


def _load(group: type[Settings], loaded: Mapping[type[Settings], Settings]) -> Settings:
    kafka = loaded.get(KafkaSettings)
    if group is WorkerSettings and isinstance(kafka, KafkaSettings):
        return WorkerSettings.load_beside(kafka)
    return group.load()


def _settings(
    groups: Iterable[type[Settings]], loaded: dict[type[Settings], Settings]
) -> Iterator[Finding]:
    for group in groups:
        prefix = group.model_config.get("env_prefix", "")
        try:
            loaded[group] = _load(group, loaded)
        except SettingsError as error:
            yield Finding("wrong", f"settings {prefix}…: {error}")
        else:
            yield Finding("ok", f"settings {prefix}… are right.")
    for each in unknown(os.environ, all_groups()):
        yield Finding("open", f"{each.name} is no setting: {each.what_to_do}.")


def _reads(
    names: Iterable[str], loaded: Mapping[type[Settings], Settings]
) -> Mapping[str, tuple[Topic, ...]]:
    """The topics of each worker whose settings are right."""
    every = registry.destinations()
    right = (every[name] for name in names if every[name].settings in loaded)
    return {"router": (RAW,), **{each.name: each.topics for each in right}}


async def _kafka(
    names: Iterable[str],
    kafka: KafkaSettings,
    reads: Mapping[str, tuple[Topic, ...]],
    dedup_max_ids: int,
) -> AsyncIterator[Finding]:
    needed = _needed(names)
    try:
        async with clients.answering(kafka, _KAFKA_SECONDS), clients.admin(kafka) as admin:
            found = await look(admin, [kafka.topic(topic.name) for topic in needed])
            as_set = await topic_settings.look(
                admin,
                kafka,
                [topic for topic in needed if kafka.topic(topic.name) in found.partitions],
            )
    except clients.UnansweredError as error:
        yield Finding("wrong", str(error))
        return
    yield Finding("ok", f"Kafka answers at {kafka.bootstrap_servers}.")
    for finding in (*_there(kafka, needed, found), *_doubts(as_set)):
        yield finding
    if all(kafka.topic(topic.name) in found.partitions for topic in needed):
        async for finding in _with_all_topics(names, kafka, reads, dedup_max_ids):
            yield finding


async def _with_all_topics(
    names: Iterable[str],
    kafka: KafkaSettings,
    reads: Mapping[str, tuple[Topic, ...]],
    dedup_max_ids: int,
) -> AsyncIterator[Finding]:
    async for finding in _limits(kafka):
        yield finding
    may_start: dict[str, tuple[Topic, ...]] = {}
    async for name, finding in _workers(kafka, reads):
        yield finding
        if finding.how == "ok":
            may_start[name] = reads[name]
    async for finding in standing(kafka, may_start, dedup_max_ids):
        yield finding
    for name in names:
        async for finding in _kept(name, kafka):
            yield finding


def _there(kafka: KafkaSettings, needed: Iterable[Topic], found: Granted) -> Iterator[Finding]:
    for name in (kafka.topic(topic.name) for topic in needed):
        if name in found.partitions:
            count = found.partitions[name]
            yield Finding("ok", f"topic {name} has {count} partition{'s' * (count != 1)}.")
        elif name in found.hidden:
            yield Finding(
                "wrong",
                f"topic {name} is missing, or this user may not ask about it: have it granted as "
                "mparticle-streams rights prints.",
            )
        else:
            yield _missing(kafka, name)


def _needed(names: Iterable[str]) -> Sequence[Topic]:
    """Returns what the router and these destinations have to do with, in the order of the data."""
    needed = {topic for name in ("router", *names) for topic in rights.of(name).topics}
    return [topic for topic in registry.all_topics() if topic in needed]


def _doubts(topics: Iterable[TopicSettings]) -> Iterator[Finding]:
    """Yields what the topics' settings lose or keep too long, a line for all of a kind."""
    names: dict[str, list[str]] = {}
    for topic in topics:
        for doubt in topic.doubts():
            names.setdefault(doubt, []).append(topic.name)
    for doubt, of_topics in names.items():
        yield Finding("open", f"topics {', '.join(of_topics)}: {doubt}.")


def _missing(kafka: KafkaSettings, name: str) -> Finding:
    if kafka.create_topics:
        return Finding("ok", f"topic {name} will be created (KAFKA_CREATE_TOPICS).")
    return Finding("wrong", f"topic {name} is missing: create it, or set KAFKA_CREATE_TOPICS=true.")


async def _limits(kafka: KafkaSettings) -> AsyncIterator[Finding]:
    limits = await record_limits.ask(kafka)
    for name in record_limits.smaller_than_raw(limits):
        most, of_raw = limits[name], limits[RAW.name]
        yield Finding(
            "open",
            f"topic {kafka.topic(name)} takes {most} bytes, {kafka.topic(RAW.name)} {of_raw}: "
            f"{record_limits.SMALL}.",
        )


async def _workers(
    kafka: KafkaSettings, reads: Mapping[str, tuple[Topic, ...]]
) -> AsyncIterator[tuple[str, Finding]]:
    """Yields what each worker checks itself when it starts."""
    for name, of_worker in reads.items():
        try:
            needed = rights.of(name)
            await prepare(
                kafka, kafka.group(name), of_worker, needed=needed, component=name, begin=False
            )
        except StartError as error:
            yield name, Finding("wrong", f"worker {name}: {error}")
        else:
            yield name, Finding("ok", f"worker {name} may start.")


async def _kept(name: str, kafka: KafkaSettings) -> AsyncIterator[Finding]:
    conflicts = registry.conflict_check(name)
    try:
        async with asyncio.timeout(_KAFKA_SECONDS):
            findings = [each async for each in conflicts(kafka)] if conflicts else []
    except (TimeoutError, KafkaError) as error:
        yield Finding("open", f"{name}: its topics cannot be read ({type(error).__name__}).")
        return
    for how, said in findings:
        yield Finding(how, f"{name}: {said}")


async def _live(name: str, settings: Any) -> AsyncIterator[Finding]:
    live = registry.live_check(name)
    if live is None:
        yield Finding("open", f"{name}: there is no harmless call to try.")
        return
    async for how, said in live(settings):
        yield Finding(how, f"{name}: {said}")
