"""docs/kafka-versions.md: written by a command, and read again by it."""

from collections.abc import Mapping
from pathlib import Path

from tests.versions.tried import MESSAGES

DOCUMENT = Path(__file__).parents[2] / "docs" / "kafka-versions.md"
_HEAD = f"""# Kafka versions

Which Apache Kafka brokers the workers have been run on. `make versions` tries them and writes this
page: the sandbox's broker of each version, in KRaft mode, with all three workers on it.

- *delivers*: {MESSAGES} of mParticle's messages go to both simulated destinations, and the broker
  is killed in the middle. What is there in the end is compared with what mParticle meant.
- *scales in*: a replica with a name of its own stops and is put out of its group (`leave`).
- *checks*: `check` finds nothing wrong.

Managed services and other brokers that speak the protocol are not in this table: see
[operations.md](operations.md#connections).

| Kafka | starts | delivers | scales in | checks | run on |
|---|---|---|---|---|---|
"""


def written(rows: Mapping[str, tuple[str, ...]]) -> str:
    in_order = sorted(rows, key=lambda version: tuple(map(int, version.split("."))))
    return _HEAD + "".join(f"| {' | '.join((each, *rows[each]))} |\n" for each in in_order)


def read() -> dict[str, tuple[str, ...]]:
    """The rows that there are, by version."""
    if not DOCUMENT.exists():
        return {}
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    cells = [[each.strip() for each in line.strip("|").split("|")] for line in lines]
    return {version: tuple(rest) for version, *rest in cells if version[:1].isdigit()}
