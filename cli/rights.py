"""`rights`: what a component has to be granted at Kafka, and how that is granted."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal

import click
import orjson

from agents import rights
from cli import outputs
from streams.base_settings import SettingsError
from streams.kafka.rights import Right, Rights
from streams.settings import KafkaSettings

Format = Literal["kafka", "strimzi", "confluent", "msk-iam"]

_FLAGS = {"topic": "--topic", "group": "--group"}
_NONE = "\u2013"
# The actions of Amazon's that each operation takes, with those which they require.
_IAM: Mapping[tuple[str, str], Sequence[str]] = {
    ("topic", "Read"): ("DescribeTopic", "ReadData"),
    ("topic", "Write"): ("DescribeTopic", "WriteData"),
    ("topic", "Describe"): ("DescribeTopic",),
    ("group", "Read"): ("DescribeGroup", "AlterGroup"),
    ("group", "Describe"): ("DescribeGroup",),
}
_CLUSTER_ARN = re.compile(r"(arn:aws[\w-]*:kafka:[\w-]+:\d{12}):cluster/([^/\s]+/[^/\s]+)")


@click.command("rights", short_help="Print what a component must be granted at Kafka.")
@click.argument(
    "component", required=False, metavar="[COMPONENT]", type=click.Choice(rights.names())
)
@click.option(
    "--format",
    "how",
    default="kafka",
    show_default=True,
    type=click.Choice(["kafka", "strimzi", "confluent", "msk-iam"]),
    help="For kafka-acls.sh, for Strimzi's operator, for Confluent's command, or as a policy of "
    "Amazon's IAM for MSK.",
)
@click.option(
    "--user",
    help="Whom to grant it: a user, at Confluent a service account; by default "
    "KAFKA_SASL_USERNAME, or mparticle-streams-COMPONENT.",
)
@click.option(
    "--cluster",
    default="kafka",
    show_default=True,
    help="strimzi: the name of the Kafka resource; msk-iam: the cluster's ARN.",
)
def command(component: str | None, how: Format, user: str | None, cluster: str) -> None:
    """Prints the rights of a COMPONENT as what grants them; without one, the table of all.

    Asks Kafka nothing, and changes nothing.
    """
    if component is None:
        outputs.say(*table())
        return
    try:
        kafka = KafkaSettings.read()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    whom = user or kafka.sasl_username or f"mparticle-streams-{component}"
    needed = list(rights.of(component).on(kafka))
    match how:
        case "kafka":
            outputs.say(*_kafka(needed, whom, kafka.bootstrap_servers))
        case "strimzi":
            outputs.say(*_strimzi(needed, whom, cluster, logs_in=kafka.logs_in))
        case "confluent":
            outputs.say(*_confluent(needed, whom))
        case "msk-iam":
            outputs.say(*_msk_iam(needed, cluster))


def table() -> Iterator[str]:
    """The lines of a table in Markdown."""
    yield "| component | *Read* on topics | *Write* on topics | groups |"
    yield "|---|---|---|---|"
    for name, each in rights.components().items():
        cells = (
            _names(topic.name for topic in each.reads),
            _names(topic.name for topic in each.writes),
            _groups(each),
        )
        yield f"| `{name}` | {' | '.join(cells)} |"


def _groups(rights: Rights) -> str:
    kinds = {"*Read* on": rights.joins, "*Describe* on": rights.looks_at}
    said = (
        f"{how} {_names(f'mparticle-streams-{worker}' for worker in workers)}"
        for how, workers in kinds.items()
        if workers
    )
    return "; ".join(said) or _NONE


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or _NONE


def _kafka(rights: Sequence[Right], user: str, servers: str) -> Iterator[str]:
    """One call for each operation and kind: each starts a Java of its own."""
    head = ("kafka-acls.sh", "--bootstrap-server", servers, "--command-config", "admin.properties")
    for (operation, kind), granted in groupby(rights, lambda right: (right.operation, right.kind)):
        to_whom = ("--add", "--allow-principal", f"User:{user}", "--operation", operation)
        yield shlex.join(head) + " \\"
        yield f"    {shlex.join(to_whom)} \\"
        names = [shlex.join((_FLAGS[kind], right.name)) for right in granted]
        yield f"    {' '.join(names)}"


def _confluent(rights: Sequence[Right], account: str) -> Iterator[str]:
    flags = {"topic": "--topic", "group": "--consumer-group"}
    for (kind, name), operations in _by_resource(rights).items():
        said = ("--service-account", account, "--operations", ",".join(operations).lower())
        yield shlex.join(
            ("confluent", "kafka", "acl", "create", "--allow", *said, flags[kind], name)
        )


def _strimzi(rights: Sequence[Right], user: str, cluster: str, *, logs_in: bool) -> Iterator[str]:
    """A KafkaUser of Strimzi 0.49 and newer."""
    yield "apiVersion: kafka.strimzi.io/v1"
    yield "kind: KafkaUser"
    yield "metadata:"
    yield f"  name: {_text(user)}"
    yield "  labels:"
    yield f"    strimzi.io/cluster: {_text(cluster)}"
    yield "spec:"
    yield "  authentication:"
    yield f"    type: {'scram-sha-512' if logs_in else 'tls'}"
    yield "  authorization:"
    yield "    type: simple"
    yield "    acls:"
    for (kind, name), operations in _by_resource(rights).items():
        yield "      - resource:"
        yield f"          type: {kind}"
        yield f"          name: {_text(name)}"
        yield "          patternType: literal"
        yield f"        operations: [{', '.join(operations)}]"


def _msk_iam(rights: Iterable[Right], cluster: str) -> Sequence[str]:
    """A policy to attach to the role of whoever runs the component: it is the user."""
    named = _CLUSTER_ARN.fullmatch(cluster)
    if named is None:
        raise click.BadParameter(
            "give the cluster's ARN, arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID",
            param_hint="--cluster",
        )
    where, which = named.groups()
    # No right of Kafka's own: at Amazon nobody connects, or writes idempotently, without these.
    of_cluster = ["Connect"]
    resources: dict[tuple[str, ...], list[str]] = {}
    for (kind, name), operations in _by_resource(rights).items():
        actions = tuple(dict.fromkeys(each for one in operations for each in _IAM[kind, one]))
        resources.setdefault(actions, []).append(f"{where}:{kind}/{which}/{name}")
        if "WriteData" in actions and len(of_cluster) == 1:
            of_cluster.append("WriteDataIdempotently")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            _allowed(of_cluster, [cluster]),
            *(_allowed(actions, names) for actions, names in resources.items()),
        ],
    }
    return orjson.dumps(policy, option=orjson.OPT_INDENT_2).decode().splitlines()


def _allowed(actions: Iterable[str], resources: Sequence[str]) -> Mapping[str, object]:
    named = [f"kafka-cluster:{action}" for action in actions]
    return {"Effect": "Allow", "Action": named, "Resource": resources}


def _by_resource(rights: Iterable[Right]) -> Mapping[tuple[str, str], Sequence[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        found.setdefault((right.kind, right.name), []).append(right.operation)
    return found


def _text(value: str) -> str:
    """A string of YAML, of which JSON is a part."""
    return orjson.dumps(value).decode()
