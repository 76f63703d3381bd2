"""The forms that nearly every expression has; what they ask for lies within a board's variables."""

# `worker` says router, sailthru or ab-tasty; the variables choose among clusters and replicas.
SCOPE = 'cluster=~"$cluster",job=~"$job",instance=~"$instance"'
# Recording rules keep no job and no instance.
RECORDED_SCOPE = 'cluster=~"$cluster"'

DESTINATION = 'destination=~"$destination"'
TOPIC = 'topic=~"$topic"'


def series(name: str, where: str = "") -> str:
    """A metric of ours, by the end of its name."""
    return scoped(f"mparticle_streams_{name}", where)


def scoped(name: str, where: str = "") -> str:
    """A metric of everybody's, such as `up`."""
    return f"{name}{{{_and(SCOPE, where)}}}"


def recorded(name: str, where: str = "") -> str:
    """What a recording rule keeps, by the end of its name."""
    return f"mparticle_streams:{name}{{{_and(RECORDED_SCOPE, where)}}}"


def rate(name: str, by: str = "", where: str = "") -> str:
    """How many a second, by a counter."""
    return f"sum{_by(by)} (rate({series(f'{name}_total', where)}[$__rate_interval]))"


def per_minute(name: str, by: str = "", where: str = "") -> str:
    return f"60 * {rate(name, by, where)}"


def increase(name: str, window: str, by: str = "", where: str = "") -> str:
    """How many within a window, by a counter."""
    return f"sum{_by(by)} (increase({series(f'{name}_total', where)}[{window}]))"


def total(name: str, by: str = "", where: str = "") -> str:
    return f"sum{_by(by)} ({series(name, where)})"


def highest(name: str, by: str = "", where: str = "") -> str:
    return f"max{_by(by)} ({series(name, where)})"


def quantile(
    q: float, name: str, by: str, where: str = "", window: str = "$__rate_interval"
) -> str:
    """What so large a share stays under, by a histogram."""
    buckets = f"sum{_by(f'le, {by}')} (rate({series(f'{name}_bucket', where)}[{window}]))"
    return f"histogram_quantile({q}, {buckets})"


def mean(name: str, by: str, where: str = "") -> str:
    """The average of what a histogram saw."""
    summed, counted = (
        f"sum{_by(by)} (rate({series(f'{name}_{part}', where)}[$__rate_interval]))"
        for part in ("sum", "count")
    )
    return f"{summed} / {counted}"


def or_zero(expression: str) -> str:
    """Nought instead of nothing, where no series is good news."""
    return f"{expression} or vector(0)"


def _and(*matchers: str) -> str:
    return ",".join(filter(None, matchers))


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
