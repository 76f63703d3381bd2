"""`rights`: what is printed grants what the table has, in each form."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
import yaml

from agents import rights as components
from streams.settings import KafkaSettings
from tests.cli.messages import invoke

SECURITY = (Path(__file__).parents[2] / "SECURITY.md").read_text()
SETTINGS = {"KAFKA_PREFIX": "shop-", "KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9093"}


def wanted(component: str) -> set[tuple[str, str, str]]:
    rights = components.of(component)
    return {
        (right.kind, right.name, right.operation)
        for right in rights.on(KafkaSettings(prefix="shop-"))
    }


def printed(*arguments: str) -> str:
    shown = invoke("rights", *arguments, settings=SETTINGS)
    assert shown.exit_code == 0
    return shown.output


@pytest.mark.parametrize("component", components.names())
def test_what_is_printed_for_kafkas_own_tool_grants_it(component: str) -> None:
    found = set()
    for line in printed(component, "--user", "streams").replace("\\\n", "").splitlines():
        tool, *words = shlex.split(line)
        given = list(pairwise(words))
        assert tool == "kafka-acls.sh"
        assert ("--bootstrap-server", "kafka.example:9093") in given
        assert ("--allow-principal", "User:streams") in given
        [operation] = [value for flag, value in given if flag == "--operation"]
        for flag, value in given:
            if flag in {"--topic", "--group"}:
                found.add((flag.removeprefix("--"), value, operation))
    assert found == wanted(component)


@pytest.mark.parametrize("component", components.names())
def test_what_is_printed_for_strimzi_grants_it(component: str) -> None:
    user = yaml.safe_load(printed(component, "--format", "strimzi", "--cluster", "main"))
    assert user["metadata"] == {
        "name": f"mparticle-streams-{component}",
        "labels": {"strimzi.io/cluster": "main"},
    }
    assert {
        (acl["resource"]["type"], acl["resource"]["name"], operation)
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    } == wanted(component)


@pytest.mark.parametrize("component", components.names())
def test_what_is_printed_for_confluent_grants_it(component: str) -> None:
    form = re.compile(
        r"confluent kafka acl create --allow --service-account sa-1 "
        r"--operations ([a-z,]+) --(topic|consumer-group) (\S+)"
    )
    found = set()
    for line in printed(component, "--format", "confluent", "--user", "sa-1").splitlines():
        match = form.fullmatch(line)
        assert match, line
        kind = {"topic": "topic", "consumer-group": "group"}[match[2]]
        found |= {(kind, match[3], each.capitalize()) for each in match[1].split(",")}
    assert found == wanted(component)


ARN = "arn:aws:kafka:eu-west-1:111122223333:cluster/shop/0a1b2c3d-0000-4000-8000-1234567890ab-2"
IN_CLUSTER = re.compile(
    r"arn:aws:kafka:eu-west-1:111122223333:(topic|group)/shop/"
    r"0a1b2c3d-0000-4000-8000-1234567890ab-2/([^/*]+)"
)
ACTIONS = {
    ("topic", "Read"): {"DescribeTopic", "ReadData"},
    ("topic", "Write"): {"DescribeTopic", "WriteData"},
    ("group", "Read"): {"DescribeGroup", "AlterGroup"},
    ("group", "Describe"): {"DescribeGroup"},
}


@pytest.mark.parametrize("component", components.names())
def test_what_is_printed_for_amazons_iam_grants_it_and_no_more(component: str) -> None:
    policy = orjson.loads(printed(component, "--format", "msk-iam", "--cluster", ARN))
    assert policy["Version"] == "2012-10-17"
    found = set()
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        for resource in statement["Resource"]:
            match = IN_CLUSTER.fullmatch(resource)
            where = match.groups() if match else ("cluster", resource)
            found |= {(*where, action) for action in statement["Action"]}

    rights = wanted(component)
    writes = any(operation == "Write" for _, _, operation in rights)
    of_cluster = {"Connect", "WriteDataIdempotently"} if writes else {"Connect"}
    assert found == {
        (kind, name, f"kafka-cluster:{action}")
        for kind, name, operation in rights
        for action in ACTIONS[kind, operation]
    } | {("cluster", ARN, f"kafka-cluster:{action}") for action in of_cluster}


@pytest.mark.parametrize("cluster", ["kafka", ARN.replace("cluster/", "topic/"), f"{ARN}/events"])
def test_a_policy_of_amazons_names_its_cluster_by_an_arn(cluster: str) -> None:
    shown = invoke("rights", "router", "--format", "msk-iam", "--cluster", cluster)
    assert shown.exit_code == 2
    assert "give the cluster's ARN" in shown.output


def test_the_table_of_security_is_what_the_command_prints() -> None:
    assert invoke("rights").output in SECURITY
    assert [line.split("`")[1] for line in invoke("rights").output.splitlines()[2:]] == [
        *components.components()
    ]
