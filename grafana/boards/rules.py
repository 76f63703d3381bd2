"""The alerts there are: boards show ours among those of a Prometheus that watches more."""

from pathlib import Path

import yaml

_RULES = Path(__file__).parents[1] / "prometheus" / "rules"

ALERTS = "|".join(
    sorted(
        rule["alert"]
        for file in _RULES.glob("*.yml")
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    )
)
