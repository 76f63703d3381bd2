"""Tells whether a worker's records flow, and if not why and what to do."""

from typing import Any, TypeAlias

from streams.engine.held_partitions import Holds
from streams.engine.processor import Processor
from streams.kafka.pending_writes import PENDING
from streams.kafka.unavailable import UNAVAILABLE

AUTHENTICATION_FAILED = "authentication_failed"

Readiness: TypeAlias = tuple[str, str | None]
"""One of `metrics.READY_STATES`, and unless it is ready what to know about it."""


def readiness(app: Any) -> Readiness:
    """The first thing that is wrong, in the order in which it must be mended."""
    consumer = app.consumer
    return (
        _let_in(consumer)
        or _in_group(app, consumer)
        or _read(consumer)
        or _written()
        or _worked_on(consumer, consumer.processor)
        or _come_to_its_turn(consumer)
        or ("ready", None)
    )


def _let_in(consumer: Any) -> Readiness | None:
    if (why := consumer.access.locked_out) is not None:
        return AUTHENTICATION_FAILED, f"{AUTHENTICATION_FAILED}: {why}"
    return None


def _in_group(app: Any, consumer: Any) -> Readiness | None:
    if refused := consumer.refusals.said:
        return "kafka_refused", f"kafka_refused: {refused}"
    if app.rebalancing or not (consumer.partitions or consumer.holds or consumer.unavailable):
        return "no_partitions", "no partitions assigned"
    return None


def _read(consumer: Any) -> Readiness | None:
    holds: Holds = consumer.holds
    if holds:
        state = min(each.state for each in holds.values())
        return state, f"{state}: {'; '.join(each.said for each in holds.values())}"
    if not consumer.lease.is_in_touch():
        return (
            "kafka_unreachable",
            "kafka_unreachable: Kafka answers no heartbeat; look at the brokers",
        )
    if unavailable := {**consumer.unavailable, **UNAVAILABLE.found}:
        which = (f"{tp.topic}-{tp.partition} ({why})" for tp, why in unavailable.items())
        said = f"Kafka answers nothing of {', '.join(which)}: look at the leaders of these"
        return "partitions_unavailable", f"partitions_unavailable: {said}"
    return None


def _written() -> Readiness | None:
    if (said := PENDING.said) is not None:
        return "writes_wait", f"writes_wait: {said}"
    return None


def _come_to_its_turn(consumer: Any) -> Readiness | None:
    """Last of all, since whatever keeps the others from going on keeps these too."""
    if (said := consumer.added.said) is not None:
        return "starting", f"starting: {said}"
    return None


def _worked_on(consumer: Any, processor: Processor) -> Readiness | None:
    if not all(each.started or each.is_held for each in consumer.partitions.values()):
        return "starting", "starting: reads back what has ended, to send nothing twice"
    if (blocked := processor.blocked) is not None:
        return "blocked", f"{blocked.reason}: {blocked.what_to_do}"
    if (limited := processor.limited) is not None:
        return "limited", f"limited: {limited}"
    return None
