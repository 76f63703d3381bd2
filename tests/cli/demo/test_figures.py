"""What is read off a worker's /metrics."""

from collections.abc import Mapping

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cli.demo.figures import Figures


def figures(registry: CollectorRegistry) -> Figures:
    return Figures(text_string_to_metric_families(generate_latest(registry).decode()))


@pytest.fixture
def drops() -> Figures:
    registry = CollectorRegistry()
    counter = Counter("mparticle_streams_drops", "", ["stage", "reason"], registry=registry)
    for stage, reason, count in (
        ("router", "no_op", 2),
        ("router", "response", 3),
        ("sailthru", "no_op", 5),
        ("sailthru", "too_old", 0),
    ):
        counter.labels(stage, reason).inc(count)
    return figures(registry)


def test_samples_are_summed(drops: Figures) -> None:
    assert drops.total("drops_total") == 10
    assert drops.total("drops_total", stage="router") == 5
    assert drops.total("drops_total", stage="ab-tasty") == 0
    assert drops.total("no_such_thing") == 0


def test_sums_by_a_label_leave_out_what_is_nothing(drops: Figures) -> None:
    assert drops.by("drops_total", "reason") == {"no_op": 7, "response": 3}
    assert drops.by("drops_total", "reason", stage="sailthru") == {"no_op": 5}


LONGEST = 10.0


def histogram(observed: Mapping[str, list[float]]) -> Figures:
    registry = CollectorRegistry()
    seconds = Histogram("mparticle_streams_wait", "", ["who"], registry=registry, buckets=(1, 2, 4))
    for who, values in observed.items():
        for value in values:
            seconds.labels(who).observe(value)
    return figures(registry)


@pytest.mark.parametrize(
    ("values", "share", "quantile"),
    [
        ([0.5] * 4, 0.5, 0.5),
        ([0.5] * 4, 1.0, 1.0),
        ([0.5, 0.5, 1.5, 1.5], 0.5, 1.0),
        ([0.5, 0.5, 1.5, 1.5], 0.75, 1.5),
        ([3.0] * 10, 0.1, 2.2),
        ([0.5] * 99 + [3.0], 0.99, 1.0),
        ([0.5] * 98 + [3.0] * 2, 0.99, 3.0),
        ([9.0], 0.5, 7.0),
    ],
)
def test_quantile_is_linear_inside_its_bucket(
    values: list[float], share: float, quantile: float
) -> None:
    assert histogram({"a": values}).quantile("wait", share, LONGEST) == pytest.approx(quantile)


def test_quantile_is_that_of_all_labels_together_unless_one_is_asked_for() -> None:
    both = histogram({"fast": [0.5] * 3, "slow": [3.0]})
    assert both.quantile("wait", 0.75, LONGEST) == pytest.approx(1.0)
    assert both.quantile("wait", 0.5, LONGEST, who="slow") == pytest.approx(3.0)


def test_without_data_there_is_no_quantile() -> None:
    assert histogram({}).quantile("wait", 0.5, LONGEST) is None
    assert histogram({"a": []}).quantile("wait", 0.5, LONGEST) is None
