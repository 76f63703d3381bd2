"""The rights that each component needs at Kafka: these, and no more."""

from collections.abc import Mapping
from functools import cache

from agents import registry
from streams.kafka.rights import RECEIVER, ROUTER, Rights
from streams.settings import DRY_RUN_SUFFIX
from streams.topics import AUDIENCES, BY_USER, DEAD_LETTERS, PRIVACY_REQUESTS, RAW

_SENT_AGAIN = (RAW, *BY_USER)


@cache
def components() -> Mapping[str, Rights]:
    """Returns the rights by component; `check` looks with those of what it checks."""
    destinations = registry.destinations()
    reads = {"router": (RAW,), **{name: each.topics for name, each in destinations.items()}}
    workers = tuple(reads)
    found = {
        "receiver": RECEIVER,
        "router": ROUTER,
        **{name: each.rights for name, each in destinations.items()},
        "trace": Rights(
            (*_SENT_AGAIN, AUDIENCES, PRIVACY_REQUESTS, DEAD_LETTERS), looks_at=workers
        ),
        "dead-letters": Rights((DEAD_LETTERS,), looks_at=workers),
        "redrive": Rights((DEAD_LETTERS, *_SENT_AGAIN), _SENT_AGAIN, looks_at=workers),
        **{f"replay-{name}": Rights(of_it, joins=(name,)) for name, of_it in reads.items()},
        **{f"leave-{name}": Rights(joins=(name,)) for name in workers},
    }
    for each in destinations.values():
        found |= each.commands
    return found


def names() -> tuple[str, ...]:
    """All components, dry runs included."""
    return (*components(), *(f"{name}{DRY_RUN_SUFFIX}" for name in registry.destinations()))


def of(component: str) -> Rights:
    """Returns what the component of that name needs, also in a dry run."""
    rights = components()[component.removesuffix(DRY_RUN_SUFFIX)]
    return rights.in_dry_run(component) if component.endswith(DRY_RUN_SUFFIX) else rights
