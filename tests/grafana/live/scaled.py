"""Prometheus' own files with all durations divided: a minute of the rules becomes a second."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.repository import ROOT

FACTOR = 60
COMMITTED = ROOT / "grafana" / "prometheus"
_EVERY = "1s"
# What the workers wait for themselves, such as Kafka's session time-out, does not shrink.
_SHORTEST_WAIT = 3_000

_MILLISECONDS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+)([smhd])")
_RANGES = re.compile(r"(?<=\[)\d+[smhd](?=[\]:])|(?<=:)\d+[smhd](?=\])|(?<=offset )\d+[smhd]\b")
# What a number of seconds is compared with is a duration too.
_SECONDS = re.compile(r"(?<=_seconds\) > )\d+")


def milliseconds(text: str, factor: int) -> int:
    """A duration in Prometheus' notation, divided."""
    found = _DURATION.fullmatch(text)
    assert found, f"write {text} with one unit, s, m, h or d"
    return int(found[1]) * _MILLISECONDS[found[2]] // factor


def rule(given: Mapping[str, Any], factor: int) -> dict[str, Any]:
    """A rule whose ranges, offsets, waits and ages are shorter; all else stays as it is.

    The objective's 60 seconds stay too: they are a bucket's name.
    """
    expression = _RANGES.sub(lambda found: f"{milliseconds(found[0], factor)}ms", given["expr"])
    expression = _SECONDS.sub(lambda found: str(int(found[0]) / factor), expression)
    faster = {**given, "expr": expression}
    if "for" in given:
        faster["for"] = f"{max(_SHORTEST_WAIT, milliseconds(given['for'], factor))}ms"
    return faster


def write(directory: Path, targets: Mapping[str, str], factor: int = FACTOR) -> Path:
    """Writes the settings and rules for workers at `targets`, host and port by worker's name.

    Who is not among them is not scraped.
    """
    settings = yaml.safe_load((COMMITTED / "prometheus.yml").read_text(encoding="utf-8"))
    settings["global"] = {"scrape_interval": _EVERY, "evaluation_interval": _EVERY}
    (job,) = settings["scrape_configs"]
    job["static_configs"] = [
        {**each, "targets": [targets[name]]}
        for each in job["static_configs"]
        if (name := each["labels"]["worker"]) in targets
    ]
    (directory / "rules").mkdir()
    for file in COMMITTED.glob("rules/*.yml"):
        groups = yaml.safe_load(file.read_text(encoding="utf-8"))
        for group in groups["groups"]:
            group["rules"] = [rule(each, factor) for each in group["rules"]]
        (directory / "rules" / file.name).write_text(yaml.safe_dump(groups), encoding="utf-8")
    (directory / "prometheus.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return directory / "prometheus.yml"
