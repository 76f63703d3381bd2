"""Kafka's own tools know the options that documents, and what our commands print, give them."""

import asyncio
import re
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from agents import rights as components
from cli.main import main
from sandbox.kafka import command_line
from tests.repository import ROOT

DOCUMENTS = (ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md")))
TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-configs.sh": "org.apache.kafka.tools.ConfigCommand",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-delete-records.sh": "org.apache.kafka.tools.DeleteRecordsCommand",
}
PRINTED = (("topics",), *(("rights", component) for component in components.names()))


def used() -> Iterator[tuple[str, str]]:
    """Each tool and an option that it is given."""
    printed = (CliRunner().invoke(main, words, catch_exceptions=False).stdout for words in PRINTED)
    for text in (*(path.read_text() for path in DOCUMENTS), *printed):
        for line in text.replace("\\\n", " ").splitlines():
            for tool, options in re.findall(r"(kafka-[a-z-]+\.sh)([^`|;&]*)", line):
                yield from ((tool, option) for option in re.findall(r" (--[a-z-]+)", options))


async def options_of(tool: str) -> set[str]:
    process = await asyncio.create_subprocess_exec(
        *command_line(TOOLS[tool], "--help"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return set(re.findall(r"^(--[a-z-]+)", said.decode(), re.MULTILINE))


@pytest.mark.kafka
@pytest.mark.long
async def test_kafkas_tools_know_the_options_that_they_are_given() -> None:
    given = set(used())
    tools = sorted({tool for tool, _ in given})
    known = dict(zip(tools, await asyncio.gather(*map(options_of, tools)), strict=True))

    assert {"kafka-topics.sh", "kafka-acls.sh", "kafka-consumer-groups.sh"} <= set(tools)
    assert {(tool, option) for tool, option in given if option not in known[tool]} == set()
