"""`rights`: what is printed grants what the table has, in each form."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from streams.kafka.rights import COMPONENTS, RIGHTS, of
from streams.settings import KafkaSettings
from tests.cli.messages import invoke

SECURITY = (Path(__file__).parents[2] / "SECURITY.md").read_text()
SETTINGS = {"KAFKA_PREFIX": "shop-", "KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9093"}


def wanted(component: str) -> set[tuple[str, str, str]]:
    rights = of(component)
    assert rights is not None
    return {
        (right.kind, right.name, right.operation)
        for right in rights.on(KafkaSettings(prefix="shop-"))
    }


def printed(*arguments: str) -> str:
    shown = invoke("rights", *arguments, settings=SETTINGS)
    assert shown.exit_code == 0
    return shown.output


@pytest.mark.parametrize("component", COMPONENTS)
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


@pytest.mark.parametrize("component", COMPONENTS)
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


@pytest.mark.parametrize("component", COMPONENTS)
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


def test_the_table_of_security_is_what_the_command_prints() -> None:
    assert invoke("rights").output in SECURITY
    assert [line.split("`")[1] for line in invoke("rights").output.splitlines()[2:]] == [*RIGHTS]
