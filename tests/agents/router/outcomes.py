"""What becomes of bent messages, as a digest a message: `python -m tests.agents.router.outcomes`.

Of the same seeds it prints the same lines wherever routing does the same, so that two trees, or one
tree compiled and not, are compared by `cmp`. A tenth of the messages are as the sandbox makes them;
users are remembered from message to message, so that what is remembered is compared too.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from hashlib import blake2b
from random import Random
from typing import Any

import click
from faust.types import TP

from agents.router.raw_message import RawMessage
from agents.router.routing import Routed, route_together
from agents.router.settings import RouterSettings
from agents.router.snapshots import PartitionSnapshots, Snapshots
from models.mparticle import published_fields
from sandbox.mparticle import generate
from tests.agents.router.routing import AT

_START_MS = 1_767_225_000_000
_MESSAGES, _BENDS, _TOGETHER = 500, 9, 50
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**63, 2**64, -(2**63) - 1, 10**25, 1_760_000_000_000),
    *(1_760_000_000, 1e17, 1.5, 149.9, 1e-7, "", " ", "0", "true", "12", "1.50", "1e5", "-0"),
    *("x" * 300, "x" * 1_100, "\0a", "é\ud83d\ude00", "email", "sha256", "add", "delete"),
    *([], {}, [1], ["a", None], [[1]], {"a": 1}, {"type": "email", "value": "lin@shop.example"}),
    [{"identity_type": "customer_id", "identity": "c-1"}],
)
# Numbers that no library would write so.
_NUMBERS = ("1.50", "1E5", "-0", "-0.0", "1e400", "9" * 23, "0.1000", "1.0", "1e16", "1" + "0" * 21)
_NO_EVENTS = published_fields.Fields("")
_NAMES = sorted(
    published_fields.event_batch(_NO_EVENTS).names
    | published_fields.event_request(_NO_EVENTS).names
    | published_fields.Fields(
        "id event_id source_message_id source_id attributes custom_attributes timestamp_ms "
        "location custom_flags account_settings name event_name product_action products price "
        "added new removed old value identity encoding type data event_type message_id "
        "user_attributes list_value nobody_knows_it"
    ).names
)


def outcomes(seed: int) -> Iterator[str]:
    """A line for each message of a seed."""
    random = Random(seed)
    whole = [each.value for each in generate(seed, 100, _MESSAGES, _START_MS)]
    messages = [message for each in whole if (message := _message(each)) is not None]
    values = [
        value
        for each in whole
        for value in (each, *(_bent(random, messages) for _ in range(_BENDS)))
    ]
    settings = RouterSettings(
        snapshots=random.choice(("changed", "changed", "always", "never")),
        firehose_numbers=random.choice(("text", "number")),
    )
    memory = Snapshots(random.choice((50, 100_000))).of(TP(AT.topic, AT.partition))
    for first in range(0, len(values), _TOGETHER):
        yield from _outcomes(values[first : first + _TOGETHER], first, settings, memory)


def _message(value: bytes) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return None


def _outcomes(
    values: list[bytes], first: int, settings: RouterSettings, memory: PartitionSnapshots
) -> Iterator[str]:
    at_ms = _START_MS + first * 1_000
    raws = [RawMessage(each, AT, at_ms, settings, b"key", snapshots=memory) for each in values]
    for routed in route_together(raws):
        yield f"{_digest(routed)} {len(routed.outs)} {len(routed.dead_letters)}"


def _digest(routed: Routed) -> str:
    outs = [
        (out.topic.name, out.key, out.written(), out.id, out.kind, out.raw) for out in routed.outs
    ]
    letters = [letter.model_dump_json() for letter in routed.dead_letters]
    told = outs, letters, routed.dropped, routed.strangers, routed.odd_times
    return blake2b(repr(told).encode(), digest_size=8).hexdigest()


def _bent(random: Random, messages: list[Any]) -> bytes:
    message = deepcopy(random.choice(messages))
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        if nodes := list(_nodes(message)):
            _bend(random, random.choice(nodes))
    separators = random.choice(((",", ":"), (", ", ": ")))
    text = json.dumps(message, ensure_ascii=random.random() < 0.5, separators=separators)
    text = text.replace('"@@', "").replace('@@"', "")
    value = (f"[{text},{text}]" if random.random() < 0.03 else text).encode(errors="surrogatepass")
    if random.random() < 0.02:
        place = random.randrange(len(value))
        return b"%b%c%b" % (value[:place], random.randrange(256), value[place + 1 :])
    return value


def _nodes(node: Any) -> Iterator[Any]:
    """All objects and lists with something in them."""
    if isinstance(node, dict | list) and node:
        yield node
        for each in node.values() if isinstance(node, dict) else node:
            yield from _nodes(each)


def _bend(random: Random, node: Any) -> None:
    if isinstance(node, list):
        place, odd = random.randrange(len(node)), deepcopy(random.choice(_ODD))
        random.choice(
            (
                lambda: node.__setitem__(place, odd),
                lambda: node.pop(place),
                lambda: node.append(deepcopy(node[place])),
                lambda: random.shuffle(node),
            )
        )()
        return
    name, other = random.choice(list(node)), random.choice(_NAMES)
    value, items = node[name], list(node.items())
    random.shuffle(items)
    changed = random.choice(
        (
            *({name: deepcopy(random.choice(_ODD))},) * 3,
            *({other: deepcopy(random.choice(_ODD))},) * 2,
            {other: value},
            {name: str(value) if isinstance(value, int | float) else [value]},
            {name: {"a": value}},
            {name: f"@@{random.choice(_NUMBERS)}@@"},
            None,
        )
    )
    if changed is not None:
        node.update(changed)
    elif random.random() < 0.5:
        del node[name]
    else:
        node.clear()
        node.update(items)


@click.command()
@click.option("--seeds", default=20, show_default=True, help="5,000 messages each.")
@click.option("--first-seed", default=0, show_default=True)
def main(seeds: int, first_seed: int) -> None:
    """Prints a line for each message."""
    for seed in range(first_seed, first_seed + seeds):
        for line in outcomes(seed):
            print(line)  # noqa: T201 - a digest


if __name__ == "__main__":
    main()
