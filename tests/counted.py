"""What a counter or a gauge stands at, by the way that a scrape has."""

from typing import Any


def value(metric: Any) -> float:
    """Of one series: a metric without labels, or one that was given all of its own."""
    [family] = metric.collect()
    return float(family.samples[0].value)
