"""The workers' own numbers, read from their /metrics."""

from collections.abc import Iterable, Iterator, Mapping

import aiohttp
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

_NAME = "mparticle_streams_"


async def why_not_ready(address: str) -> str:
    """The text of a worker's /ready."""
    async with aiohttp.ClientSession() as http, http.get(f"{address}/ready") as answer:
        return str((await answer.json())["why_not"])


class Figures:
    """Samples of one worker; names without their common prefix."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._samples = [
            (sample.name.removeprefix(_NAME), sample.labels, sample.value)
            for family in families
            for sample in family.samples
        ]

    @classmethod
    async def read(cls, address: str) -> "Figures":
        async with aiohttp.ClientSession() as http, http.get(f"{address}/metrics") as answer:
            return cls(text_string_to_metric_families(await answer.text()))

    def by(self, name: str, label: str, **where: str) -> dict[str, int]:
        """Sums of a sample by one of its labels, larger than nothing."""
        sums: dict[str, int] = {}
        for labels, value in self._of(name, where):
            sums[labels[label]] = sums.get(labels[label], 0) + int(value)
        return {key: value for key, value in sorted(sums.items()) if value}

    def total(self, name: str, **where: str) -> int:
        return int(sum(value for _, value in self._of(name, where)))

    def quantile(self, name: str, share: float, at_most: float, **where: str) -> float | None:
        """A histogram's quantile, linear inside its bucket as Prometheus does; None without data.

        No value was larger than `at_most`, however wide the last bucket is.
        """
        counts: dict[float, float] = {}
        for labels, value in self._of(f"{name}_bucket", where):
            bound = float(labels["le"])
            counts[bound] = counts.get(bound, 0.0) + value
        rank = share * max(counts.values(), default=0.0)
        if not rank:
            return None
        below = start = 0.0
        for bound, count in sorted(counts.items()):
            if count >= rank:
                return start + (min(bound, at_most) - start) * (rank - below) / (count - below)
            below, start = count, bound
        return start

    def _of(self, name: str, where: Mapping[str, str]) -> Iterator[tuple[Mapping[str, str], float]]:
        for sample, labels, value in self._samples:
            if sample == name and where.items() <= labels.items():
                yield labels, value
