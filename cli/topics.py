"""`topics`: what creates the topics, within what each kind of Kafka allows."""

import shlex
from collections.abc import Iterable, Iterator

import click
import orjson

from agents.registry import all_topics
from cli import outputs
from streams.base_settings import SettingsError
from streams.kafka.topic_plan import LIMITS, Planned, Service, plan
from streams.settings import KafkaSettings

_some = click.IntRange(min=1)


@click.command("topics", short_help="Print what creates the topics.")
@click.option(
    "--format",
    "service",
    default="kafka",
    show_default=True,
    type=click.Choice(list(LIMITS)),
    help="For kafka-topics.sh, Strimzi's operator, Confluent's command, or kafka-topics.sh at MSK "
    "Serverless.",
)
@click.option(
    "--partitions",
    default=12,
    show_default=True,
    type=_some,
    help="Of each topic; rate-limits has one.",
)
@click.option("--replicas", default=3, show_default=True, type=_some, help="Where they are to set.")
@click.option(
    "--retention-days",
    default=7,
    show_default=True,
    type=_some,
    help="How long records are kept that are not compacted, personal data among them.",
)
@click.option(
    "--cluster", default="kafka", show_default=True, help="strimzi: the name of the Kafka resource."
)
def command(
    service: Service, partitions: int, replicas: int, retention_days: int, cluster: str
) -> None:
    """Prints what creates all topics, with KAFKA_PREFIX in front.

    Asks Kafka nothing, and changes nothing.
    """
    try:
        kafka = KafkaSettings.read()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    planned = plan(
        service,
        all_topics(),
        partitions=partitions,
        replicas=replicas,
        retention_days=retention_days,
    )
    match service:
        case "strimzi":
            outputs.say(*_strimzi(planned, kafka, cluster))
        case "confluent":
            outputs.say(*_confluent(planned, kafka))
        case "kafka" | "msk-serverless":
            outputs.say(*_kafka(planned, kafka))


def _kafka(planned: Iterable[Planned], kafka: KafkaSettings) -> Iterator[str]:
    tool = ("kafka-topics.sh", "--bootstrap-server", kafka.bootstrap_servers)
    for each in planned:
        yield f"{shlex.join((*tool, '--command-config', 'admin.properties'))} \\"
        counts = ["--partitions", str(each.partitions)]
        if each.replicas is not None:
            counts += ["--replication-factor", str(each.replicas)]
        name = kafka.topic(each.topic.name)
        yield f"    {shlex.join(('--create', '--topic', name, *counts))} \\"
        settings = (f"--config {shlex.quote(f'{n}={v}')}" for n, v in each.settings.items())
        yield f"    {' '.join(settings)}"


def _confluent(planned: Iterable[Planned], kafka: KafkaSettings) -> Iterator[str]:
    for each in planned:
        settings = ",".join(f"{name}={value}" for name, value in each.settings.items())
        counts = ("--partitions", str(each.partitions), "--config", settings)
        name = kafka.topic(each.topic.name)
        yield shlex.join(("confluent", "kafka", "topic", "create", name, *counts))


def _strimzi(planned: Iterable[Planned], kafka: KafkaSettings, cluster: str) -> Iterator[str]:
    """KafkaTopics of Strimzi 0.49 and newer."""
    for each in planned:
        name = kafka.topic(each.topic.name)
        yield "---"
        yield "apiVersion: kafka.strimzi.io/v1"
        yield "kind: KafkaTopic"
        yield "metadata:"
        # Names of resources are narrower than those of topics.
        yield f"  name: {_text(name.lower().replace('_', '-').strip('.-'))}"
        yield "  labels:"
        yield f"    strimzi.io/cluster: {_text(cluster)}"
        yield "spec:"
        yield f"  topicName: {_text(name)}"
        yield f"  partitions: {each.partitions}"
        yield f"  replicas: {each.replicas}"
        yield "  config:"
        for setting, value in each.settings.items():
            yield f"    {setting}: {value if value.isdigit() else _text(value)}"


def _text(value: str) -> str:
    """A string of YAML, of which JSON is a part."""
    return orjson.dumps(value).decode()
