"""Several brokers that are one Kafka, each also a controller."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from sandbox.kafka import OURS, START_SECONDS, BrokerError, Kafka, Release, Seat, new_cluster_id
from sandbox.ports import free_ports

SIZE: Final = 3
_POLL_SECONDS = 0.1


class Cluster:
    """Brokers with a replica of everything each, all but one of which acknowledge.

    So one may be away, and nothing that was acknowledged is lost: as platform teams have it. Each
    is killed, stopped and started alone; ports and data stay the same meanwhile. Use it as
    `async with`: leaving it ends them all, and removes the data unless the directory is the
    caller's.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        size: int = SIZE,
        advertised: Sequence[Iterable[int]] = (),
        proxied: str = "PLAINTEXT",
        protocols: Mapping[str, str] | None = None,
        settings: Mapping[str, object] | None = None,
        scram: Mapping[str, str] | None = None,
        release: Release = OURS,
    ) -> None:
        """`advertised` are those ports of each broker; the rest is as `Kafka` has it, of all."""
        self._temporary = directory is None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="mparticle-streams-cluster-"))
        nodes = range(1, size + 1)
        controllers = dict(zip(nodes, free_ports(), strict=False))
        cluster_id = new_cluster_id()
        self.brokers: Sequence[Kafka] = [
            Kafka(
                self._directory / f"broker-{node}",
                advertised=ports,
                proxied=proxied,
                protocols=protocols,
                settings={**_replicas(size), **(settings or {})},
                scram=scram,
                seat=Seat(node, controllers, cluster_id),
                release=release,
            )
            for node, ports in zip(nodes, advertised or ((),) * size, strict=True)
        ]

    @property
    def bootstrap(self) -> str:
        return ",".join(broker.bootstrap for broker in self.brokers)

    async def in_sync(self) -> None:
        """Waits until each partition has all its replicas; raises BrokerError when it takes long.

        Only then may the next broker be taken away.
        """
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            async with asyncio.timeout(START_SECONDS):
                await admin.start()
                while not await self._is_in_sync(admin):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise BrokerError(
                f"The brokers' replicas are not in sync after {START_SECONDS:.0f} s; their logs "
                f"are in {self._directory}."
            ) from error
        finally:
            await admin.close()

    async def __aenter__(self) -> Self:
        try:
            async with AsyncExitStack() as stack:
                # All at once: one alone is no majority, and does not answer.
                async with asyncio.TaskGroup() as starting:
                    for broker in self.brokers:
                        stack.push_async_callback(broker.kill)
                        starting.create_task(broker.start())
                stack.pop_all()
        except BaseException:
            self._remove()
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        try:
            # One of the last two would wait for a majority that does not come back.
            await asyncio.gather(*(broker.kill() for broker in self.brokers))
        finally:
            self._remove()

    async def _is_in_sync(self, admin: AIOKafkaAdminClient) -> bool:
        try:
            described = await admin.describe_topics()
            cluster = await admin.describe_cluster()
        except KafkaError:
            return False
        partitions = [each for topic in described for each in topic["partitions"]]
        return len(cluster["brokers"]) == len(self.brokers) and all(
            len(each["isr"]) == len(each["replicas"]) and each["leader"] >= 0 for each in partitions
        )

    def _remove(self) -> None:
        if self._temporary:
            shutil.rmtree(self._directory)


def _replicas(size: int) -> Mapping[str, object]:
    if size == 1:
        return {}
    acknowledge = size - 1
    return {
        # As Kafka comes: what takes over from a broker that was killed takes as long as elsewhere.
        "broker.session.timeout.ms": 9000,
        "broker.heartbeat.interval.ms": 2000,
        "default.replication.factor": size,
        "min.insync.replicas": acknowledge,
        "offsets.topic.replication.factor": size,
        "transaction.state.log.replication.factor": size,
        "transaction.state.log.min.isr": acknowledge,
    }
