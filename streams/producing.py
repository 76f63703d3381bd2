"""Producers that wait for a Kafka that is away, for as long as it is."""

import math
from typing import Any


def patient(producer: Any) -> Any:
    """An aiokafka producer that gives up no batch.

    An idempotent one does not anyway, but for a partition that has no leader: there its batches
    expire, and what follows may be written without them (aiokafka 0.14, MessageAccumulator).
    """
    producer._message_accumulator._batch_ttl = math.inf  # noqa: SLF001 - guarded by a test
    return producer
