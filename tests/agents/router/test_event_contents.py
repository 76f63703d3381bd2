"""What an event's written function says is what its model says."""

import json
from copy import deepcopy
from typing import Any

import pytest

from agents.router import event_batch, firehose
from agents.router.event_contents import Happening, Shape
from models.mparticle.values import NumberText

_AT_MS = 1_760_000_000_000
_COMMON: dict[str, Any] = {
    "id": 7,
    "source_message_id": "s-1",
    "session_id": "17",
    "timestamp_unixtime_ms": _AT_MS,
    "attributes": {"size": "L", "tags": ["a", 1], "price": NumberText("1.50")},
    "custom_flags": {},
    "page_url": "",
    "added": {"$City": "Boca Raton"},
    "removed": {"$Zip": None},
    "user_attribute_name": "$City",
    "new": None,
    "name": "bought",
    "action": "view",
    "products": [{"id": 1, "price": "1.50", "attributes": {}}],
    "product_action": {"action": "purchase", "products": []},
    "is_opted_out": False,
    "location": {"latitude": 1.5},
    "model_extra": [],
    "details": {"a": NumberText("2.0")},
}
_SHAPES = {
    **{f"batch {kind}": shape for kind, shape in event_batch._SHAPES.items()},
    **{f"firehose {kind}": shape for kind, shape in firehose._SHAPES.items()},
    "unknown": event_batch._unknown("quantum_leap"),
}


def _said(happening: Happening, left: dict[str, Any]) -> Any:
    contents = [(each.of, json.dumps(each.fields, sort_keys=True)) for each in happening.contents]
    return happening.at_ms, happening.own_id, contents, left


def _outcomes(shape: Shape, data: dict[str, Any]) -> list[Any]:
    """Returns what the function says of an event and what the model says, or their errors."""
    outcomes = []
    for read in (shape.read, lambda data: shape._reader.leniently(data, shape.kind)):
        event = deepcopy(data)
        try:
            outcomes.append(_said(read(event), event))
        except ValueError as error:
            outcomes.append(str(type(error)))
    return outcomes


@pytest.mark.parametrize("kind", sorted(_SHAPES))
def test_an_event_says_the_same_by_its_function_and_by_its_model_whatever_it_lacks(
    kind: str,
) -> None:
    for left_out in (None, *_COMMON):
        data = {name: value for name, value in _COMMON.items() if name != left_out}
        # A user's identities are no names of attributes.
        if "identity" in kind:
            identities = [{"type": "email", "value": "kit@users.example"}]
            data |= {name: identities for name in ("added", "removed") if name in data}
        by_function, by_model = _outcomes(_SHAPES[kind], data)
        assert by_function == by_model, left_out
