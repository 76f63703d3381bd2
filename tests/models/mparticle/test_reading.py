"""What is read straight is what the model reads."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from models.mparticle import published_fields, reading
from models.mparticle.base_event import UnknownEvent
from models.mparticle.commerce import CommerceEvent
from models.mparticle.consent import ConsentNotification
from models.mparticle.events import CustomEvent
from models.mparticle.firehose import SharedAttribute
from models.mparticle.reading import FrameReader, OddError, Reader, reader
from models.mparticle.values import Arriving, NumberText

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.sampled_from([0, 1_760_000_000_000, 1_760_000_000, 10**12, 10**13 - 1, 10**13])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | st.sampled_from(
        ["add", "delete", "true", "1.50", "0", "-0", "x" * 256, "x" * 257, "y" * 1025]
    )
    | st.sampled_from(["1.50", "12345678901234567890123", "1E5"]).map(NumberText)
)
_values = st.recursive(
    _scalars,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside),
    max_leaves=6,
)


def _shapes(shape: type[Arriving] = Arriving) -> Iterator[type[Arriving]]:
    for each in shape.__subclasses__():
        yield each
        yield from _shapes(each)


_SHAPES = sorted(_shapes(), key=lambda shape: shape.__name__)


@cache
def _objects(shape: type[Arriving]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with names that the shape knows, and values that it may not."""
    fields = published_fields.fields(shape)
    inside = dict(fields.inside)
    shapes = {
        name: of
        for field, info in shape.model_fields.items()
        if (of := published_fields._nested(info.annotation)) is not None
        for name in published_fields._spellings(field, info.validation_alias)
    }
    of_name = {
        name: _values | _object_or_list(shapes[name])
        if name in inside and name in shapes
        else _values
        for name in sorted({*fields.names, "kind", "location", "type"})
    }
    return st.lists(st.sampled_from(sorted(of_name)), unique=True, max_size=8).flatmap(
        lambda names: st.fixed_dictionaries({name: of_name[name] for name in names})
    )


def _object_or_list(shape: type[BaseModel]) -> st.SearchStrategy[Any]:
    assert issubclass(shape, Arriving)
    return _objects(shape) | st.lists(_objects(shape), max_size=2)


def _typed(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _typed(each) for name, each in node.items()}
    if isinstance(node, list):
        return [_typed(each) for each in node]
    return type(node), node


def _is_straight(shape: Reader, written: dict[str, Any]) -> bool:
    """Whether it is read straight; then as the model reads it."""
    try:
        straight = shape.straight(written)
    except (OddError, PydanticCustomError):
        return False
    assert _typed(straight) == _typed(shape.by_model(written))
    return True


@pytest.mark.parametrize("shape", _SHAPES, ids=lambda shape: shape.__name__)
def test_what_is_read_straight_and_what_a_frame_says_is_what_the_model_reads(
    shape: type[Arriving],
) -> None:
    frames, read = FrameReader(shape), reader(shape).by_model

    # One object for both: to make one up takes a hundred times as long as to read it.
    @settings(max_examples=20, derandomize=True, deadline=None, database=None)
    @given(_objects(shape))
    def holds(written: dict[str, Any]) -> None:
        _is_straight(reader(shape), written)
        try:
            said = read(written)
        except (ValidationError, PydanticCustomError) as error:
            with pytest.raises(type(error)):
                frames.frame(written)
        else:
            frame = frames.frame(written)
            assert [_typed(getattr(frame, name) or None) for name in shape.model_fields] == [
                _typed(said.get(name) or None) for name in shape.model_fields
            ]

    holds()


@pytest.mark.parametrize("shape", _SHAPES, ids=lambda shape: shape.__name__)
def test_every_field_can_be_read_straight(shape: type[Arriving]) -> None:
    """Else a new kind of field would send each message that has it the long way, unnoticed."""
    ways = {field.name: field.way for field in Reader(shape)._fields if field.spellings}
    assert [name for name, way in ways.items() if way is None] == []
    if shape is not ConsentNotification:
        assert ways.keys() == shape.model_fields.keys()


@pytest.mark.parametrize(
    ("shape", "written"),
    [
        (CustomEvent, {"event_name": "bought", "event_id": -3, "custom_attributes": {"a": [1]}}),
        (CustomEvent, {"name": "bought", "timestamp_ms": "1760000000000", "session_id": ""}),
        (CommerceEvent, {"product_action": {"products": [{"price": "1.50"}, {}]}}),
        (UnknownEvent, {"at_ms": 5, "model_extra": 6, "timestamp_ms": 1_760_000_000_000}),
    ],
)
def test_what_is_ordinary_is_read_straight(shape: type[Arriving], written: dict[str, Any]) -> None:
    assert _is_straight(reader(shape), written)


@pytest.mark.parametrize(
    "written",
    [{"key": None, "action": "delete"}, {"key": "", "action": "delete"}, {"action": "delete"}],
)
def test_what_is_required_is_asked_for_by_either(written: dict[str, Any]) -> None:
    assert not _is_straight(reader(SharedAttribute), written)
    with pytest.raises(ValidationError):
        reader(SharedAttribute).read(written)


def test_whoever_makes_up_names_is_read_by_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function for each set of names would be memory that a stranger can take."""
    monkeypatch.setattr(reading, "_MOST_FUNCTIONS", 2)
    shape = Reader(UnknownEvent)
    objects = [{f"name_{number}": number} for number in range(4)]
    objects.append({"x" * 5_000: 1})

    assert [shape.read(each) for each in objects] == [shape.by_model(each) for each in objects]
    assert len(shape._functions) == 2
    assert not _is_straight(Reader(UnknownEvent), objects[-1])
